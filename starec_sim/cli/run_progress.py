"""The live display of a run: its progress, its speed, and the metrics of each arm."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Mapping
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from starec_sim.cli.live_progress import LiveProgress
from starec_sim.cli.tables import number, sparkline
from starec_sim.cli.text import suggested
from starec_sim.experiment import Experiment
from starec_sim.glossary import eventful, metric_info
from starec_sim.runs.manifest import read_manifest
from starec_sim.types import Visit

_HEADLINES = (
    "click_through",
    "satisfaction",
    "diversity",
    "gini",
    "ndcg@1",
    "ndcg@10",
    "slow",
    "malformed",
)
"""Metrics that are shown during a run, if it has them."""
_COLUMN = 21
"""Width of one of them on the terminal, in characters."""


class RunProgress(LiveProgress):
    """Shows the progress of a run on stderr: live on a terminal, else a line for each round."""

    def __init__(self) -> None:
        super().__init__()
        self._arm, self._seed = "", 0
        self._series: dict[str, dict[str, list[float]]] = {}
        self._rounds = 1
        self._visitors = 1
        self._visits = 0
        self._steps = 0
        self._started = time.monotonic()

    def run_started(self, folder: Path, experiment: Experiment | None) -> None:
        """Show the run's name, and set the total number of rounds."""
        super().run_started(folder, experiment)
        if experiment is not None:
            trials = max(1, len(experiment.arms)) * experiment.replicates
            self._progress.update(self._task, total=trials * experiment.rounds)

    def trial_started(self, arm: str, seed: int, rounds: int, done: int) -> None:
        """Count the rounds that are committed already."""
        self._arm, self._seed, self._rounds = arm, seed, rounds
        self._progress.advance(self._task, done)

    def round_started(self, round: int, visitors: int) -> None:
        """Note the number of visitors of the round."""
        self._visitors, self._visits = max(1, visitors), 0

    def visit_finished(self, visit: Visit) -> None:
        """Advance the bar by one visit."""
        self._visits += 1
        self._steps += len(visit.steps)
        pace = self._steps / max(1e-9, time.monotonic() - self._started)
        self._progress.update(
            self._task, advance=1 / self._visitors, note=f"{pace:,.0f} user-steps/s"
        )

    def round_finished(self, round: int, metrics: Mapping[str, float]) -> None:
        """Show the metrics of the round."""
        if not self._visits:
            self._progress.advance(self._task, 1)
        series = self._series.setdefault(self._arm, {})
        for name, value in metrics.items():
            series.setdefault(name, []).append(value)
        if not self._console.is_terminal:
            shown = ", ".join(
                f"{metric_info(name).label} {number(metrics[name])}"
                for name in self._shown(self._arm, most=5)
                if name in metrics
            )
            self.message(
                f"{self._arm} (seed {self._seed}) round {round + 1}/{self._rounds}: "
                f"{shown or 'no visits'}"
            )

    def print_replay_comparison(self, digest: str, recorded: str) -> None:
        """Print whether the digest of a replay is that of the recording."""
        if digest == recorded:
            self.message(
                "\nThe replay is equal to the recording: the same digest, without any model."
            )
        else:
            self.message(
                f"\nThe replay differs from the recording: its digest was {recorded[:16]}."
            )

    def print_next_commands(
        self,
        folder: Path,
        digest: str,
        plot: Path | None,
        visit: tuple[str, int] | None,
        prompts: bool,
    ) -> None:
        """Print digest and plot of a finished run, and commands that show more of it.

        Args:
            folder: The folder of the run.
            digest: The digest of the run.
            plot: The file of the plot; None if there is none.
            visit: The id of the user whose steps commands show, and a round, from 1, in which she
                visits; None if no steps are on record.
            prompts: Whether prompts and answers are on record.
        """
        here, manifest = shlex.quote(str(folder)), read_manifest(folder)
        if self._series:
            earlier = (manifest.counts or {}).get("steps", 0) - self._steps
            before = f", and {earlier:,} before" if earlier > 0 else ""
            self.message(
                f"\n{self._steps:,} user-steps in {time.monotonic() - self._started:.0f} s{before}"
            )
        else:
            self.message("\nThere was nothing left to do.")
        self.message(f"digest {digest[:16]}  (the same for the same experiment and seed)")
        if plot is not None:
            self.message(f"plot   {plot}")
        commands = [
            (f"view {here}", "all of it in the browser"),
            (f"show {here} --explain", "what the metrics mean"),
            (f"runs --runs-dir {shlex.quote(str(folder.parent))}", "all runs there"),
        ]
        if visit is not None:
            user, round = shlex.quote(visit[0]), visit[1]
            saw, why = "what one user saw, thought and did", "why she did it, one step in full"
            if not prompts:
                saw, why = "what one user saw and did", "one step, without prompt and answer"
            commands[1:1] = [
                (f"show {here} --user {user}", saw),
                (f"why {here} {user} {round}", why),
            ]
        if manifest.replay_of is None and manifest.fork_of is None:  # they have these seeds only
            again = f"run {here}/config.yaml --set seed={max(manifest.seeds) + 1}"
            commands.insert(-1, (again, "the same with another seed"))
        self.message(suggested(commands))

    def _shown(self, arm: str, most: int) -> list[str]:
        series = self._series.get(arm, {})
        return eventful({name: series[name] for name in _HEADLINES if name in series})[:most]

    def _render(self) -> RenderableType:
        table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
        arms = max((len(arm) for arm in self._series), default=0)
        names = self._shown(self._arm, max(1, (self._console.width - arms) // _COLUMN))
        for label in ("", *(metric_info(name).label for name in names)):
            table.add_column(label, no_wrap=True)
        for arm, series in self._series.items():
            cells = []
            for name in names:
                values = series.get(name, [])[-self._rounds :]
                known = [
                    value
                    for other in self._series.values()
                    for value in other.get(name, [])
                    if not math.isnan(value)
                ]
                line = sparkline(values, min(known, default=0), max(known, default=0))
                text = number(values[-1]) if values else ""
                cells.append(Text.assemble((f"{line} ", "cyan"), text))
            table.add_row(Text(arm, "bold" if arm == self._arm else ""), *cells)
        return Group(self._progress, table)
