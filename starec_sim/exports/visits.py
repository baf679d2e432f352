"""The visits of a run in their order, as exports of conversations need them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from starec_sim.runs.attempts import own_turns
from starec_sim.runs.reader import Reader, RecordedStep, RecordedTrial
from starec_sim.types import User


class RecordedVisit(NamedTuple):
    """One visit as it was recorded."""

    trial: RecordedTrial
    user: User
    round: int
    """From 0."""
    steps: list[RecordedStep]
    """With the calls that the visit was played with."""

    def name(self, run: str) -> str:
        """Return a name that no other visit of any run has."""
        return f"{run}/{self.trial.arm}/{self.trial.seed}/{self.user.id}/{self.round + 1}"


def recorded_visits(reader: Reader) -> Iterator[RecordedVisit]:
    """Yield the committed visits by trial, user and round."""
    for trial in reader.trials():
        for row, user in list(reader.users(trial)):
            by_round = groupby(reader.steps(trial, row), key=lambda step: step.round)
            for round, steps in by_round:
                own = [step._replace(turns=own_turns(step.turns)) for step in steps]
                yield RecordedVisit(trial, user, round, own)
