"""Whoever follows a training as it goes, and what a simulation tells on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from starec_sim.types import Visit


class Follower(Protocol):
    """Somebody who follows a training as it goes."""

    def run_begins(self, folder: Path, name: str) -> None:
        """Note that a training begins, or goes on."""
        ...

    def stage_begins(self, stage: str, steps: int, done: int) -> None:
        """Note that a stage begins, so many steps of which are done."""
        ...

    def round_begins(self, visitors: int) -> None:
        """Note that a round begins."""
        ...

    def visit_ends(self, visit: Visit) -> None:
        """Note that a visit is over."""
        ...

    def funnel(self, rows: Sequence[tuple[str, str, int]]) -> None:
        """Note what became of the teacher's answers."""
        ...

    def step_ends(self, entry: Mapping[str, Any]) -> None:
        """Note the figures of a step."""
        ...

    def examined(self, entry: Mapping[str, Any]) -> None:
        """Note how the policy does with users it never trained on."""
        ...

    def say(self, text: str) -> None:
        """Take a line worth reading."""
        ...


class Watcher:
    """Passes on what a simulation tells, and lets learning follow each round."""

    def __init__(self, follower: Follower, after: Callable[[int], None]) -> None:
        self._follower = follower
        self._after = after

    def round_begins(self, round: int, visitors: int) -> None:
        """Pass on how many will come."""
        self._follower.round_begins(visitors)

    def visit_ends(self, visit: Visit) -> None:
        """Pass on that one is over."""
        self._follower.visit_ends(visit)

    def round_ends(self, round: int, figures: Mapping[str, float]) -> None:
        """Learn from the round, which is committed."""
        self._after(round)
