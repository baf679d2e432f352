"""How the visits of a round are played: one by one, in cohorts, in other processes.

Every executor plays the same visits with the same result. They differ in speed and in where the
work is done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from starec_sim.agent import Call
from starec_sim.boundary.agent import CheckedAgent
from starec_sim.errors import ContractError, PluginError, StarecError
from starec_sim.executors.pool import run_pool
from starec_sim.types import Visit


@dataclass(frozen=True, slots=True)
class RoundToPlay:
    """The visits of a round that are to be played."""

    agent: CheckedAgent
    users: Sequence[int]
    """The visitors, in ascending order."""
    call: Callable[[int], Call]
    """Returns the call of a user: her memory, the environment, the policies."""
    finished: Callable[[Visit], Visit]
    """Called once with each visit when it is finished; returns the parts that are kept."""
    concurrency: int = 64
    """Visits in progress at once. It changes the speed, and the batches of a local model."""
    skip_failed: bool = False
    """Whether a visit in which a plug-in fails is left out; otherwise it ends the run."""

    def leaves_out(self, error: BaseException) -> bool:
        """Return whether a visit that ended with this error is left out."""
        return self.skip_failed and isinstance(error, ContractError | PluginError)


class Executor(Protocol):
    """Plays the visits of a round."""

    async def play(self, round: RoundToPlay) -> list[Visit | StarecError]:
        """Play a round.

        Args:
            round: What is to be played.

        Returns:
            For each user, in the order of `round.users`, her visit; or the error of the plug-in
            that failed in it, where failed visits are left out.

        Raises:
            StarecError: The error of the first call or visit that failed.
        """
        ...


@runtime_checkable
class PreparedExecutor(Executor, Protocol):
    """An executor that has to know the state of the environment before a round begins."""

    async def prepare(self, round: int, state: Mapping[str, NDArray[Any]]) -> None:
        """Take the state that the environment begins a round with; `play` follows."""
        ...


class PerUser:
    """Plays each visit as one invocation of the agent's graph, several of them at once."""

    async def play(self, round: RoundToPlay) -> list[Visit | StarecError]:
        """Play a round; see `Executor`."""

        async def visit(user: int) -> Visit | StarecError:
            try:
                played = await round.agent.visit(round.call(user))
            except StarecError as error:
                if not round.leaves_out(error):
                    raise
                return error
            return round.finished(played)

        return await run_pool(visit, round.users, round.concurrency)
