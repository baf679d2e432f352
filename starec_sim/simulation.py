"""The round loop: everybody visits, the world changes, the record is committed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from starec_sim.agent import Agent, Call, Policies
from starec_sim.environment import Environment
from starec_sim.errors import ContractError, StarecError
from starec_sim.executors.per_user import play
from starec_sim.measure import Measure, Measured
from starec_sim.runs.recorder import Recorder, TrialState
from starec_sim.types import Memory, Visit


class Watcher(Protocol):
    """Somebody who follows a simulation as it goes: a progress display, say."""

    def round_begins(self, round: int, visitors: int) -> None:
        """Note that a round's visits begin."""
        ...

    def visit_ends(self, visit: Visit) -> None:
        """Note that a visit is over; they end in no particular order."""
        ...

    def round_ends(self, round: int, figures: Mapping[str, float]) -> None:
        """Note that a round is committed."""
        ...


@dataclass
class Simulation:
    """One agent, one world, one record: a trial."""

    agent: Agent
    environment: Environment
    policies: Policies
    recorder: Recorder
    watcher: Watcher
    concurrency: int
    """Visits in flight; changes how fast the results come, never what they are."""

    async def run(self, rounds: int, point: TrialState) -> str:
        """Play rounds up to `rounds`, from where the record stands.

        Returns:
            The digest of the whole trial.
        """
        environment, memories, digest = self.environment, dict(point.memories), point.digest
        notes = dict(point.notes)
        if point.world is not None:
            environment.restore(point.world)
        measure = Measure(environment)
        for round in range(point.rounds, rounds):
            visitors = environment.begin_round(round)
            if list(visitors) != sorted(set(visitors)):
                raise ContractError(
                    f"begin_round({round}) must return each visitor once, in ascending order",
                    hint="sort the rows of the users",
                )
            self.watcher.round_begins(round, len(visitors))
            visits = await self._visits(round, visitors, memories, notes)
            changed = environment.end_round(visits)
            if any(np.isinf(value) for value in changed.values()):
                raise ContractError(
                    f"end_round({round}) returned a figure that is infinite: {dict(changed)}",
                    hint="return finite numbers, or NaN where there is none",
                )
            for visit in visits:
                memories[visit.user] = visit.steps[-1].memory
                # Of several who wrote about one item in a round, the last in order of user stands.
                for step in visit.steps:
                    notes.update(step.notes)
            measured = measure.round(visits)
            measured = Measured(measured.visits, {**measured.round, **changed})
            digest = self.recorder.commit_round(
                round, visits, measured, environment.state(), digest
            )
            self.watcher.round_ends(round, measured.round)
        return digest

    async def _visits(
        self,
        round: int,
        visitors: Sequence[int],
        memories: Mapping[int, Memory],
        notes: Mapping[int, str],
    ) -> list[Visit]:
        environment = self.environment

        def call(user: int) -> Call:
            # Who never visited still remembers what she lived before, and nothing else.
            memory = memories.get(user) or Memory(
                environment.history(user)[-self.agent.history_limit :]
            )
            person = environment.users[user]
            return Call(user, round, person, memory, environment, self.policies, notes)

        def visit_ends(visit: Visit) -> Visit:
            self.watcher.visit_ends(visit)
            return self.recorder.take(visit)

        try:
            return await play(self.agent, visitors, call, self.concurrency, visit_ends)
        except BaseExceptionGroup as group:
            # Visits fail together when an endpoint does; the first failure tells the story.
            first = group.exceptions[0]
            raise first from (None if isinstance(first, StarecError) else group)
        finally:
            # However the round ends, what was answered is paid for.
            self.recorder.flush()
