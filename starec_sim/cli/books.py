"""How the books of a run are printed: who was asked how often, what it cost, what went wrong."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from starec_sim.cli.tables import console, grid
from starec_sim.cli.text import clean
from starec_sim.runs.ledger import Entry, Failure, Ledger

_EXAMPLE = 300
"""Characters of what was said of a failure."""


def print_ledger(ledger: Ledger) -> None:
    """Print the calls of each policy, and the failures by cause."""
    if not ledger.entries:
        return
    out, table = console(), grid()
    for entry in ledger.entries:
        table.add_row(entry.node, clean(entry.policy), " · ".join(_told(entry)))
    out.print("\nCalls\n")
    out.print(table)
    if ledger.failures:
        out.print("\nFailures\n")
        for failure in ledger.failures:
            _print_failure(failure)


def _told(entry: Entry) -> Iterator[str]:
    elsewhere = [
        f"{count:,} from {what}"
        for count, what in ((entry.cache_hits, "the cache"), (entry.replayed, "the recording"))
        if count
    ]
    yield f"{entry.calls:,} calls" + (f" ({', '.join(elsewhere)})" if elsewhere else "")
    if entry.requests > entry.calls - entry.cache_hits - entry.replayed:
        yield f"{entry.requests:,} requests"
    if entry.tokens_in or entry.tokens_out:
        yield f"{entry.tokens_in or 0:,} tokens in, {entry.tokens_out or 0:,} out"
    if entry.requests:
        yield f"{entry.seconds / entry.calls:,.2g} s each"
    if entry.cost_usd is not None:
        yield f"${entry.cost_usd:,.4f}"


def _print_failure(failure: Failure) -> None:
    out = console()
    style = "" if failure.cause == "parsing" else "red"
    what = {
        "parsing": "answers that could not be read",
        "empty": "answers without a word: is max_tokens too small for its reasoning?",
    }.get(failure.cause, "calls without an answer")
    out.print(f"  {failure.cause}: {failure.turns:,} {what} ({clean(failure.policy)})", style=style)
    example = clean(failure.example)
    if len(example) > _EXAMPLE:
        example = f"{example[:_EXAMPLE]}…"
    for line in example.splitlines():
        out.print(Text(f"    {line}", "dim"), soft_wrap=True)
