"""Execute a training with a live display, and print what it changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from rich.text import Text

from starec_sim.cli.options import Answer
from starec_sim.cli.tables import grid, interval_text, number, verdict
from starec_sim.cli.train_progress import TrainProgress
from starec_sim.cli.unfinished import errors_after, unfinished_errors
from starec_sim.cli.visible_console import console
from starec_sim.glossary import metric_info
from starec_sim.metrics import Interval
from starec_sim.report import ArmDifference
from starec_sim.runs.reader import reading
from starec_sim.visible_text import counted

if TYPE_CHECKING:
    from starec_sim.events import RunEvents
    from starec_sim.learning.train import TrainResult

_SHOWN = ("reward", "ndcg@1", "ndcg@10", "satisfaction", "click_through", "malformed")
"""Metrics that are shown, if the environment has them."""
_MANY_UNREAD = 0.2
"""A greater share of answers that could not be read is a warning."""


def finish_training(execute: Callable[[RunEvents], TrainResult], as_json: bool) -> Answer:
    """Execute a training with a live display, then print its result.

    Args:
        execute: Starts or resumes the training.
        as_json: Whether to return the answer in place of printing it.
    """
    progress = TrainProgress()
    with unfinished_errors(progress), progress:
        result = execute(progress)
    if not progress.prints:
        return None
    with errors_after(result.folder):
        if as_json:
            return result.as_json()
        if result.changes is not None:
            print_changes(result.changes, result.steps[-1]["step"])
        progress.print_next_commands(result, _slowest_user(result))
    return None


def print_changes(changes: Mapping[str, Mapping[str, Any]], steps: int) -> None:
    """Print the validation metrics before and after a training, and their differences.

    Args:
        changes: See `starec_sim.learning.validation.changes`.
        steps: Training steps between the two validations.
    """

    def cell(interval: Interval, style: str, sign: str = "") -> Text:
        return Text.assemble((number(interval.mean, sign), style), interval_text(interval, sign))

    out, table, users = console(), grid(), 0
    table.add_row("", "before", "after", "change", style="bold")
    for name in (name for name in _SHOWN if name in changes):
        change_of = changes[name]
        users = max(users, change_of["users"])
        before, after, change = (
            Interval(**change_of[when], n=change_of["users"])
            for when in ("before", "after", "change")
        )
        if name == "malformed" and before.mean == after.mean == 0:
            continue
        word, style = verdict(ArmDifference(change, change_of["p"]), metric_info(name).better)
        cells = cell(before, "bold"), cell(after, "bold"), cell(change, style, "+")
        table.add_row(metric_info(name).label, *cells, Text(word, style))
    out.print(
        f"\n{counted(users, 'user')} never trained on, before and after "
        f"{counted(steps, 'step')} of learning; ± half of the 95 % interval,\n[low, high] a "
        "lopsided one; of changes paired by user; unsure: it holds zero\n",
        soft_wrap=True,
    )
    out.print(table)
    unread = changes["malformed"]["after"]["mean"] if "malformed" in changes else 0.0
    if unread > _MANY_UNREAD:
        out.print(
            f"\nWarning: {unread:.0%} of the answers after the training could not be read. Such "
            "answers are rewarded alike, so GRPO learns little from them. Teach the form first: "
            "train.sft with more users, rounds or epochs.",
            style="bold red",
        )


def _slowest_user(result: TrainResult) -> str | None:
    """Return the id of the validated user with the most slow steps; None if there are no users."""
    if not result.validations:
        return None
    with reading(result.folder) as reader:
        slowest = reader.most_slow_steps(reader.trial(result.validations[-1], None), 1)
    return slowest[0][0] if slowest else None
