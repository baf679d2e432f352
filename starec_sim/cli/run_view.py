"""Print a recorded run: its progress, metrics and calls, and commands that show more of it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from starec_sim.cli.kinds_view import print_kinds
from starec_sim.cli.ledger_view import print_ledger
from starec_sim.cli.tables import print_report
from starec_sim.cli.text import program, resume_command
from starec_sim.cli.visible_console import console
from starec_sim.experiment import recorded_experiment
from starec_sim.report import RunReport
from starec_sim.runs.ledger import Ledger, read_ledger
from starec_sim.runs.levels import RecordLevel
from starec_sim.runs.manifest import Manifest, read_manifest
from starec_sim.runs.reader import Reader, RecordedTrial
from starec_sim.stored_summary import run_summary
from starec_sim.visible_text import counted, visible

_SLOWEST = 3
"""Users for whom a command is printed."""


class RunView(NamedTuple):
    """What `starec show` prints of a run."""

    folder: Path
    manifest: Manifest
    rounds: int
    """Rounds of a trial in the configuration."""
    trials: Sequence[RecordedTrial]
    report: RunReport
    ledger: Ledger
    level: RecordLevel
    level_words: str
    slowest: Sequence[tuple[str, int, int]]
    """(user, steps, slow steps) of the users with the most slow steps in the first trial."""

    def as_json(self) -> dict[str, Any]:
        """Return the view as JSON values."""
        return {
            "run": str(self.folder),
            **self.manifest.as_json(),
            "trials": [{**trial._asdict(), "of": self.rounds} for trial in self.trials],
            "ledger": self.ledger.as_json(),
            **self.report.as_json(),
        }


def read_view(folder: Path, reader: Reader) -> RunView:
    """Return what `starec show` prints of a run.

    Raises:
        RunError: The run is damaged.
    """
    manifest, experiment, trials = (
        read_manifest(folder),
        recorded_experiment(folder),
        reader.trials(),
    )
    return RunView(
        folder,
        manifest,
        experiment.rounds,
        trials,
        run_summary(folder, experiment.report.last_rounds, experiment.report.metrics).report,
        read_ledger(reader.db),
        reader.level,
        reader.level_words,
        reader.most_slow_steps(trials[0], _SLOWEST) if trials else (),
    )


def print_run(view: RunView, explain: bool) -> None:
    """Print a run.

    Args:
        view: The run.
        explain: Whether to print what each metric means.
    """
    out, manifest = console(), view.manifest
    out.print(f"{visible(view.folder.name)}: {manifest.status}", style="bold")
    if manifest.problem:
        out.print(visible(manifest.problem), style="red")
    _print_trials(out, view.trials, view.rounds)
    print_report(view.report, explain)
    print_kinds(view.report)
    print_level(out, view.level, view.level_words)
    print_ledger(view.ledger)
    here = shlex.quote(str(view.folder))
    if view.slowest:
        out.print("\nUsers with the most slow thinking:\n")
        for user, steps, slow in view.slowest:
            command = f"{program()} show {here} --user {shlex.quote(visible(user))}"
            out.print(f"    {command}", end="", soft_wrap=True)
            out.print(f"   {counted(steps, 'step')}, {slow} slow", style="dim", soft_wrap=True)
    if manifest.status in ("interrupted", "paused", "failed"):
        command = resume_command(view.folder, manifest.go_on)
        out.print(f"\nGo on with\n\n    {command}", soft_wrap=True)


def print_level(out: Console, level: RecordLevel, words: str) -> None:
    """Say what figures are of, and what is missing, where not everything is recorded."""
    if level == "metrics":
        out.print(
            f"\n{words}: these are means of rounds; users and their kinds, steps and calls "
            "are not on record",
            soft_wrap=True,
        )
    elif level == "decisions":
        out.print(f"\n{words}: prompts and answers are not on record")


def print_left_out(out: Console, trials: Sequence[RecordedTrial]) -> None:
    """Say how many users of the data do not play, and why, where an environment counts them."""
    told: set[str] = set()
    for trial in trials:
        counts = trial.facts.get("left out")
        reasons = ", ".join(_facts(counts)) if isinstance(counts, dict) else ""
        if reasons and reasons not in told:
            told.add(reasons)
            where = f" in {visible(trial.arm)}" if len({each.arm for each in trials}) > 1 else ""
            out.print(
                f"\nUsers of the data who do not play{where}: {visible(reasons)}",
                style="dim",
                soft_wrap=True,
            )


def _print_trials(out: Console, trials: Sequence[RecordedTrial], rounds: int) -> None:
    """Print the committed rounds of each trial, and the facts of its environment if they differ."""
    width = max((len(trial.arm) for trial in trials), default=0)
    before = ""
    for trial in trials:
        facts = " · ".join(_facts(trial.facts))
        if facts != before:
            out.print(f"  {visible(facts)}", style="dim")
        before = facts
        arm = visible(trial.arm)
        out.print(
            f"  {arm:<{width}}  seed {trial.seed}  {trial.rounds} of {counted(rounds, 'round')}"
        )


def _facts(facts: Mapping[str, Any]) -> list[str]:
    """Return the facts of an environment as text, without those that are empty or zero."""
    words = []
    for name, value in facts.items():
        if isinstance(value, dict):
            if inner := _facts(value):
                words.append(f"{name}: {', '.join(inner)}")
        elif value not in (0, None, "", [], ()):
            words.append(f"{name} {value:,}" if isinstance(value, int) else f"{name} {value}")
    return words
