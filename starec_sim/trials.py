"""The trials of an experiment: each arm with each seed, played one after the other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import closing, nullcontext
from typing import NamedTuple

from starec_sim.boundary import ships, watched_calls
from starec_sim.build import Builder, prompt_hashes
from starec_sim.environment import Environment
from starec_sim.events import RunEvents
from starec_sim.experiment import Arm, Experiment
from starec_sim.policies.gateway import Gateway
from starec_sim.rng import Streams
from starec_sim.runs import folder as run_folder
from starec_sim.runs.lifecycle import OpenRun
from starec_sim.runs.recorder import Recorder
from starec_sim.runs.recording import Recording
from starec_sim.simulation import ChooseVisitors, Simulation


class _Trial(NamedTuple):
    """One arm with one seed, and its environment."""

    number: int
    arm: Arm
    seed: int
    environment: Environment


class Trials:
    """The trials of an experiment.

    Agents, datasets and policies are built here, so that errors occur before a folder is created.

    Args:
        experiment: The experiment.
        choose_visitors: Called with the environment of each trial; returns the function that
            chooses the visitors of that trial, see `Simulation`.

    Raises:
        StarecError: A part cannot be built.
    """

    def __init__(
        self,
        experiment: Experiment,
        choose_visitors: Callable[[Environment], ChooseVisitors] | None = None,
    ) -> None:
        self.experiment = experiment
        self.arms = experiment.resolve()
        self.seeds = [experiment.seed + number for number in range(experiment.replicates)]
        self._choose_visitors = choose_visitors
        replay = experiment.gateway.replay
        self.replayed = run_folder.find(replay, experiment.runs_dir) if replay else None
        """The recorded run that is replayed instead of asking models; None without a replay."""
        self.builder = Builder(with_models=self.replayed is None)
        for arm in self.arms.values():
            self.builder.agent(arm)
            self.builder.dataset(arm)
            self.builder.policies(arm)
            if self.replayed:
                for seed in self.seeds:
                    Recording(self.replayed, arm.name, seed).close()

    def prompts(self) -> dict[str, dict[str, str]]:
        """Return the SHA-256 of every prompt template, by arm and name."""
        return {arm.name: prompt_hashes(self.builder.agent(arm)) for arm in self.arms.values()}

    async def play(self, run: OpenRun, events: RunEvents) -> str:
        """Play all trials and return the digest of the run."""
        digest = hashlib.sha256()
        try:
            await self.builder.open_policies()
            with watched_calls():
                trials = [(arm, seed) for arm in self.arms.values() for seed in self.seeds]
                early = self._environments_of_others()
                for number, (arm, seed) in enumerate(trials):
                    environment = early.pop(arm.name, None) or self.builder.environment(arm, seed)
                    if not run.begun:
                        run.begin()
                        events.run_started(run.folder, self.experiment)
                    trial = _Trial(number, arm, seed, environment)
                    digest.update((await self._play(run, trial, events)).encode())
        finally:
            await self.builder.close_policies()
        return digest.hexdigest()

    def _environments_of_others(self) -> dict[str, Environment]:
        """Return the first environment of each arm, where it does not ship with starec-sim.

        They are built before the run begins, so that one which cannot be built leaves no folder.
        """
        return {
            arm.name: self.builder.environment(arm, self.seeds[0])
            for arm in self.arms.values()
            if not ships(arm.environment.type)
        }

    async def _play(self, run: OpenRun, trial: _Trial, events: RunEvents) -> str:
        """Play one trial to its end and return its digest."""
        arm, settings = trial.arm, trial.arm.experiment
        recorder = Recorder(run.store, trial.number, run.session)
        state = recorder.open(arm.name, trial.seed, trial.environment)
        events.trial_started(arm.name, trial.seed, settings.rounds, state.rounds)
        with (
            closing(Recording(self.replayed, arm.name, trial.seed))
            if self.replayed
            else nullcontext()
        ) as recording:
            gateway = Gateway(
                self.builder.policies(arm),
                Streams(trial.seed),
                recorder,
                arm.name,
                run.resources,
                recording,
            )
            simulation = Simulation(
                self.builder.agent(arm),
                trial.environment,
                gateway,
                recorder,
                state,
                events=events,
                concurrency=settings.concurrency,
                choose_visitors=self._choose_visitors and self._choose_visitors(trial.environment),
                skip_failed=settings.plugin_errors == "skip",
            )
            return await simulation.run(settings.rounds)
