"""How a recorded training is shown: what it changed for users it was never trained on."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console

from starec_sim.cli.ledger_view import print_ledger
from starec_sim.cli.options import Answer
from starec_sim.cli.tables import grid, number, print_report
from starec_sim.cli.text import program, resume_command
from starec_sim.cli.visible_console import console
from starec_sim.glossary import metric_info
from starec_sim.learning.trials import FIRST_VALIDATION_TRIAL, TEACHER_TRIAL, is_validation
from starec_sim.report import RunReport, summarise
from starec_sim.runs import queries
from starec_sim.runs.ledger import read_ledger
from starec_sim.runs.manifest import read_manifest
from starec_sim.runs.reader import Reader, RecordedTrial
from starec_sim.visible_text import counted, visible

_COMPARED = ("ndcg@10", "satisfaction", "click_through")
"""Of these metrics, the first that there is says for whom learning changed most."""
_MOST_CHANGED = 3
"""Users who are named."""


class ChangedUser(NamedTuple):
    """A metric of a user in the first and in the last validation."""

    user: str
    metric: str
    before: float
    after: float


def show_training(folder: Path, reader: Reader, explain: bool, as_json: bool) -> Answer:
    """Show a training.

    Its episodes are played by other users each, so they are not compared. The validations have the
    same users: the last one is compared with the first.

    Args:
        folder: The training.
        reader: Of its record.
        explain: Whether to print what each metric means.
        as_json: Whether to return the answer in place of printing it.
    """
    manifest, ledger, trials = read_manifest(folder), read_ledger(reader.db), reader.trials()
    validations = [trial for trial in trials if is_validation(trial.number) and trial.rounds]
    compared = [*validations[:1], *validations[1:][-1:]]
    report = summarise(folder, None, arms=[trial.arm for trial in compared])
    changed = most_changed(reader, compared)
    if as_json:
        answer: dict[str, Any] = {"run": str(folder), **manifest.as_json()}
        answer |= {"trials": [trial._asdict() for trial in trials], "ledger": ledger.as_json()}
        return {**answer, **report.as_json(), "changed": [user._asdict() for user in changed]}
    out = console()
    out.print(f"{visible(folder.name)}: {manifest.status}", style="bold")
    if manifest.problem:
        out.print(visible(manifest.problem), style="red")
    _print_counts(out, trials)
    if compared:
        print_report(_with_steps_for_arms(report, compared), explain)
    else:
        out.print(
            "\nNo validation is recorded. Episodes are played by other users each, so their "
            "metrics are not compared; the log of steps is in steps.jsonl.",
            soft_wrap=True,
        )
    print_ledger(ledger)
    if len(compared) > 1:
        _print_changed(out, folder, changed, compared)
    if manifest.status in ("interrupted", "paused", "failed"):
        command = resume_command(folder, manifest.go_on)
        out.print(f"\nGo on with\n\n    {command}", soft_wrap=True)
    return None


def most_changed(reader: Reader, compared: Sequence[RecordedTrial]) -> list[ChangedUser]:
    """Return the users whose metric changed most from the first to the last of two validations."""
    if len(compared) < 2:
        return []
    values: dict[str, dict[str, dict[int, list[float]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    for visit in queries.visit_metrics(reader.db, [trial.number for trial in compared]):
        for name, value in visit.metrics.items():
            values[name][visit.user_id][visit.trial].append(value)
    metric = next((name for name in _COMPARED if name in values), None)
    if metric is None:
        return []
    first, last = (trial.number for trial in compared)
    users = [
        ChangedUser(user, metric, float(np.mean(of[first])), float(np.mean(of[last])))
        for user, of in values[metric].items()
        if first in of and last in of
    ]
    users.sort(key=lambda user: (-abs(user.after - user.before), user.user))
    return [user for user in users[:_MOST_CHANGED] if user.after != user.before]


def _with_steps_for_arms(report: RunReport, compared: Sequence[RecordedTrial]) -> RunReport:
    """Return a report whose arms are called by the steps before the validation."""
    names = {
        trial.arm: counted(trial.number - FIRST_VALIDATION_TRIAL, "step") for trial in compared
    }
    return report._replace(
        metrics={names[arm]: found for arm, found in report.metrics.items()},
        differences={names[arm]: found for arm, found in report.differences.items()},
        played=tuple(each._replace(arm=names[each.arm]) for each in report.played),
    )


def _print_counts(out: Console, trials: Sequence[RecordedTrial]) -> None:
    """Print how many trials of each kind are recorded."""
    episodes = [trial for trial in trials if trial.number < TEACHER_TRIAL]
    kinds = (
        ("teacher", [trial for trial in trials if trial.number == TEACHER_TRIAL]),
        ("episodes", episodes),
        ("validations", [trial for trial in trials if is_validation(trial.number)]),
    )
    for kind, found in kinds:
        if found:
            rounds = sum(trial.rounds for trial in found)
            out.print(f"  {kind:<11}  {len(found)}, with {counted(rounds, 'round')}")


def _print_changed(
    out: Console, folder: Path, users: Sequence[ChangedUser], compared: Sequence[RecordedTrial]
) -> None:
    """Print the users, and the commands that show the first of them before and after."""
    if not users:
        out.print("\nLearning changed the result of no validated user.")
        return
    label = metric_info(users[0].metric).label
    out.print(f"\nFor whom learning changed most ({label} before and after):\n")
    table = grid()
    for user in users:
        table.add_row(f"    {visible(user.user)}", number(user.before), number(user.after))
    out.print(table)
    out.print()
    for trial in compared:
        command = f"show {shlex.quote(str(folder))} --user {shlex.quote(visible(users[0].user))}"
        out.print(f"    {program()} {command} --arm {shlex.quote(trial.arm)}", soft_wrap=True)
