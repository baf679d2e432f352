"""From an experiment to results: build the trials, run them, keep the books."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import yaml
from langchain_core.language_models.chat_models import BaseChatModel
from pydantic import ValidationError

from starec_sim import plugins
from starec_sim.agent import Agent
from starec_sim.cards import card
from starec_sim.dataset import Dataset
from starec_sim.environment import Environment
from starec_sim.errors import PluginError, RunError, StarecError
from starec_sim.experiment import Experiment
from starec_sim.policies.gateway import Gateway, Policy
from starec_sim.report import Report, summarise
from starec_sim.rng import Streams
from starec_sim.runs import folder as run_folder
from starec_sim.runs.recorder import Recorder
from starec_sim.runs.store import Store
from starec_sim.simulation import Simulation, Watcher
from starec_sim.types import Node
from starec_sim.validation import explain, validate


class Onlooker(Watcher, Protocol):
    """Somebody who follows a whole run."""

    def run_begins(self, folder: Path, experiment: Experiment) -> None:
        """Note that a run begins, or goes on."""
        ...

    def trial_begins(self, arm: str, seed: int, rounds: int, done: int) -> None:
        """Note that a trial begins, `done` rounds of which are committed already."""
        ...


class Result(NamedTuple):
    """What a finished run leaves."""

    folder: Path
    digest: str
    """The same for the same experiment, seed, data and versions, however it was executed."""
    report: Report

    def as_json(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return {
            "run": str(self.folder),
            "status": "finished",
            "digest": self.digest,
            **self.report.as_json(),
        }


def start(experiment: Experiment, onlooker: Onlooker) -> Result:
    """Run an experiment in a new folder.

    Raises:
        StarecError: What went wrong; what was committed stays and can be resumed.
        KeyboardInterrupt: The user stopped it; the same holds.
    """
    trials = _Trials(experiment)
    folder = run_folder.create(experiment.runs_dir, experiment.name, experiment.seed)
    text = yaml.safe_dump(experiment.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    run_folder.put_file(folder / run_folder.CONFIG, text)
    manifest = {
        "name": experiment.name,
        "status": "running",
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "seeds": trials.seeds,
        "arms": list(trials.variants),
        "prompts": trials.prompts(),
        "folder": str(Path.cwd()),
        "config_sha256": hashlib.sha256(text.encode()).hexdigest(),
        **run_folder.surroundings(),
    }
    run_folder.write(folder, manifest)
    try:
        return _run(folder, trials, manifest, onlooker)
    except StarecError:
        if not trials.begun:  # nothing happened yet: there is nothing to keep or to resume
            shutil.rmtree(folder)
        raise


def resume(folder: Path, onlooker: Onlooker, *, concurrency: int | None = None) -> Result:
    """Go on with a run from its last committed point; a finished one is returned as it is.

    Raises:
        RunError: The run is in progress, damaged, or was made with other code.
        StarecError: What went wrong while it went on.
    """
    manifest = run_folder.read(folder)
    text = run_folder.configuration(folder)
    if hashlib.sha256(text.encode()).hexdigest() != manifest["config_sha256"]:
        raise RunError(
            f"{folder / run_folder.CONFIG} was changed after the run began",
            hint="start a new run with the changed configuration: starec run "
            + str(folder / run_folder.CONFIG),
        )
    values = yaml.safe_load(text)
    if concurrency is not None:
        values["concurrency"] = concurrency
    experiment = validate(Experiment, values, "")
    if manifest["status"] == "finished":
        return Result(folder, manifest["digest"], _report(folder, experiment))
    folder, started_in = folder.resolve(), Path(manifest["folder"])
    if not started_in.is_dir():
        raise RunError(
            f"the run was started in {started_in}, which is gone; its relative paths begin there",
            hint=f"put the folder back, or correct `folder` in {folder / run_folder.MANIFEST}",
        )
    with contextlib.chdir(started_in):
        trials = _Trials(experiment)
        _same_as_before(trials, manifest)
        return _run(folder, trials, manifest, onlooker)


def _same_as_before(trials: _Trials, manifest: dict[str, Any]) -> None:
    """Refuse to go on with other prompts or another version than the run began with."""
    now = {"prompts": trials.prompts(), "version": version("starec-sim")}
    before = {
        "prompts": manifest["prompts"],
        "version": manifest["versions"].get("starec-sim"),
    }
    for what, value in now.items():
        if value != before[what]:
            raise RunError(
                f"the {what} changed since the run began; one run cannot mix both",
                hint="put back what it began with, or start a new run",
            )


def _run(folder: Path, trials: _Trials, manifest: dict[str, Any], onlooker: Onlooker) -> Result:
    with run_folder.locked(folder):
        manifest |= {"status": "running"}
        manifest.pop("problem", None)
        run_folder.write(folder, manifest)
        store = Store(folder, trials.phrases())
        try:
            with _calm_collector():
                digest = asyncio.run(trials.run(folder, store, onlooker))
            manifest |= {
                "status": "finished",
                "digest": digest,
                "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
                "counts": _counts(store),
            }
        except KeyboardInterrupt:
            manifest |= {"status": "paused"}
            raise
        except BaseException as error:
            manifest |= {"status": "failed", "problem": f"{type(error).__name__}: {error}"}
            raise
        finally:
            store.close()
            run_folder.write(folder, manifest)
    return Result(folder, digest, _report(folder, trials.experiment))


class _Trial(NamedTuple):
    """One arm with one seed, ready to begin."""

    number: int
    arm: str
    seed: int
    variant: Experiment
    environment: Environment


class _Trials:
    """The trials of an experiment: each arm with each seed."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.variants = experiment.variants()
        self.seeds = [experiment.seed + number for number in range(experiment.replicates)]
        self.begun = False
        """Whether the first trial could be built."""
        self._datasets: dict[str, Dataset] = {}
        self._policies: dict[str, Policy] = {}
        # Everything that can be wrong is built before a folder is created.
        self.agents = {arm: _agent(variant) for arm, variant in self.variants.items()}
        for variant in self.variants.values():
            self._dataset(variant)
            self._policy(variant.policies.fast, "policies.fast")
            self._policy(variant.policies.slow, "policies.slow")

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

    async def run(self, folder: Path, store: Store, onlooker: Onlooker) -> str:
        """Run all trials, one after the other, and return the digest of the run."""
        digest = hashlib.sha256()
        try:
            number = 0
            for arm, variant in self.variants.items():
                for seed in self.seeds:
                    environment = self._environment(variant, Streams(seed))
                    if not self.begun:
                        onlooker.run_begins(folder, self.experiment)
                        self.begun = True
                    trial = _Trial(number, arm, seed, variant, environment)
                    done = await self._trial(store, trial, onlooker)
                    digest.update(done.encode())
                    number += 1
        finally:
            for policy in self._policies.values():
                close = getattr(policy.model, "aclose", None)
                if close is not None:
                    await close()
        return digest.hexdigest()

    async def _trial(self, store: Store, trial: _Trial, onlooker: Onlooker) -> str:
        variant = trial.variant
        recorder = Recorder(store, trial.number)
        point = recorder.open(trial.arm, trial.seed, trial.environment)
        onlooker.trial_begins(trial.arm, trial.seed, variant.rounds, point.rounds)
        policies: dict[Node, Policy] = {
            "fast": self._policy(variant.policies.fast, "policies.fast"),
            "slow": self._policy(variant.policies.slow, "policies.slow"),
        }
        simulation = Simulation(
            self.agents[trial.arm],
            trial.environment,
            Gateway(policies, Streams(trial.seed), recorder, trial.arm),
            recorder,
            onlooker,
            variant.concurrency,
        )
        return await simulation.run(variant.rounds, point)

    def _environment(self, variant: Experiment, streams: Streams) -> Environment:
        found, config = plugins.configure("environments", variant.environment, "environment")
        environment: Environment = found(config, self._dataset(variant), streams)
        return environment

    def _dataset(self, variant: Experiment) -> Dataset | None:
        if variant.data is None:
            return None
        key = json.dumps(variant.data, sort_keys=True)
        if key not in self._datasets:
            found, config = plugins.configure("datasets", variant.data, "data")
            self._datasets[key] = found(config).load()
        return self._datasets[key]

    def _policy(self, spec: Mapping[str, Any], at: str) -> Policy:
        key = json.dumps(spec, sort_keys=True)
        if key not in self._policies:
            self._policies[key] = build_policy(spec, at)
        return self._policies[key]


def _agent(variant: Experiment) -> Agent:
    found, config = plugins.configure("agents", variant.agent, "agent")
    agent: Agent = found(config)
    return agent


def build_policy(spec: Mapping[str, Any], at: str) -> Policy:
    """Build a chat model from its reference; a reference may also name a ready one."""
    settings = {key: value for key, value in spec.items() if key != "use"}
    found = plugins.load("policies", spec["use"])
    if isinstance(found, BaseChatModel) and not settings:
        model = found
    elif isinstance(found, type) and issubclass(found, BaseChatModel):
        try:
            model = found(**settings)
        except ValidationError as error:
            raise explain(error, found, at) from None
        except StarecError:
            raise
        except Exception as error:
            raise PluginError(
                f'{at}: "{spec["use"]}" could not be built: {type(error).__name__}: {error}',
                hint="check its settings and the environment variables it reads",
            ) from error
    else:
        raise PluginError(
            f'{at}.use: "{spec["use"]}" is neither a chat model nor a ready one without settings',
            hint="give a subclass of langchain_core's BaseChatModel, or an instance of one",
        )
    name = f"{spec['use']}:{spec['model']}" if "model" in spec else str(spec["use"])
    return Policy(name, model)


def _report(folder: Path, experiment: Experiment) -> Report:
    return summarise(folder, experiment.report.last_rounds, experiment.report.metrics)


def _counts(store: Store) -> dict[str, int]:
    """Return how much of everything the record holds."""
    counts = {
        table: store.db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]
        for table in ("rounds", "visits", "steps", "turns", "texts")
    }
    tokens = store.db.execute("SELECT SUM(tokens_in), SUM(tokens_out) FROM turns").fetchone()
    return {**counts, "tokens_in": tokens[0] or 0, "tokens_out": tokens[1] or 0}


@contextmanager
def _calm_collector() -> Iterator[None]:
    """Keep the garbage collector from walking the whole world at every visit.

    With hundreds of visits in flight its default threshold costs 40 % of the run (measured).
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
