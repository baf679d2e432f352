"""Trainings: started in a new folder, or resumed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from starec_sim import plugins
from starec_sim.build import Builder, prompt_hashes
from starec_sim.events import RunEvents
from starec_sim.executors.drain import drains_at_sigterm
from starec_sim.executors.event_loop import run_coroutine
from starec_sim.experiment import Arm, Experiment
from starec_sim.learning.checkpoints import CheckpointStore
from starec_sim.learning.config import Training, rewards_of, training_of, weights_of
from starec_sim.learning.fidelity import spent_on_audits
from starec_sim.learning.models import resolve_dtype
from starec_sim.learning.plots import plot_training
from starec_sim.learning.split import UserSplit
from starec_sim.learning.trainer import run_stages
from starec_sim.learning.training_run import Players, TrainingRun, policy_of_version
from starec_sim.learning.trials import validation_arm
from starec_sim.learning.weight_sync import weight_sync_of
from starec_sim.plugin_code import PluginCode, noted_code
from starec_sim.policies.abilities import Constrained
from starec_sim.policies.engine.adapters import adapter_folder
from starec_sim.policies.engine.checkpoints import resolve_model
from starec_sim.runner import announce_tracing, config_text, resumed_experiment
from starec_sim.runs import folder as run_folder
from starec_sim.runs.code import SAME_CODE, CodeRules, code_of, reopened
from starec_sim.runs.lifecycle import OpenRun, check_same_code, create_run, open_run
from starec_sim.runs.manifest import new_manifest, read_manifest
from starec_sim.settings import validate


class TrainResult(NamedTuple):
    """A finished training."""

    folder: Path
    version: Path
    """The last weights."""
    policy: Mapping[str, Any]
    """The spec of the policy that plays them."""
    steps: list[dict[str, Any]]
    """The log of steps and validations."""
    plot: Path | None

    @property
    def changes(self) -> Mapping[str, Mapping[str, Any]] | None:
        """What changed for users it was never trained on; None without a validation."""
        changes = [entry["changes"] for entry in self.steps if "changes" in entry]
        return changes[-1] if changes else None

    @property
    def validations(self) -> list[str]:
        """The arms of the validations in the run's record, in order."""
        return [validation_arm(entry["step"]) for entry in self.steps if "validation" in entry]

    def as_json(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return {
            "run": str(self.folder),
            "status": "finished",
            "version": str(self.version),
            "policy": dict(self.policy),
            "changes": self.changes,
            "steps": [entry for entry in self.steps if "changes" not in entry],
            "plot": str(self.plot) if self.plot else None,
        }


def train(experiment: Experiment, events: RunEvents | None = None) -> TrainResult:
    """Train in a new folder.

    Args:
        experiment: The configuration, with its key `train`.
        events: Receives what happens in the run.

    Raises:
        StarecError: What went wrong; what is committed is kept and can be resumed.
        KeyboardInterrupt: The user stopped it; the same holds.
    """
    training = training_of(experiment)
    # Decided once: when the training is resumed, a probe of the machine could decide otherwise.
    exact = {**(experiment.train or {}), "dtype": resolve_dtype(training.dtype)}
    experiment = experiment.model_copy(update={"train": exact})
    if is_first_process():
        announce_tracing(experiment, events)
    parts = _build(experiment)
    folder = Path(_shared_by_all(lambda: str(_new_folder(parts))))
    return _run(folder, parts, events or RunEvents())


def resume_training(
    folder: Path,
    events: RunEvents | None = None,
    *,
    concurrency: int | None = None,
    budget: Mapping[str, float | None] | None = None,
    code: CodeRules = SAME_CODE,
) -> TrainResult:
    """Continue a training from its last checkpoint; a finished one is returned as it is.

    Args:
        folder: The run.
        events: Receives what happens in the run.
        concurrency: Visits in progress at once, if it should change.
        budget: Keys of the budget that change; None is no limit.
        code: Which code of plug-ins may run.

    Raises:
        RunError: The run is in progress, damaged, or was made with another version.
        StarecError: What went wrong.
    """
    manifest = read_manifest(folder)
    experiment = resumed_experiment(folder, manifest, concurrency=concurrency, budget=budget)
    if manifest.status == "finished":
        # What is read lies in the folder, and code that was changed since changes nothing in it.
        with (
            run_folder.where_it_started(folder, manifest, is_needed=False) as here,
            code_of(here, manifest, code),
        ):
            last = CheckpointStore(here).version(Path(manifest.version or "").name)
            training = validate(Training, experiment.train or {}, "train")
            return _result(here, experiment, training, last)
    with reopened(folder, manifest, code) as here:
        if is_first_process():
            announce_tracing(experiment, events)
        parts = _build(experiment)
        check_same_code(manifest, parts.prompts())
        return _run(Path(_shared_by_all(lambda: str(here))), parts, events or RunEvents())


class _Parts(NamedTuple):
    """A training whose dataset and agent are built."""

    training: Training
    arm: Arm
    """The experiment; a training has one arm."""
    builder: Builder
    split: UserSplit
    code: Mapping[str, PluginCode]
    """The code of plug-ins that it uses, by reference."""

    def prompts(self) -> dict[str, dict[str, str]]:
        """Return the SHA-256 of each prompt template, as the manifest holds them."""
        return {self.arm.name: prompt_hashes(self.split.agent)}


def _build(experiment: Experiment) -> _Parts:
    """Build what is needed before there is a folder; the policies are built in it."""
    with noted_code() as used:
        training, builder = training_of(experiment), Builder()
        (arm,) = experiment.resolve().values()
        split = UserSplit(builder, arm, training)
        if training.sft is not None and training.sft.samples is None:
            plugins.load("policies", training.sft.teacher["use"], "train.sft.teacher.use")
        if training.stage2 is not None:
            rewards_of(training, split.people())
    return _Parts(training, arm, builder, split, used)


def _new_folder(parts: _Parts) -> Path:
    experiment = parts.arm.experiment
    config = config_text(experiment)
    manifest = new_manifest(
        "training",
        experiment.name,
        [experiment.seed],
        config,
        prompts=parts.prompts(),
        budget=experiment.budget.model_dump(exclude_none=True),
        plugins=parts.code,
    )
    return create_run(experiment.runs_dir, manifest, config, experiment.seed)


def _run(folder: Path, parts: _Parts, events: RunEvents) -> TrainResult:
    training, experiment, split = parts.training, parts.arm.experiment, parts.split
    if not is_first_process():
        run = TrainingRun(experiment, training, split, folder, players=None, events=events)
        with drains_at_sigterm():  # the first process decides when to stop
            last = run_coroutine(run_stages(run))
        return _result(folder, experiment, training, last)
    with (
        _plotted(folder),
        open_run(
            folder,
            phrases=parts.builder.phrases(),
            gateway=experiment.gateway,
            budget=experiment.budget,
        ) as opened,
    ):
        opened.resources.budget.spend_elsewhere(spent_on_audits(folder))
        players = _players(opened, parts)
        run = TrainingRun(experiment, training, split, folder, players, events)
        opened.begin()
        events.run_started(folder, experiment)
        last = run_coroutine(run_stages(run), traced=experiment.tracing)
        opened.manifest.version = str(last)
    return _result(folder, experiment, training, last)


def _players(run: OpenRun, parts: _Parts) -> Players:
    """Build the policies. What cannot be trained is refused before a teacher is paid."""
    training, experiment = parts.training, parts.arm.experiment
    policies = parts.builder.policies(parts.arm)
    fast = policies["fast"].model
    if isinstance(fast, Constrained):
        fast.constrained = False  # what learns knows nothing of the grammar
    teacher = None
    if training.sft is not None and training.sft.samples is None:
        teacher = parts.builder.teacher(training.sft.teacher, "train.sft.teacher")
    resolve_model(weights_of(experiment, training))
    if adapter := experiment.policies.fast.get("adapter"):
        adapter_folder(adapter)
    if training.stage2 is not None:
        weight_sync_of(policies["fast"], training.method)
    return Players(run, policies, teacher)


@contextlib.contextmanager
def _plotted(folder: Path) -> Iterator[None]:
    """Plot the log, however the training ends."""
    try:
        yield
    finally:
        if logged := CheckpointStore(folder).logged():
            with contextlib.suppress(OSError):  # the log itself is safe
                plot_training(logged, folder.name, folder / "plot.png")


def _result(folder: Path, experiment: Experiment, training: Training, last: Path) -> TrainResult:
    spec = policy_of_version(experiment, training, last)
    plot = folder / "plot.png"
    return TrainResult(
        folder, last, spec, CheckpointStore(folder).logged(), plot if plot.is_file() else None
    )


def is_first_process() -> bool:
    """Return whether this process is the one that plays, writes and prints."""
    return int(os.environ.get("RANK", "0")) == 0


def _shared_by_all(make: Callable[[], str]) -> str:
    """Return what the first process made, in every process."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return make()
    import torch
    from accelerate import PartialState
    from accelerate.utils import broadcast_object_list

    # The others wait while the first one plays, and a teacher may take hours.
    PartialState(cpu=not torch.cuda.is_available(), timeout=timedelta(days=1))
    shared = [make() if is_first_process() else ""]
    broadcast_object_list(shared)
    return shared[0]
