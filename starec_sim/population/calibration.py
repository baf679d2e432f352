"""Play some users of a cheap kind a second time, as a costly kind plays them.

The second visit begins with the same memory and world, and the environment answers with the same
random numbers; so its first slate is the same, and later pages differ only by what the user did. It
is measured, and changes nothing: neither the world nor her memory nor the digest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from starec_sim.agent import Call, Policies
from starec_sim.executors.executor import RoundToPlay
from starec_sim.population.agent import PopulationAgent
from starec_sim.population.kinds import draws
from starec_sim.types import FloatArray, User, Visit

SECOND = "calibration."
"""Begins the name of a metric of a second visit: `calibration.KIND.METRIC`."""
CALLS, TOKENS, USD = (f"{SECOND}calls", f"{SECOND}tokens", f"{SECOND}usd")
"""What a second visit took."""


def calibration_users(
    kinds: Sequence[str], people: Sequence[User], seed: int, cheap: str, most: int
) -> frozenset[int]:
    """Return the rows of the users of a cheap kind who are played by both kinds.

    They are drawn by their ids and the seed. A larger calibration has those of a smaller one.
    """
    rows = [row for row, kind in enumerate(kinds) if kind == cheap]
    order = np.argsort(draws("calibration", [people[row] for row in rows], seed), kind="stable")
    return frozenset(rows[place] for place in order[:most].tolist())


@dataclass(frozen=True, slots=True)
class Calibration:
    """Which visits are played a second time, and how."""

    agent: PopulationAgent
    kind: str
    """The costly kind."""
    policies: Policies
    """Of that kind. Their turns are not recorded: their keys are those of the first visit."""
    users: frozenset[int]

    def round(self, first: RoundToPlay) -> RoundToPlay:
        """Return the second visits of the users of the calibration who visited in a round.

        Args:
            first: The round as it was played first; its users are those whose visits were kept.
        """

        def call(user: int) -> Call:
            return self.agent.call_of(self.kind, replace(first.call(user), policies=self.policies))

        users = [user for user in first.users if user in self.users]
        agent = self.agent.agents[self.kind]
        return replace(first, agent=agent, users=users, call=call, finished=lambda visit: visit)


def second_metrics(
    kind: str,
    visits: Sequence[Visit],
    second: Sequence[Visit],
    measured: Mapping[str, FloatArray],
) -> dict[str, FloatArray]:
    """Return the metrics of second visits, at the places of the first visits of their users.

    Args:
        kind: That plays the second visits.
        visits: All first visits of a round, in order of user.
        second: The second visits, in order of user.
        measured: The metrics of the second visits.
    """
    turns = [[turn for step in visit.steps for turn in step.turns] for visit in second]
    spent = {
        CALLS: [float(len(each)) for each in turns],
        TOKENS: [
            float(sum((turn.tokens_in or 0) + (turn.tokens_out or 0) for turn in each))
            for each in turns
        ],
        USD: [sum(turn.cost_usd or 0.0 for turn in each) for each in turns],
    }
    place_of = {visit.user: place for place, visit in enumerate(visits)}
    places = [place_of[visit.user] for visit in second]
    found = {}
    named = {f"{SECOND}{kind}.{name}": values for name, values in measured.items()}
    for name, values in {
        **named,
        **{name: np.array(values) for name, values in spent.items()},
    }.items():
        found[name] = np.full(len(visits), np.nan)
        found[name][places] = values
    return found
