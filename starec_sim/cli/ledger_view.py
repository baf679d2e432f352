"""How the books of a run are printed: who was asked how often, what it cost, what went wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.text import Text

from starec_sim.cli.tables import console, grid, number
from starec_sim.cli.text import clean
from starec_sim.runs.ledger import Failure, Ledger, LedgerEntry

if TYPE_CHECKING:
    from starec_sim.estimate import Estimate
    from starec_sim.experiment import Experiment
    from starec_sim.runner import RunResult

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


def print_estimate(experiment: Experiment, found: Estimate) -> None:
    """Print what a run will take."""
    out, table = console(), grid()
    arms, seeds = max(1, len(experiment.arms)), experiment.replicates
    money = f"${found.usd:,.4f}" if found.usd else "none"
    if found.unpriced:
        money = f"unknown: no price for {', '.join(found.unpriced)}"
    for name, value in (
        ("calls", f"{found.calls:,}"),
        ("tokens in", f"{found.tokens_in:,}"),
        ("tokens out", f"{found.tokens_out:,}"),
        ("money", money),
        ("time", _duration(found.seconds)),
    ):
        table.add_row(f"  {name}", clean(value))
    out.print(
        f"{clean(experiment.name)}: {arms} arms, {seeds} seeds, {experiment.rounds} rounds will "
        "take about\n",
        soft_wrap=True,
    )
    out.print(table)
    out.print(
        f"\nTold from {found.users} users and {found.rounds} rounds of each arm, "
        f"{found.played:,} calls. The run will say how far off that was.",
        style="dim",
        soft_wrap=True,
    )


def print_error(result: RunResult) -> None:
    """Print how far an estimate was off, if there was one."""
    if not result.estimate:
        return
    out, table = console(), grid()
    for name, (told, was) in result.compared().items():
        error = f"{(told - was) / was:+.1%}" if was else "–"
        shown = (_duration(told), _duration(was)) if name == "seconds" else (told, was)
        cells = [value if isinstance(value, str) else number(value) for value in shown]
        table.add_row(f"  {name.replace('_', ' ')}", *cells, error)
    out.print("\nEstimated, taken, error of the estimate\n")
    out.print(table)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _told(entry: LedgerEntry) -> Iterator[str]:
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
