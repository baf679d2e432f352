"""The trials of an experiment: each arm with each seed, built and played one after the other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from starec_sim import plugins
from starec_sim.agent import Agent
from starec_sim.cards import card
from starec_sim.dataset import Dataset
from starec_sim.environment import Environment
from starec_sim.experiment import Experiment
from starec_sim.policies.gateway import Gateway, GatewayResources, Policy, build_policy
from starec_sim.policies.gateway.policy import name_of
from starec_sim.policies.gateway.replay import NoModel
from starec_sim.rng import Streams
from starec_sim.runs import folder as run_folder
from starec_sim.runs.recorder import Recorder
from starec_sim.runs.recording import Recording
from starec_sim.runs.session import Session
from starec_sim.runs.store import Store
from starec_sim.simulation import Simulation, Watcher
from starec_sim.types import Node

Around = Callable[[Environment], Environment]


class Onlooker(Watcher, Protocol):
    """Somebody who follows a whole run."""

    def run_begins(self, folder: Path, experiment: Experiment) -> None:
        """Note that a run begins, or goes on."""
        ...

    def trial_begins(self, arm: str, seed: int, rounds: int, done: int) -> None:
        """Note that a trial begins, `done` rounds of which are committed already."""
        ...


class _Trial(NamedTuple):
    """One arm with one seed, ready to begin."""

    number: int
    arm: str
    seed: int
    variant: Experiment
    environment: Environment


class Trials:
    """The trials of an experiment.

    Args:
        experiment: What is played.
        around: Wraps each environment; for who wants to play but a part of the world.

    Raises:
        StarecError: Something of it cannot be built.
    """

    def __init__(self, experiment: Experiment, around: Around = lambda environment: environment):
        self.experiment = experiment
        self.variants = experiment.variants()
        self.seeds = [experiment.seed + number for number in range(experiment.replicates)]
        self.begun = False
        """Whether the first trial could be built."""
        self._around = around
        self._datasets: dict[str, Dataset] = {}
        self._policies: dict[str, Policy] = {}
        replay = experiment.gateway.replay
        self.replayed = run_folder.find(replay, experiment.runs_dir) if replay else None
        """The recorded run whose answers are given, if no model is to be asked."""
        # Everything that can be wrong is built before a folder is created.
        self.agents = {arm: _agent(variant) for arm, variant in self.variants.items()}
        for arm, variant in self.variants.items():
            self._dataset(variant)
            self._policies_of(variant)
            if self.replayed:
                for seed in self.seeds:
                    Recording(self.replayed, arm, seed).close()

    def phrases(self) -> Iterator[str]:
        """Yield what prompts will be made of: item cards and templates."""
        for dataset in self._datasets.values():
            yield from map(card, dataset.items)
        for agent in self.agents.values():
            yield from agent.prompts().values()

    def prompts(self) -> dict[str, dict[str, str]]:
        """Return the SHA-256 of every prompt template, by arm and name."""
        return {
            arm: {
                name: hashlib.sha256(text.encode()).hexdigest()
                for name, text in agent.prompts().items()
            }
            for arm, agent in self.agents.items()
        }

    async def run(self, folder: Path, store: Store, session: Session, onlooker: Onlooker) -> str:
        """Run all trials, one after the other, and return the digest of the run."""
        experiment, digest = self.experiment, hashlib.sha256()
        exchange = GatewayResources(experiment.gateway, experiment.budget, session.before)
        session.spent = exchange.traffic.spent
        try:
            for policy in self._policies.values():
                # What nobody could ask is said before there is a run, and no call waits for it.
                await policy.open()
            number = 0
            for arm, variant in self.variants.items():
                for seed in self.seeds:
                    environment = self._environment(variant, Streams(seed))
                    if not self.begun:
                        onlooker.run_begins(folder, experiment)
                        self.begun = True
                    trial = _Trial(number, arm, seed, variant, environment)
                    done = await self._trial(store, session, exchange, trial, onlooker)
                    digest.update(done.encode())
                    number += 1
        finally:
            exchange.close()
            for policy in self._policies.values():
                await policy.close()
        return digest.hexdigest()

    async def _trial(
        self,
        store: Store,
        session: Session,
        exchange: GatewayResources,
        trial: _Trial,
        onlooker: Onlooker,
    ) -> str:
        variant = trial.variant
        recorder = Recorder(store, trial.number, session)
        point = recorder.open(trial.arm, trial.seed, trial.environment)
        onlooker.trial_begins(trial.arm, trial.seed, variant.rounds, point.rounds)
        with (
            closing(Recording(self.replayed, trial.arm, trial.seed))
            if self.replayed
            else nullcontext()
        ) as recording:
            gateway = Gateway(
                self._policies_of(variant),
                Streams(trial.seed),
                recorder,
                trial.arm,
                exchange,
                recording,
            )
            simulation = Simulation(
                self.agents[trial.arm],
                trial.environment,
                gateway,
                recorder,
                onlooker,
                variant.concurrency,
            )
            return await simulation.run(variant.rounds, point)

    def _environment(self, variant: Experiment, streams: Streams) -> Environment:
        found, config = plugins.configure("environments", variant.environment, "environment")
        environment: Environment = found(config, self._dataset(variant), streams)
        return self._around(environment)

    def _dataset(self, variant: Experiment) -> Dataset | None:
        if variant.data is None:
            return None
        key = json.dumps(variant.data, sort_keys=True)
        if key not in self._datasets:
            found, config = plugins.configure("datasets", variant.data, "data")
            self._datasets[key] = found(config).load()
        return self._datasets[key]

    def _policies_of(self, variant: Experiment) -> Mapping[Node, Policy]:
        return {
            "fast": self._policy(variant.policies.fast, "policies.fast"),
            "slow": self._policy(variant.policies.slow, "policies.slow"),
        }

    def _policy(self, spec: Mapping[str, Any], at: str) -> Policy:
        key = json.dumps(spec, sort_keys=True)
        if key not in self._policies:
            self._policies[key] = (
                Policy(name_of(spec), NoModel(structured=spec.get("structured")), spec)
                if self.replayed
                else build_policy(spec, at)
            )
        return self._policies[key]


def _agent(variant: Experiment) -> Agent:
    found, config = plugins.configure("agents", variant.agent, "agent")
    agent: Agent = found(config)
    return agent
