"""Print the cost ledger of a run: calls, tokens, costs, failures, and its estimate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from starec_sim.cli.tables import grid, number
from starec_sim.cli.visible_console import console
from starec_sim.runs.ledger import CallFailure, Ledger, LedgerEntry, read_ledger
from starec_sim.runs.reader import reading
from starec_sim.runs.schema import FILE
from starec_sim.visible_text import counted, visible

if TYPE_CHECKING:
    from starec_sim.estimate import Estimate
    from starec_sim.experiment import Experiment
    from starec_sim.runner import RunResult

_EXAMPLE = 300
"""Characters of a failure's example that are printed at most."""
_ENOUGH = 10
"""With fewer calls than these, nothing is said about the share that could not be read."""
_BUSY = 1.5
"""From this slowdown on, an estimate says that the machine is busy."""


def print_ledger(ledger: Ledger) -> None:
    """Print the calls of each policy, and the failures by cause."""
    if not ledger.entries:
        return
    out, table = console(), grid()
    for entry in ledger.entries:
        table.add_row(entry.node, visible(entry.policy), " · ".join(_parts(entry)))
    out.print("\nCalls\n")
    out.print(table)
    print_failures(ledger)


def print_failures(ledger: Ledger) -> None:
    """Print the failures of calls by cause, and prompts that were cut; nothing without any."""
    if ledger.failures:
        console().print("\nFailures\n")
        for failure in ledger.failures:
            _print_failure(failure)
    for prompt in ledger.cut_prompts:
        console().print(
            f"\nWarning: {visible(prompt.policy)} reports {prompt.tokens:,} tokens for a prompt of "
            f"{prompt.characters:,} characters, far fewer than were sent. Its server probably cuts "
            "prompts: raise its context (num_ctx, --max-model-len), or show the user less.",
            style="yellow",
        )
    for policy in _seldom_read(ledger):
        console().print(
            f"\nWarning: most answers of {visible(policy)} could not be read. Hold it to the form: "
            "`constrained: tags` for a model of this machine, `structured` for an endpoint; "
            "`starec doctor POLICY` asks an endpoint whether it keeps to a schema.",
            style="yellow",
        )


def _seldom_read(ledger: Ledger) -> list[str]:
    """Return the policies of which half of the answers or more could not be read."""
    calls, unread = Counter[str](), Counter[str]()
    for entry in ledger.entries:
        calls[entry.policy] += entry.calls
    for failure in ledger.failures:
        if failure.cause == "parsing":
            unread[failure.policy] += failure.turns
    return [policy for policy, count in unread.items() if count * 2 >= calls[policy] >= _ENOUGH]


def print_failures_of(folder: Path) -> None:
    """Print which calls of an evaluation or audit failed; without a record, nobody was asked."""
    if (folder / FILE).is_file():
        with reading(folder) as reader:
            print_failures(read_ledger(reader.db))


def print_estimate(experiment: Experiment, estimate: Estimate) -> None:
    """Print the estimated calls, tokens, cost and time of a run."""
    out, table = console(), grid()
    arms, seeds = max(1, len(experiment.arms)), experiment.replicates
    money = f"${estimate.usd:,.4f}" if estimate.usd else "none"
    if estimate.unpriced:
        money = f"unknown: no price for {', '.join(estimate.unpriced)}"
    for name, value in (
        ("calls", f"{estimate.calls:,}"),
        ("tokens in", f"{estimate.tokens_in:,}"),
        ("tokens out", f"{estimate.tokens_out:,}"),
        ("money", money),
        ("time", _time(estimate)),
    ):
        table.add_row(f"  {name}", visible(value))
    out.print(
        f"{visible(experiment.name)}: {counted(arms, 'arm')}, "
        f"{counted(seeds, 'seed')}, {counted(experiment.rounds, 'round')} will take about\n",
        soft_wrap=True,
    )
    out.print(table)
    for warning in estimate.warnings:
        out.print(f"\nWarning: {warning}.", style="yellow", soft_wrap=True)
    out.print(
        f"\nEstimated from {counted(estimate.users, 'user')} and "
        f"{counted(estimate.rounds, 'round')} of each arm, {counted(estimate.visits, 'visit')} and "
        f"{estimate.played:,} calls. The run will say how far off that was.",
        style="dim",
        soft_wrap=True,
    )


def print_estimate_errors(result: RunResult) -> None:
    """Print the errors of the estimate of a run, if there is an estimate."""
    if not result.estimate:
        return
    out, table = console(), grid()
    for name, (estimated, actual) in result.compared().items():
        error = f"{(estimated - actual) / actual:+.1%}" if actual else "–"
        form = duration if name == "seconds" else number
        cells = [form(value) for value in (estimated, actual)]
        table.add_row(f"  {name.replace('_', ' ')}", *cells, error)
    out.print("\nEstimated, taken, error of the estimate\n")
    out.print(table)


def _time(estimate: Estimate) -> str:
    if estimate.seconds_busy < _BUSY * estimate.seconds:
        return duration(estimate.seconds)
    return (
        f"{duration(estimate.seconds)} if nothing else runs here, "
        f"{duration(estimate.seconds_busy)} if it stays as busy as now"
    )


def duration(seconds: float) -> str:
    """Return a time in words: `8.8 s`, `12 min`, `2.5 h`."""
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _parts(entry: LedgerEntry) -> Iterator[str]:
    """Yield calls, requests, tokens, latency and cost in words; unknown ones are left out."""
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


_WHAT = {
    "parsing": "answers that could not be read",
    "empty": "answers without a word: is max_tokens too small for its reasoning?",
    "length": "answers cut by max_tokens and not repaired: raise it, or the context of the server "
    "if that is full",
    "content_filter": "answers ended by a content filter of the endpoint",
    "refusal": "answers in which the model declines",
    "tool_calls": "answers with a tool call and no text: serve the model without tools",
    "reasoning": "answers of reasoning alone: the server may sort a whole answer into the "
    "reasoning; see its reasoning parser, or turn thinking off in extra_body",
}


def _print_failure(failure: CallFailure) -> None:
    out = console()
    style = "" if failure.cause == "parsing" else "red"
    what = _WHAT.get(failure.cause, "calls without an answer")
    if failure.turns == 1:
        what = what.replace("answers", "answer", 1)
        what = what.replace("calls without", "call without", 1)
    out.print(
        f"  {failure.cause}: {failure.turns:,} {what} ({visible(failure.policy)})",
        style=style,
        soft_wrap=True,
    )
    example = visible(failure.example)
    if len(example) > _EXAMPLE:
        example = f"{example[:_EXAMPLE]}…"
    for line in example.splitlines():
        out.print(Text(f"    {line}", "dim"), soft_wrap=True)
