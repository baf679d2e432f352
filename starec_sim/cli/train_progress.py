"""The live display of a training: rewards, losses and validation metrics."""

from __future__ import annotations

import math
import os
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table

from starec_sim.cli.live_progress import LiveProgress
from starec_sim.cli.tables import number, sparkline
from starec_sim.cli.text import program, suggested
from starec_sim.types import Visit
from starec_sim.visible_text import counted

if TYPE_CHECKING:
    from starec_sim.learning.train import TrainResult

_ROWS: Mapping[str, str] = {
    "loss": "loss",
    "kl": "KL from the reference",
    "entropy": "entropy",
    "clip_share": "clipped",
    "zero_variance": "equal groups",
}
_VALIDATED = ("reward", "ndcg@1", "ndcg@10", "satisfaction", "malformed")
_LATEST = 40
"""Steps that a sparkline shows at most."""


class TrainProgress(LiveProgress):
    """Shows the progress of a training on stderr: live on a terminal, else a line for each step."""

    kind = "training"

    def __init__(self) -> None:
        self.prints = os.environ.get("RANK", "0") == "0"
        """Whether this process prints; of several processes only the one with rank 0 does."""
        super().__init__(quiet=not self.prints)
        self._series: dict[str, list[float]] = {}
        self._validated: list[str] = []
        self._steps = 1
        self._visitors, self._visits = 1, 0
        self._learned = 0
        self._clock = self._started = time.monotonic()

    def stage_started(self, stage: str, steps: int, done: int) -> None:
        """Show the stage, and set its number of steps."""
        self._steps = steps
        self._series.clear()
        words = "imitating" if stage == "sft" else "learning"
        self._progress.reset(self._task, total=steps, completed=done, note=words)
        if not self._console.is_terminal:
            more = f", {done} done before" if done else ""
            self.message(f"{stage}: {counted(steps, 'step')}{more}")

    def round_started(self, round: int, visitors: int) -> None:
        """Note the number of visitors of the round."""
        self._visitors, self._visits = visitors, 0

    def visit_finished(self, visit: Visit) -> None:
        """Count a visit."""
        self._visits += 1
        self._progress.update(self._task, note=f"visit {self._visits}/{self._visitors}")

    def samples_screened(self, counts: Sequence[tuple[str, str, int]]) -> None:
        """Print how many answers of the teacher are kept or rejected, and why."""
        table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
        for label in ("node", "the teacher's answers", "count"):
            table.add_column(label, justify="right" if label == "count" else "left")
        for node, what, count in counts:
            table.add_row(node, what, f"{count:,}")
        self._console.print(table)

    def step_finished(self, entry: Mapping[str, Any]) -> None:
        """Show the metrics of a step."""
        now = time.monotonic()
        pace = (entry["learned_tokens"] + entry.get("sampled_tokens", 0)) / max(
            1e-9, now - self._clock
        )
        self._clock = now
        shown = {label: entry[name] for name, label in _ROWS.items() if name in entry}
        for node, value in entry.get("reward", {}).items():
            shown[f"reward, {node}"] = value
        for name, value in entry.get("components", {}).items():
            shown[name] = value
        for name, value in entry.get("counters", {}).items():
            if name.endswith("malformed"):
                shown[name] = value
        shown["tokens/s"] = pace
        for label, value in shown.items():
            self._series.setdefault(label, []).append(value)
        self._learned += 1
        self._progress.update(self._task, advance=1)
        if not self._console.is_terminal:
            line = ", ".join(
                f"{label} {number(value)}" for label, value in shown.items() if label != "entropy"
            )
            self.message(f"{entry['stage']} step {entry['step']}/{self._steps}: {line}")

    def validated(self, entry: Mapping[str, Any]) -> None:
        """Show the metrics of the policy on held-out users."""
        metrics = entry["validation"]
        line = ", ".join(
            f"{name} {metric['mean']:.3f} [{metric['low']:.3f}, {metric['high']:.3f}]"
            for name in _VALIDATED
            if (metric := metrics.get(name)) is not None
        )
        self._validated.append(f"new users after {counted(entry['step'], 'step')}: {line}")
        if not self._console.is_terminal:
            self.message(self._validated[-1])
        self._clock = time.monotonic()

    def how_to_resume(self, error: BaseException) -> str:
        """Return what is kept of a training that an error ended, and the next command."""
        from starec_sim.learning.learner import DivergenceError

        if not self.prints:
            return ""
        if isinstance(error, DivergenceError) and self.kept is not None:
            config = shlex.quote(str(Path(self.kept) / "config.yaml"))
            return (
                "\nThe training stopped; everything committed is kept. Resumed, it would come to "
                "the same again.\nStart a new one with another learning rate, or another reward:"
                f"\n\n    {program()} train {config} --set train.grpo.optimisation.lr=RATE\n"
            )
        return super().how_to_resume(error)

    def print_next_commands(self, result: TrainResult, user: str | None) -> None:
        """Print weights and plot of a finished training, and commands that show more of it.

        Args:
            result: The result of the training.
            user: The id of a validated user; None if there are none.
        """
        if self._learned:
            self.message(
                f"\n{counted(self._learned, 'step')} in {time.monotonic() - self._started:.0f} s"
            )
        else:
            self.message("\nThere was nothing left to do.")
        self.message(f"version  {result.version}")
        if result.plot is not None:
            self.message(f"plot     {result.plot}")
        spec = ", ".join(f"{key}: {value}" for key, value in result.policy.items())
        self.message(f"\nPlay it with  policies: {{fast: {{{spec}}}}}")
        here = shlex.quote(str(result.folder))
        stage = next((e["stage"] for e in result.steps if e["stage"] != "sft"), "")
        longer = f"train.{stage}.steps=N" if stage else "train.sft.epochs=N"
        commands = [
            (f"train {here}/config.yaml --set {longer}", "the same, for longer"),
            (f"resume {here}", "prints this again; after a kill it goes on"),
        ]
        if user is not None:
            shown = f"show {here} --user {shlex.quote(user)} --arm"
            commands[:0] = [
                (f'{shown} "{result.validations[0]}"', "how one of them chose before"),
                (f'{shown} "{result.validations[-1]}"', "and after"),
            ]
        self.message(suggested(commands))
        self.message(f"\nSee it in the browser:\n\n    {program()} view {here}")

    def _render(self) -> RenderableType:
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        for label, values in self._series.items():
            known = [value for value in values[-_LATEST:] if not math.isnan(value)]
            line = sparkline(known, min(known, default=0), max(known, default=0))
            table.add_row(label, f"[cyan]{line}[/]", number(values[-1]))
        return Group(self._progress, table, *self._validated[-3:])
