"""Play a trial round by round: users visit, the environment is updated, the round is committed.

while simulation.rounds < rounds:
    played = await simulation.play_round()
    simulation.commit(played)
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray

from starec_sim.agent import Agent, Call, NamedPolicies, Policies, first_memory
from starec_sim.boundary import checked_agent, checked_environment, watched_calls
from starec_sim.environment import Environment
from starec_sim.errors import ContractWarning, RunError, StarecError
from starec_sim.events import RunEvents
from starec_sim.executors.drain import drained_in_time, stop_if_draining
from starec_sim.executors.executor import Executor, PerUser, PreparedExecutor, RoundToPlay
from starec_sim.measure import Measure, RoundMetrics
from starec_sim.population.calibration import Calibration, second_metrics
from starec_sim.runs.facts import Facts
from starec_sim.runs.trial_state import TrialState
from starec_sim.types import Item, Memory, Visit

ChooseVisitors = Callable[[int, Sequence[int]], Sequence[int]]
"""Takes a round and its visitors; returns those of them who are played."""


_TOLD = 3
"""Failed visits of a round that get a warning each."""


class RoundRecorder(Protocol):
    """Records the rounds of a simulation; implemented by `starec_sim.runs.recorder.Recorder`."""

    @property
    def keeps_facts(self) -> bool:
        """Whether `commit_round` stores what the environment knows of each step."""
        ...

    def flush(self) -> None:
        """Write the turns that are not written yet."""
        ...

    def take(self, visit: Visit) -> Visit:
        """Take a finished visit; return the parts that are kept until the round is committed."""
        ...

    def commit_round(
        self,
        round: int,
        visits: Sequence[Visit],
        measured: RoundMetrics,
        environment_state: Mapping[str, NDArray[Any]],
        digest: str,
        facts: Sequence[Sequence[Facts]] = (),
        items: Sequence[Item] = (),
    ) -> str:
        """Commit a round in one transaction; return the digest of the trial so far."""
        ...


class PlayedRound(NamedTuple):
    """A round whose visits are finished and not committed yet."""

    round: int
    visits: list[Visit]
    """In ascending order of user."""
    visitors: int = 0
    """How many users came; more than the visits where some were left out."""
    second_visits: Sequence[Visit] = ()
    """Those that a calibration played, in ascending order of user."""


class VisitRules(NamedTuple):
    """How the visits of a round are played."""

    concurrency: int = 64
    """Visits in progress at once. It changes the speed, and the batches of a local model."""
    skip_failed: bool = False
    """Whether a visit in which a plug-in fails is left out; otherwise it ends the run."""
    executor: Executor | None = None
    """Plays the visits; one invocation for each user when None. It changes the same."""
    calibration: Calibration | None = None
    """Plays some visits a second time, which changes nothing but what is measured."""


class Simulation:
    """Plays a trial: one agent in one environment with one recorder, round by round.

    Args:
        agent: Plays the users.
        environment: New; it is restored to `state`.
        policies: The chat models that the agent asks.
        recorder: The recorder of this trial.
        state: The state after the last committed round, from `Recorder.open`.
        events: Is called at each event of the run.
        visit_rules: How many visits are in progress at once, and what follows when one fails.
        choose_visitors: Chooses the visitors of a round that are played; all when None.
    """

    def __init__(
        self,
        agent: Agent,
        environment: Environment,
        policies: Policies,
        recorder: RoundRecorder,
        state: TrialState,
        *,
        events: RunEvents | None = None,
        visit_rules: VisitRules | None = None,
        choose_visitors: ChooseVisitors | None = None,
    ) -> None:
        self.rounds = state.rounds
        """Number of committed rounds."""
        self.digest = state.digest
        """Digest of all committed rounds."""
        self.last_round: int | None = None
        """How many rounds there are to play; no limit when None."""
        self._agent, self._environment = checked_agent(agent), checked_environment(environment)
        self._policies = policies
        self._recorder = recorder
        self._trial_labels = self._labels = state.labels
        self._memories, self._notes = dict(state.memories), dict(state.notes)
        self._events = events or RunEvents()
        self._rules = visit_rules or VisitRules()
        self._choose_visitors = choose_visitors
        with watched_calls():
            if state.environment_state is not None:
                self._environment.restore(state.environment_state)
            self._measure = Measure(self._environment)

    async def run(self, rounds: int) -> str:
        """Play and commit until `rounds` rounds are committed; return the digest of the trial."""
        while self.rounds < rounds:
            stop_if_draining()
            self.commit(await self.play_round())
        return self.digest

    async def play_round(self) -> PlayedRound:
        """Play the visits of the next round. Only turns are written, not the round.

        Raises:
            RunError: All rounds are committed.
            StarecError: The error of the first call or visit that failed.
        """
        if self.rounds == self.last_round:
            raise RunError(
                f"all {self.rounds} rounds of the experiment are committed",
                hint="set `rounds` of the experiment higher",
            )
        with watched_calls():
            return await self._play_round(self.rounds)

    async def _play_round(self, round: int) -> PlayedRound:
        executor = self._rules.executor or PerUser()
        if isinstance(executor, PreparedExecutor):
            await executor.prepare(round, self._environment.state())
        visitors: Sequence[int] = self._environment.begin_round(round)
        if self._choose_visitors is not None:
            visitors = self._choose_visitors(round, visitors)
        self._events.round_started(round, len(visitors))
        if isinstance(self._policies, NamedPolicies):
            self._labels = {**self._trial_labels, **self._policies.names()}
        try:
            played = await drained_in_time(executor.play(self._round_to_play(visitors)))
            visits = _without_left_out(played)
            second = await drained_in_time(self._second_visits(visits))
            return PlayedRound(round, visits, len(visitors), second)
        finally:
            # Also after an error: the answers are paid for, and a resume reuses them.
            self._recorder.flush()

    async def _second_visits(self, visits: Sequence[Visit]) -> list[Visit]:
        """Play the visits of a calibration, in this process."""
        if self._rules.calibration is None:
            return []
        first = self._round_to_play([visit.user for visit in visits])
        executor = self._rules.executor
        here = PerUser() if executor is None or isinstance(executor, PreparedExecutor) else executor
        played = await here.play(self._rules.calibration.round(first))
        return _without_left_out(played, "a second visit, of the calibration,")

    def _round_to_play(self, users: Sequence[int]) -> RoundToPlay:
        return RoundToPlay(
            self._agent,
            users,
            self._call,
            self._finished,
            self._rules.concurrency,
            self._rules.skip_failed,
        )

    def _call(self, user: int) -> Call:
        memory = self._memories.get(user) or first_memory(self._environment, self._agent, user)
        person = self._environment.users[user]
        return Call(
            user,
            self.rounds,
            person,
            memory,
            self._environment,
            self._policies,
            self._notes,
            self._labels,
        )

    def _finished(self, visit: Visit) -> Visit:
        self._events.visit_finished(visit)
        return self._recorder.take(visit)

    def commit(self, played: PlayedRound) -> None:
        """Apply a round to the environment and commit it in one transaction.

        Raises:
            ContractError: `end_round` or `state` returned something wrong.
            RunError: The round cannot be written; then no part of it is.
        """
        assert played.round == self.rounds, "rounds are committed in order, each of them once"
        environment, visits = self._environment, played.visits
        with watched_calls():
            facts = [self._facts(visit) for visit in visits] if self._recorder.keeps_facts else ()
            of_environment = environment.end_round(visits)
        measured = self._measure.round(visits)
        if self._rules.skip_failed and played.visitors:
            of_environment = {**of_environment, "skipped": 1 - len(visits) / played.visitors}
        by_visit = measured.visits
        if self._rules.calibration is not None and (second := played.second_visits):
            again = self._measure.round(second).visits
            kind = self._rules.calibration.kind
            by_visit = {**by_visit, **second_metrics(kind, visits, second, again)}
        measured = RoundMetrics(by_visit, {**measured.round, **of_environment})
        self.digest = self._recorder.commit_round(
            played.round,
            visits,
            measured,
            environment.state(),
            self.digest,
            facts,
            environment.items,
        )
        keep_memories(visits, self._memories, self._notes)
        self.rounds += 1
        self._events.round_finished(played.round, measured.round)

    def _facts(self, visit: Visit) -> list[Facts]:
        """Return what the environment knows of each step of a visit."""
        return [
            self._environment.slate_facts(visit.user, visit.steps[:number], step.observation)
            for number, step in enumerate(visit.steps)
        ]


def keep_memories(
    visits: Sequence[Visit], memories: dict[int, Memory], notes: dict[int, str]
) -> None:
    """Put what users of a round remember, and their notes about items, in the place of the old.

    Of several notes about one item, the last in order of user is kept.
    """
    for visit in visits:
        memories[visit.user] = visit.steps[-1].memory
        for step in visit.steps:
            notes.update(step.notes)


def _without_left_out(played: Sequence[Visit | StarecError], named: str = "a visit") -> list[Visit]:
    """Return the visits that did not fail, and warn about those that did.

    Args:
        played: Visits, and the errors of those that failed and may be left out.
        named: What is left out, for the warning.

    Raises:
        StarecError: All of them failed.
    """
    visits = [each for each in played if isinstance(each, Visit)]
    errors = [each for each in played if not isinstance(each, Visit)]
    if errors and not visits:
        raise errors[0]
    for error in errors[:_TOLD]:
        warnings.warn(f"{named} is left out: {error}", ContractWarning, stacklevel=2)
    if len(errors) > _TOLD:
        more = f"{len(errors) - _TOLD} more visits of this round are left out"
        warnings.warn(more, ContractWarning, stacklevel=2)
    return visits
