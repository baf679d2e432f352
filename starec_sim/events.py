"""Events of runs, for progress displays and tests.

Runs, evaluations, audits and trainings call the methods of one `RunEvents` object. They never
change a result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from starec_sim.experiment import Experiment
from starec_sim.types import Visit


class RunEvents:
    """Receives the events of a run. Every method does nothing; override those that you need.

    >>> class Count(RunEvents):
    ...     visits = 0
    ...     def visit_finished(self, visit):
    ...         self.visits += 1
    """

    # Every kind of run

    def run_started(self, folder: Path, experiment: Experiment | None) -> None:
        """Called once all parts of a run are built, also when it is resumed.

        Args:
            folder: The folder, which is kept from now on.
            experiment: What is played; None for an audit, and for an evaluation without agents.
        """

    def message(self, text: str) -> None:
        """Called with a line of text for the user."""

    # Trials

    def trial_started(self, arm: str, seed: int, rounds: int, done: int) -> None:
        """Called before a trial is played; `done` of its rounds are committed already."""

    def round_started(self, round: int, visitors: int) -> None:
        """Called before the visits of a round (counted from 0)."""

    def visit_finished(self, visit: Visit) -> None:
        """Called after each visit; visits finish in no particular order."""

    def round_finished(self, round: int, metrics: Mapping[str, float]) -> None:
        """Called once a round is committed."""

    # Evaluations

    def baselines_started(self, count: int) -> None:
        """Called before `count` baselines are fitted and scored."""

    def baseline_finished(self, name: str, seconds: float) -> None:
        """Called after each baseline."""

    # Trainings

    def stage_started(self, stage: str, steps: int, done: int) -> None:
        """Called before a stage (SFT or GRPO); `done` of its steps are committed already."""

    def samples_screened(self, counts: Sequence[tuple[str, str, int]]) -> None:
        """Called with (node, outcome, count) of the teacher's answers."""

    def step_finished(self, entry: Mapping[str, Any]) -> None:
        """Called with the metrics of each step of a stage."""

    def validated(self, entry: Mapping[str, Any]) -> None:
        """Called with the metrics of the policy on the held-out users."""
