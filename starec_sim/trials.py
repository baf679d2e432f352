"""The trials of an experiment: each arm with each seed, played one after the other."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Sequence
from contextlib import asynccontextmanager, closing, nullcontext
from itertools import pairwise
from typing import NamedTuple

from starec_sim.agent import Agent, ChecksEnvironment
from starec_sim.boundary import PluginBoundary, ships, watched_calls
from starec_sim.build import (
    Builder,
    apply_events,
    build_executor,
    check_users,
    edited_memories,
    prompt_hashes,
)
from starec_sim.dataset import Dataset
from starec_sim.environment import Environment
from starec_sim.errors import ConfigError, RunError, StarecError
from starec_sim.events import RunEvents
from starec_sim.experiment import Arm, Experiment
from starec_sim.policies.gateway.turn_store import NoStore
from starec_sim.population.agent import PopulationAgent
from starec_sim.population.calibration import Calibration, calibration_users
from starec_sim.population.kinds import checked_kinds
from starec_sim.population.settings import check_calibrated_users
from starec_sim.rng import Streams
from starec_sim.runs import folder as run_folder
from starec_sim.runs.digests import environment_digest
from starec_sim.runs.lifecycle import OpenRun
from starec_sim.runs.recorder import Recorder
from starec_sim.runs.recording import Recording
from starec_sim.runs.session import Session
from starec_sim.runs.store import Store
from starec_sim.runs.trial_state import TrialState
from starec_sim.simulation import ChooseVisitors, Simulation, VisitRules
from starec_sim.workers.executor import InWorkers, TrialPart
from starec_sim.workers.pool import WorkerPool
from starec_sim.workers.start import answered_in_workers, worker_pool


class _Trial(NamedTuple):
    """One arm with one seed, and its environment."""

    number: int
    arm: Arm
    seed: int
    environment: Environment
    kinds: Sequence[str] | None
    """The kind of each user; None where all are alike."""


class Trials:
    """The trials of an experiment.

    Agents, datasets and policies are built here, so that errors occur before a folder is created.

    Args:
        experiment: The experiment.
        choose_visitors: Called with the environment of each trial; returns the function that
            chooses the visitors of that trial, see `Simulation`.
        datasets: Those that are read already, see `Builder`.
        recorder: Makes the recorder of each trial from the record, the number of the trial and the
            session.

    Raises:
        StarecError: A part cannot be built.
    """

    def __init__(
        self,
        experiment: Experiment,
        choose_visitors: Callable[[Environment], ChooseVisitors] | None = None,
        datasets: dict[str, Dataset] | None = None,
        recorder: Callable[[Store, int, Session], Recorder] = Recorder,
    ) -> None:
        self.experiment = experiment
        self.arms = experiment.resolve()
        self.seeds = [experiment.seed + number for number in range(experiment.replicates)]
        self._choose_visitors = choose_visitors
        self._recorder = recorder
        replay = experiment.gateway.replay
        self.replayed = run_folder.find(replay, experiment.runs_dir) if replay else None
        """The recorded run that is replayed instead of asking models; None without a replay."""
        self._replayed_rounds = experiment.gateway.replay_rounds if replay else None
        """Rounds of each trial that are replayed; None for all of them."""
        with_models = self.replayed is None or self._replayed_rounds is not None
        self.builder = Builder(with_models=with_models, datasets=datasets)
        for arm in self.arms.values():
            self.builder.dataset(arm)
            for part in arm.all():
                self.builder.agent(part)
                for each in part.of_kinds():
                    self._check_environment(each)
                    self.builder.policies(each)
            if self.replayed:
                for seed in self.seeds:
                    Recording(self.replayed, arm.name, seed).close()

    def _check_environment(self, arm: Arm) -> None:
        """Let an agent that can say so refuse the environment of an arm."""
        agent = self.builder.agent(arm)
        if isinstance(agent, ChecksEnvironment):
            boundary = PluginBoundary("agent", agent)
            boundary.call("check_environment", (arm.environment.type,), lambda checked: None)

    def prompts(self) -> dict[str, dict[str, str]]:
        """Return the SHA-256 of every prompt template, by arm and name.

        An agent that a schedule brings is named by the arm and its first round.
        """
        prompts = {}
        for arm in self.arms.values():
            prompts[arm.name] = prompt_hashes(self.builder.agent(arm))
            for change in arm.changes:
                name = f"{arm.name} from round {change.round + 1}"
                prompts[name] = prompt_hashes(self.builder.agent(change.arm))
        return prompts

    async def play(self, run: OpenRun, events: RunEvents) -> str:
        """Play all trials and return the digest of the run."""
        digests = []
        async with self._opened(run) as pool:
            with watched_calls():
                _check_changes(self.builder, self.arms.values(), self.seeds)
                trials = [(arm, seed) for arm in self.arms.values() for seed in self.seeds]
                early = self._environments_of_others()
                for number, (arm, seed) in enumerate(trials):
                    environment = early.pop(arm.name, None) or self.builder.environment(arm, seed)
                    trial = _trial(number, arm, seed, environment)
                    self._begin(run, events)
                    digests.append(await self._play(run, trial, events, pool))
        return run_digest(digests)

    @asynccontextmanager
    async def first_simulation(self, run: OpenRun, events: RunEvents) -> AsyncIterator[Simulation]:
        """Open the simulation with which the first trial begins; nothing is played."""
        async with self._opened(run) as pool:
            with watched_calls():
                arm, seed = next(iter(self.arms.values())), self.seeds[0]
                trial = _trial(0, arm, seed, self.builder.environment(arm, seed))
                self._begin(run, events)
                simulations = self._simulations(run, trial, events, pool)
                simulation, _ = next(simulations)
            with closing(simulations):
                yield simulation

    @asynccontextmanager
    async def _opened(self, run: OpenRun) -> AsyncIterator[WorkerPool | None]:
        """Start the worker processes, if there are any, and open the policies."""
        pool = self._worker_pool(run)
        try:
            if pool is not None:
                await pool.start()
            calibrated = any(arm.experiment.calibration for arm in self.arms.values())
            # A calibration asks in this process.
            elsewhere = [] if pool is None or calibrated else pool.setup.policies
            await self.builder.open_policies(
                but=[self.builder.policy(spec, at) for spec, at in elsewhere]
            )
            yield pool
        finally:
            if pool is not None:
                await pool.close()
            await self.builder.close_policies()

    def _begin(self, run: OpenRun, events: RunEvents) -> None:
        if not run.begun:
            run.begin()
            events.run_started(run.folder, self.experiment)

    def _worker_pool(self, run: OpenRun) -> WorkerPool | None:
        parts = [part for arm in self.arms.values() for part in arm.all()]
        only_replays = self.replayed is not None and self._replayed_rounds is None
        return worker_pool(self.experiment, parts, run.manifest.plugins, replays=only_replays)

    def _environments_of_others(self) -> dict[str, Environment]:
        """Return the first environment of each arm, where it does not ship with starec-sim.

        They are built before the run begins, so that one which cannot be built leaves no folder.
        """
        return {
            arm.name: self.builder.environment(arm, self.seeds[0])
            for arm in self.arms.values()
            if not ships(arm.environment.type)
        }

    async def _play(
        self, run: OpenRun, trial: _Trial, events: RunEvents, pool: WorkerPool | None
    ) -> str:
        """Play one trial to its end and return its digest."""
        with closing(self._simulations(run, trial, events, pool)) as simulations:
            for simulation, end in simulations:
                await simulation.run(end)
        return simulation.digest

    def _simulations(
        self, run: OpenRun, trial: _Trial, events: RunEvents, pool: WorkerPool | None
    ) -> Generator[tuple[Simulation, int], None, None]:
        """Yield the simulations of a trial, each with how many rounds are committed at its end.

        At the beginning of a round with a change the trial goes on as a resumed one does: from the
        record, with parts that are built anew. So a resume is exact there too.
        """
        arm, rounds = trial.arm, trial.arm.experiment.rounds
        recorder = self._recorder(run.store, trial.number, run.session)
        state = recorder.open(arm.name, trial.seed, trial.environment, trial.kinds)
        events.trial_started(arm.name, trial.seed, rounds, state.rounds)
        choose = self._choose_visitors and self._choose_visitors(trial.environment)
        for start, end in pairwise([*self._starts(arm), rounds]):
            if state.rounds >= end and end < rounds:
                continue  # these rounds were played before a resume
            now = arm.at(start)
            if start:
                changed = self.builder.environment(now, trial.seed)
                trial = trial._replace(environment=changed)
                state = recorder.open(arm.name, trial.seed, changed)
            agent = self.builder.agent(now)
            if state.rounds == start:
                state = _edited(state, recorder, arm, agent, trial.environment)
            if start == self._replayed_rounds:
                self._check_replayed(trial, state)
            with self._recording(arm, trial.seed, start) or nullcontext() as recording:
                gateway = self.builder.gateway(
                    now, Streams(trial.seed), recorder, arm.name, run.resources, recording
                )
                executor = pool and InWorkers(
                    pool,
                    TrialPart(arm.name, trial.seed, start, pool.world_of(trial.environment)),
                    answered_in_workers(now, replays=recording is not None),
                    gateway,
                    recorder,
                    run.resources,
                )
                simulation = Simulation(
                    agent,
                    trial.environment,
                    gateway,
                    recorder,
                    state,
                    events=events,
                    visit_rules=VisitRules(
                        now.experiment.concurrency,
                        now.experiment.plugin_errors == "skip",
                        executor or build_executor(now.experiment.executor),
                        None if recording else self._calibration(run, trial, now),
                    ),
                    choose_visitors=choose,
                )
                if state.rounds == start:  # later, the state has the events
                    apply_events(trial.environment, arm, start)
                yield simulation, end

    def _calibration(self, run: OpenRun, trial: _Trial, arm: Arm) -> Calibration | None:
        """Return what plays some users as another kind; recorded answers know only their own."""
        settings = arm.experiment.calibration
        if settings is None:
            return None
        agent = self.builder.agent(arm)
        assert isinstance(agent, PopulationAgent), "a calibration is between two kinds"
        cheap, costly = settings.between
        gateway = self.builder.gateway(
            arm.kinds[costly], Streams(trial.seed), NoStore(), arm.name, run.resources
        )
        people = trial.environment.users
        users = calibration_users(trial.kinds or (), people, trial.seed, cheap, settings.users)
        return Calibration(agent, costly, gateway, users)

    def _starts(self, arm: Arm) -> list[int]:
        """Return the rounds, from 0, at whose beginning the parts of a trial are built."""
        starts = {0, *(change.round for change in arm.changes)}
        if self._replayed_rounds is not None:
            starts.add(self._replayed_rounds)
        return sorted(start for start in starts if start < arm.experiment.rounds)

    def _recording(self, arm: Arm, seed: int, start: int) -> closing[Recording] | None:
        """Return the recorded answers that rounds from `start` on are given; None without any."""
        if not self.replayed:
            return None
        if self._replayed_rounds is not None and start >= self._replayed_rounds:
            return None
        return closing(Recording(self.replayed, arm.name, seed))

    def _check_replayed(self, trial: _Trial, state: TrialState) -> None:
        """Check that the replayed rounds of a trial are those of the recorded run.

        Raises:
            RunError: They are not.
        """
        if self.replayed is None or state.rounds != self._replayed_rounds:
            return  # later rounds are played, so these were checked
        with closing(Recording(self.replayed, trial.arm.name, trial.seed)) as recording:
            recorded = recording.digest(state.rounds)
        if recorded != state.digest:
            raise RunError(
                f'rounds 1 to {state.rounds} of arm "{trial.arm.name}" with seed {trial.seed} are '
                f"not those of {self.replayed.name}: their digests differ",
                hint="fork with the data, plug-ins and version that the run was made with",
            )


def run_digest(digests: Iterable[str]) -> str:
    """Return the digest of a run from those of its trials, in order."""
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _trial(number: int, arm: Arm, seed: int, environment: Environment) -> _Trial:
    kinds = checked_kinds(arm.experiment.population, environment.users, seed)
    if kinds is not None and arm.experiment.calibration is not None:
        check_calibrated_users(arm.experiment.calibration, kinds)
    return _Trial(number, arm, seed, environment, kinds)


def _edited(
    state: TrialState, recorder: Recorder, arm: Arm, agent: Agent, environment: Environment
) -> TrialState:
    """Return a state with the memories that the schedule edits there, which are recorded."""
    edited = edited_memories(arm, state.rounds, agent, environment, state.memories)
    recorder.replace_memories(edited)
    return state._replace(memories={**state.memories, **edited})


def _check_changes(builder: Builder, arms: Iterable[Arm], seeds: Sequence[int]) -> None:
    """Check that every environment of a schedule can take over from the one before.

    Raises:
        ConfigError: It has other users, items or histories, or cannot be restored.
    """
    for arm in arms:
        if not arm.changes:
            continue
        before = builder.environment(arm, seeds[0])
        world = environment_digest(before)
        for change in arm.changes:
            changed = builder.environment(change.arm, seeds[0])
            if environment_digest(changed) != world:
                raise ConfigError(
                    f"{_when(arm, change.round)} the environment has other users, items, "
                    "histories or popularity than before",
                    hint="change keys that leave these as they are, or compare two arms",
                )
            _try_change(before, changed, arm, change.round)
            before = changed
        if not any(change.memories or change.slates for change in arm.changes):
            continue
        for seed in seeds[1:]:  # it may have other users
            environment = builder.environment(arm, seed)
            for change in arm.changes:
                _try_users(environment, arm, change.round)


def _try_change(before: Environment, changed: Environment, arm: Arm, round: int) -> None:
    """Let an environment take over from the one before it, with what the schedule has for a round.

    Raises:
        ConfigError: It cannot be restored, or what happens names what is not there.
    """
    when = _when(arm, round)
    try:
        changed.restore(before.state())
    except StarecError as error:
        raise ConfigError(
            f"{when} the environment cannot take over the state of the one before: {error.message}",
            hint="let `restore` take that state, or compare two arms",
        ) from error
    _try_users(changed, arm, round)
    try:
        apply_events(changed, arm, round)
    except ConfigError as error:
        raise ConfigError(f"{when}: {error.message}", hint=error.hint) from error


def _try_users(environment: Environment, arm: Arm, round: int) -> None:
    """Check that the users whom the schedule names for a round are there.

    Raises:
        ConfigError: One is not.
    """
    try:
        check_users(arm, round, environment)
    except ConfigError as error:
        raise ConfigError(f"{_when(arm, round)}: {error.message}", hint=error.hint) from error


def _when(arm: Arm, round: int) -> str:
    return f'schedule: in round {round + 1} of arm "{arm.name}"'
