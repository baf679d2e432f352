"""Play the visits of many users in one invocation of the agent's graph."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from starec_sim.agent import Call
from starec_sim.errors import ContractWarning, StarecError
from starec_sim.executors.executor import PerUser, RoundToPlay
from starec_sim.executors.pool import run_pool
from starec_sim.types import Visit


class Cohort:
    """Plays the visits of a round in cohorts; implements `Executor`.

    At least one cohort is in progress, and so many that `concurrency` visits are. A visit that ends
    early leaves its cohort, which shrinks.

    Args:
        size: Users of a cohort.
    """

    def __init__(self, size: int) -> None:
        self._size = size

    async def play(self, round: RoundToPlay) -> list[Visit | StarecError]:
        """Play a round; see `Executor`. An agent that plays no cohorts is played per user."""
        if reason := round.agent.why_one_by_one:
            warnings.warn(
                f"executor: cohort, but {reason}. Visits are played one by one, which is slower "
                "and gives the same results; write `visits` in that class (starec_sim.agent."
                "CohortAgent), or set executor: per_user",
                ContractWarning,
                stacklevel=2,
            )
            return await PerUser().play(round)
        users, size = round.users, self._size
        cohorts = [users[start : start + size] for start in range(0, len(users), size)]
        at_once = max(1, round.concurrency // size)
        played = await run_pool(lambda cohort: _play(round, cohort), cohorts, at_once)
        return [each for cohort in played for each in cohort]


async def _play(round: RoundToPlay, users: Sequence[int]) -> list[Visit | StarecError]:
    """Play one cohort."""
    errors: dict[int, StarecError] = {}

    def failed(call: Call, error: StarecError) -> None:
        if not round.leaves_out(error):
            raise error
        errors[call.user] = error

    visits = await round.agent.visits([round.call(user) for user in users], failed)
    return [
        errors[user] if visit is None else round.finished(visit)
        for user, visit in zip(users, visits, strict=True)
    ]
