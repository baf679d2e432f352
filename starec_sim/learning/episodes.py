"""The trials of a training's record: episodes to learn from, a teacher's, and validations.

An episode is a trial of `rounds` rounds with other users, fresh memories and another
seed than the episode before. Each of its rounds is one step of GRPO.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from starec_sim.agent import Agent
from starec_sim.events import RunEvents
from starec_sim.learning.checkpoints import CheckpointStore
from starec_sim.learning.config import FromFeedback
from starec_sim.learning.rewards import Rewards
from starec_sim.learning.rollouts import Collector
from starec_sim.learning.split import UserSplit, only
from starec_sim.policies.gateway import Gateway, Policy
from starec_sim.rng import Streams
from starec_sim.runs.lifecycle import OpenRun
from starec_sim.runs.recorder import Recorder
from starec_sim.simulation import Simulation, VisitRules
from starec_sim.types import Node


class TrainingTrial(NamedTuple):
    """A trial of a training's record."""

    number: int
    arm: str
    seed: int
    users: frozenset[str]
    """Ids of those who visit."""


class TrialPlayer:
    """Opens the trials of a training, at the round up to which they are recorded.

    Args:
        run: The open folder of the training.
        split: The environment and its users.
        concurrency: Visits in progress at once.
        events: Receives what happens in the run.
    """

    def __init__(self, run: OpenRun, split: UserSplit, concurrency: int, events: RunEvents) -> None:
        self._run = run
        self._split = split
        self._concurrency = concurrency
        self._events = events

    def open(
        self, trial: TrainingTrial, agent: Agent, policies: Mapping[Node, Policy]
    ) -> Simulation:
        """Return the simulation of a trial, in which only the trial's users visit."""
        environment = self._split.environment(trial.seed)
        recorder = Recorder(self._run.store, trial.number, self._run.session)
        state = recorder.open(trial.arm, trial.seed, environment)
        gateway = Gateway(policies, Streams(trial.seed), recorder, trial.arm, self._run.resources)
        return Simulation(
            agent,
            environment,
            gateway,
            recorder,
            state,
            events=self._events,
            visit_rules=VisitRules(self._concurrency),
            choose_visitors=only(environment, trial.users),
        )


class Episode(NamedTuple):
    """An open episode."""

    simulation: Simulation
    collector: Collector
    """Plays the users and collects rollouts."""


class Episodes:
    """The episodes of a training, one after the other.

    Args:
        player: Opens trials.
        split: The users.
        stage: The settings.
        rewards: What an answer earns.
        policies: The policy of each node.
        store: Holds the rollouts of rounds that were played before.
    """

    def __init__(
        self,
        player: TrialPlayer,
        split: UserSplit,
        stage: FromFeedback,
        rewards: Rewards,
        policies: Mapping[Node, Policy],
        store: CheckpointStore,
    ) -> None:
        self._player = player
        self._split = split
        self._stage = stage
        self._rewards = rewards
        self._policies = policies
        self._store = store
        self._number = -1
        self._episode: Episode | None = None

    def at(self, step: int) -> Episode:
        """Return the episode of a step (from 0). It is open until a step of another one."""
        number = step // self._stage.rounds
        if self._episode is None or number != self._number:
            self._number, self._episode = number, self._open(number)
        return self._episode

    def is_played(self, step: int) -> bool:
        """Return whether the round of a step is recorded, so that its rollouts are on disk."""
        return self.at(step).simulation.rounds > step % self._stage.rounds

    def _open(self, number: int) -> Episode:
        stage, seed = self._stage, self._split.seed
        collector = Collector(
            self._split.agent,
            self._rewards,
            groups=stage.groups,
            size=stage.size,
            nodes=stage.nodes,
        )
        collector.prefix = f"{number}/"
        users = self._split.drawn(stage.users, number)
        trial = TrainingTrial(number, f"episode {number + 1}", seed + number, users)
        simulation = self._player.open(trial, collector, self._policies)
        if simulation.rounds:
            # Summaries of the last round that was played wait for the ranking that rewards them.
            last = self._store.rollouts(number * stage.rounds + simulation.rounds - 1)
            collector.pending = last.pending if last else {}
        return Episode(simulation, collector)
