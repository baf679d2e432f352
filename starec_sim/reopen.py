"""Put a recorded trial back to the beginning of a round, so that its users can be played on.

A record holds the state of the environment after the last round only. For an earlier round a new
environment is given what the users did in the rounds before, from the record; no model is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from starec_sim.agent import Agent, Call, Policies
from starec_sim.build import Builder, apply_events, edited_memories
from starec_sim.environment import Environment
from starec_sim.errors import RunError
from starec_sim.executors.event_loop import run_coroutine
from starec_sim.experiment import Arm, recorded_experiment
from starec_sim.policies.gateway.turn_store import NoStore
from starec_sim.population.policies import of_kind
from starec_sim.rng import Streams
from starec_sim.runs.code import SAME_CODE, CodeRules, reopened
from starec_sim.runs.digests import environment_digest
from starec_sim.runs.manifest import read_manifest
from starec_sim.runs.reader import Reader, RecordedTrial
from starec_sim.runs.record_errors import readable_errors
from starec_sim.runs.trial_state import load_state
from starec_sim.types import CallKey, ExpectedAnswer, Memory, Messages, Node, Step, Turn, Visit


@dataclass(frozen=True)
class ReopenedRound:
    """A trial as it stood at the beginning of a round."""

    folder: Path
    trial: RecordedTrial
    round: int
    """From 0."""
    environment: Environment
    agent: Agent
    policies: Policies
    """Those of the run; a training's have the weights from before the training."""
    memories: Mapping[int, Memory]
    """By user, of those who visited before."""
    notes: Mapping[int, str]
    visitors: frozenset[int]
    how: str
    """In words, from what the state of the environment was made."""

    def call(self, user_id: str) -> Call:
        """Return the visit of a user in this round.

        It gives her recorded answers to the recorded questions; the policies are asked others.

        Raises:
            RunError: There is no such user, or she does not visit in this round.
        """
        with closing(Reader(self.folder)) as reader, readable_errors(reader.path):
            user, _ = reader.user(self.trial, user_id)
            turns = reader.round_turns(self.trial, self.round, user)
            visited = sorted({step.round + 1 for step in reader.steps(self.trial, user)})
        if user not in self.visitors:
            rounds = ", ".join(map(str, visited)) or "none"
            raise RunError(
                f"user {user_id} does not visit in round {self.round + 1}; her rounds: {rounds}",
                hint="name one of her rounds, or another user",
            )
        # Not the recorded profile, to which the kind of the user may have been added.
        person, memory = self.environment.users[user], self.memory(user)
        labels = {"run": self.folder.name, "arm": self.trial.arm, "seed": self.trial.seed}
        policies = RecordedFirst(turns, self.policies)
        return Call(
            user, self.round, person, memory, self.environment, policies, self.notes, labels
        )

    def memory(self, user: int) -> Memory:
        """Return what a user remembers at the beginning of the round."""
        return self.memories.get(user) or _first_memory(self.environment, self.agent, user)


class RecordedFirst:
    """Gives recorded answers to recorded questions, and asks policies all others.

    Args:
        turns: The recorded turns.
        policies: Are asked what is not recorded.
    """

    def __init__(self, turns: Mapping[CallKey, Turn], policies: Policies) -> None:
        self._turns, self._policies = turns, policies

    def of_kind(self, kind: str) -> RecordedFirst:
        """Return the same for the policies of a kind of users."""
        return RecordedFirst(self._turns, of_kind(self._policies, kind))

    def structured(self, node: Node) -> bool:
        """Return whether the policy of a node takes a schema."""
        return self._policies.structured(node)

    async def ask(
        self,
        key: CallKey,
        messages: Messages,
        schema: Mapping[str, Any] | None = None,
        expected: ExpectedAnswer | None = None,
    ) -> Turn:
        """Return the recorded turn of this question, or ask."""
        turn = self._turns.get(key)
        if turn is not None and turn.messages == messages:
            return replace(turn, error="", source="replay", tries=0, cost_usd=None)
        return await self._policies.ask(key, messages, schema, expected)


def reopen(
    folder: Path,
    round: int,
    arm: str | None = None,
    seed: int | None = None,
    rules: CodeRules = SAME_CODE,
) -> ReopenedRound:
    """Put a recorded trial back to the beginning of a round.

    Args:
        folder: The run or training.
        round: From 0; the number of recorded rounds stands for the round that would come next.
        arm: The arm; the first one when None.
        seed: The seed; the first one when None.
        rules: Which code of the folder may run.

    Raises:
        RunError: There is no such trial or round, or the data or the code is not that of the run.
        StarecError: A part of the run cannot be built.
    """
    manifest = read_manifest(folder)
    if manifest.kind not in ("run", "training"):
        raise RunError(
            f"{folder} is an {manifest.kind}; only people of runs and trainings can be opened",
            hint="`starec runs` lists the runs with their kinds",
        )
    with closing(Reader(folder)) as reader, readable_errors(reader.path):
        reader.require("everything", "to play on with a recorded user")
        trial = reader.trial(arm, seed)
        if not 0 <= round <= trial.rounds:
            raise RunError(
                f"arm {trial.arm!r} has {trial.rounds} recorded rounds, and none {round + 1}",
                hint=f"name a round from 1 to {trial.rounds + 1}; {trial.rounds + 1} comes next",
            )
        with reopened(folder, manifest, rules, noted=False):
            configured = _arm(folder, trial.arm)
            history = _History(reader, trial, configured)
        how = history.go_to(round)
        visitors = frozenset(history.environment.begin_round(round))
    return ReopenedRound(
        folder,
        trial,
        round,
        history.environment,
        history.agent,
        history.policies,
        history.memories,
        history.notes,
        visitors,
        how,
    )


class _History:
    """Brings an environment, memories and notes to the beginning of a round.

    Args:
        reader: The record.
        trial: The trial.
        arm: Its configuration.

    Raises:
        RunError: The data is not that of the run.
        StarecError: A part cannot be built.
    """

    def __init__(self, reader: Reader, trial: RecordedTrial, arm: Arm) -> None:
        self._reader, self._trial, self._arm, self._builder = reader, trial, arm, Builder()
        self._use(arm)
        _check_world(reader, trial, self.environment)
        self.memories: dict[int, Memory] = {}
        self.notes: dict[int, str] = {}

    def _use(self, arm: Arm) -> None:
        """Build the parts of an arm; the environment is at its beginning."""
        self.environment = self._builder.environment(arm, self._trial.seed)
        self.agent = self._builder.agent(arm)
        self.policies = self._builder.gateway(
            arm, Streams(self._trial.seed), NoStore(), self._trial.arm
        )

    def _change(self, round: int) -> None:
        """Make the change that the schedule has for a round, if any."""
        if round in {change.round for change in self._arm.changes}:
            state = self.environment.state()
            self._use(self._arm.at(round))
            self.environment.restore(state)
            apply_events(self.environment, self._arm, round)
            self._edit_memories(round)

    def _edit_memories(self, round: int) -> None:
        edited = edited_memories(self._arm, round, self.agent, self.environment, self.memories)
        self.memories.update(edited)

    def go_to(self, round: int) -> str:
        """Go to a round, and say how."""
        end = load_state(self._reader.db, self._trial.number)
        if not round:
            return "the beginning of the run"
        if round == end.rounds and end.environment_state is not None:
            if self._arm.changes:
                self._use(self._arm.at(round))
            self.environment.restore(end.environment_state)
            apply_events(self.environment, self._arm, round)
            self.memories, self.notes = dict(end.memories), end.notes
            self._edit_memories(round)
            return f"the state on record after round {round}"
        for number in range(round):
            self._change(number)
            self.environment.begin_round(number)
            # Notes of agents about items are on record for the end of the run only.
            visits = self._played(number) if end.notes else self._recorded(number)
            self.environment.end_round(visits)
            for visit in visits:
                self.memories[visit.user] = visit.steps[-1].memory
                for step in visit.steps:
                    self.notes.update(step.notes)
        self._change(round)
        return f"the recorded decisions of rounds 1 to {round}, replayed"

    def _recorded(self, round: int) -> list[Visit]:
        """Return the visits of a round as they are recorded."""
        visits = []
        for user, recorded in self._reader.round_steps(self._trial, round).items():
            memory, steps = self._memory(user), list[Step]()
            for each in recorded:
                shown = self.environment.observe(user, steps)
                if shown.slate != each.observation.slate:
                    raise RunError(
                        f"user {user} is shown other items in round {round + 1} than the record of "
                        f"{self._trial.arm!r} says",
                        hint="open the run with the data and the version that it was made with",
                    )
                memory = memory.after_step(
                    each.feedback.experiences, each.summary, self.agent.history_limit
                )
                steps.append(Step(shown, each.decision, each.feedback, each.verdict, (), memory))
            visits.append(Visit(user, round, tuple(steps)))
        return visits

    def _played(self, round: int) -> list[Visit]:
        """Return the visits of a round, played by the agent with the recorded answers."""
        turns = self._reader.round_turns(self._trial, round)
        policies = RecordedFirst(turns, _NothingElse(self.policies))
        users, world = self._reader.round_steps(self._trial, round), self.environment
        labels = {"arm": self._trial.arm, "seed": self._trial.seed}
        calls = [
            Call(
                user,
                round,
                world.users[user],
                self._memory(user),
                world,
                policies,
                self.notes,
                labels,
            )
            for user in users
        ]

        async def play() -> list[Visit]:
            return [await self.agent.visit(call) for call in calls]

        return run_coroutine(play())

    def _memory(self, user: int) -> Memory:
        return self.memories.get(user) or _first_memory(self.environment, self.agent, user)


class _NothingElse:
    """Policies that refuse every question, and know what those of the run can do."""

    def __init__(self, policies: Policies) -> None:
        self._policies, self.structured = policies, policies.structured

    def of_kind(self, kind: str) -> _NothingElse:
        return _NothingElse(of_kind(self._policies, kind))

    async def ask(
        self,
        key: CallKey,
        messages: Messages,
        schema: Mapping[str, Any] | None = None,
        expected: ExpectedAnswer | None = None,
    ) -> Turn:
        raise RunError(
            f"the question at {key} is not on record",
            hint="open the run with the prompts, data and version that it was made with",
        )


def _first_memory(environment: Environment, agent: Agent, user: int) -> Memory:
    return Memory(environment.history(user)[-agent.history_limit :])


def _arm(folder: Path, name: str) -> Arm:
    """Return the configuration of a recorded arm; the trials of a training share one."""
    arms = recorded_experiment(folder).resolve()
    if name in arms:
        return arms[name]
    if len(arms) == 1:
        return next(iter(arms.values()))
    raise RunError(
        f"{folder} does not say how the arm {name!r} is configured",
        hint="put config.yaml back as it was",
    )


def _check_world(reader: Reader, trial: RecordedTrial, environment: Environment) -> None:
    if reader.world(trial) != environment_digest(environment):
        raise RunError(
            f"the data of {reader.path.parent} is not the one it was made with: other users, items "
            "or histories",
            hint="put back the data it began with",
        )
