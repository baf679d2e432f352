"""A training as a run: its folder, its manifest, its lock; started anew or gone on with."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import Mapping
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from starec_sim import plugins
from starec_sim.errors import RunError
from starec_sim.events import RunEvents
from starec_sim.experiment import Experiment, recorded
from starec_sim.learning.checkpoints import CheckpointStore
from starec_sim.learning.config import Training, training_of, weights_of
from starec_sim.learning.models import settled
from starec_sim.learning.plots import plot_training
from starec_sim.learning.rewards import Rewards
from starec_sim.learning.split import UserSplit
from starec_sim.learning.training import Record, Trainer, examination
from starec_sim.learning.weight_sync import player_of
from starec_sim.policies.engine.model_files import adapter_folder, resolve_model
from starec_sim.policies.gateway import GatewayResources, Policy, build_policy
from starec_sim.policies.settings import Budget
from starec_sim.runs import folder as run_folder
from starec_sim.runs.atomic_file import write_atomically
from starec_sim.runs.lock import locked
from starec_sim.runs.manifest import (
    Manifest,
    ending_noted,
    new_manifest,
    read_manifest,
    stored_manifest,
    write_manifest,
)
from starec_sim.runs.session import Session
from starec_sim.runs.store import Store
from starec_sim.settings import validate
from starec_sim.types import Node


class Result(NamedTuple):
    """What a finished training leaves."""

    folder: Path
    version: Path
    """The last weights."""
    policy: Mapping[str, Any]
    """The spec that plays them."""
    steps: list[dict[str, Any]]
    """The log of steps and examinations."""
    plot: Path | None

    @property
    def changes(self) -> Mapping[str, Mapping[str, Any]] | None:
        """What the training changed for users it never trained on; None if nobody was examined."""
        found = [entry["changes"] for entry in self.steps if "changes" in entry]
        return found[-1] if found else None

    @property
    def examinations(self) -> list[str]:
        """The arms of the examinations in the run's record, in order."""
        return [examination(entry["step"]) for entry in self.steps if "examination" in entry]

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


def start(experiment: Experiment, events: RunEvents) -> Result:
    """Train in a new folder.

    Raises:
        StarecError: What went wrong; what was committed stays and can be resumed.
        KeyboardInterrupt: The user stopped it; the same holds.
    """
    training = training_of(experiment)
    # Settled here, because a probe could decide otherwise when the training is resumed.
    exact = {**(experiment.train or {}), "dtype": settled(training.dtype)}
    experiment = experiment.model_copy(update={"train": exact})
    folder = Path(_agreed(lambda: str(_new_folder(experiment))))
    training = training_of(experiment)
    events.run_started(folder, experiment)
    return _run(folder, experiment, training, events)


def resume(
    folder: Path,
    events: RunEvents,
    budget: Mapping[str, float | None] | None = None,
    concurrency: int | None = None,
) -> Result:
    """Go on with a training from its last checkpoint; a finished one is returned as it is.

    Args:
        folder: The run.
        events: Is told what happens.
        budget: Keys of the budget that change, see `starec_sim.laboratory.resume`.
        concurrency: Visits in flight, if it should change.

    Raises:
        RunError: The run is in progress, damaged, or was made with another version.
        StarecError: What went wrong while it went on.
    """
    manifest, experiment = read_manifest(folder), recorded(folder)
    again = f"start a new training: starec train {folder / run_folder.CONFIG}"
    run_folder.unchanged(folder, manifest, hint=again)
    before = manifest.versions.get("starec-sim")
    if before != version("starec-sim"):
        raise RunError(
            f"the training began with starec-sim {before}, this is {version('starec-sim')}",
            hint="install that version, or start a new training",
        )
    allowed = {**manifest.budget, **(budget or {})}
    changed: dict[str, Any] = {"budget": validate(Budget, allowed, "budget")}
    if concurrency is not None:
        changed["concurrency"] = concurrency
    experiment = experiment.model_copy(update=changed)
    with run_folder.where_it_started(folder, manifest) as here:
        training = training_of(experiment)
        if manifest.status == "finished":
            last = CheckpointStore(here).version(Path(manifest.version or "").name)
            return _result(here, experiment, training, last)
        folder = Path(_agreed(lambda: str(here)))
        events.run_started(folder, experiment)
        return _run(folder, experiment, training, events)


def _new_folder(experiment: Experiment) -> Path:
    folder = run_folder.create(experiment.runs_dir, experiment.name, experiment.seed)
    text = yaml.safe_dump(experiment.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    write_atomically(folder / run_folder.CONFIG, text)
    budget = experiment.budget.model_dump(exclude_none=True)
    manifest = new_manifest("training", experiment.name, [experiment.seed], text, budget=budget)
    write_manifest(folder, manifest)
    return folder


def _run(folder: Path, experiment: Experiment, training: Training, events: RunEvents) -> Result:
    if not _first():
        last = asyncio.run(Trainer(experiment, training, folder, {}, None, None, events).run())
        return _result(folder, experiment, training, last)
    with locked(folder):
        manifest = stored_manifest(folder)
        manifest.budget = experiment.budget.model_dump(exclude_none=True)
        manifest.run_again()
        write_manifest(folder, manifest)
        record: Record | None = None
        try:
            with ending_noted(manifest):
                trainer, record = _trainer(folder, experiment, training, events)
                last = asyncio.run(trainer.run())
                manifest.version = str(last)
                manifest.finish()
        finally:
            if record is not None:
                with contextlib.suppress(RunError):  # what went wrong is already on its way up
                    record.session.close()
                record.exchange.close()
                record.store.close()
            _write_manifest(folder, manifest, begun=record is not None)
            if CheckpointStore(folder).logged():
                with contextlib.suppress(OSError):  # the figures are safe
                    plot_training(
                        CheckpointStore(folder).logged(), folder.name, folder / "plot.png"
                    )
    return _result(folder, experiment, training, last)


def _write_manifest(folder: Path, manifest: Manifest, *, begun: bool) -> None:
    """Write how it ended; nothing is kept of a training that could not begin."""
    if not begun and not (folder / "run.sqlite").exists():
        shutil.rmtree(folder)
        return
    with contextlib.suppress(OSError):  # a full disk is already on its way up
        write_manifest(folder, manifest)


def _trainer(
    folder: Path, experiment: Experiment, training: Training, events: RunEvents
) -> tuple[Trainer, Record]:
    specs = experiment.policies
    fast = build_policy(specs.fast, "policies.fast")
    slow = fast if specs.slow == specs.fast else build_policy(specs.slow, "policies.slow")
    policies: dict[Node, Policy] = {"fast": fast, "slow": slow}
    teacher = None
    if training.anchor is not None and training.anchor.samples is None:
        teacher = build_policy(training.anchor.teacher, "train.anchor.teacher")
    # What cannot be learned from is refused before anything is written, or a teacher is paid.
    resolve_model(weights_of(experiment, training))
    if adapter := specs.fast.get("adapter"):
        adapter_folder(adapter)
    if training.grpo is not None:
        player_of(fast, training.method)
        Rewards(training.grpo.rewards)
    store = Store(folder, UserSplit(experiment, training).phrases())
    session = Session(store)
    exchange = GatewayResources(experiment.gateway, experiment.budget, session.before)
    session.spent = exchange.spent
    record = Record(store, session, exchange)
    return Trainer(experiment, training, folder, policies, teacher, record, events), record


def _result(folder: Path, experiment: Experiment, training: Training, last: Path) -> Result:
    # What chose the weights to begin with has no say in those that came of them, and an adapter
    # stays on what it was trained on.
    fast = experiment.policies.fast
    chose = ("adapter", "stage") if training.method == "full" else ("adapter",)
    spec = {key: value for key, value in fast.items() if key not in chose}
    if not callable(getattr(plugins.load("policies", fast["use"]), "load", None)):
        # A server played; here `local` can.
        spec = {key: fast[key] for key in ("temperature", "max_tokens") if key in fast}
        spec |= {"use": "local", "model": weights_of(experiment, training)}
    if training.method == "full":
        spec["model"] = str(last)
    else:
        spec["adapter"] = str(last)
    plot = folder / "plot.png"
    return Result(
        folder, last, spec, CheckpointStore(folder).logged(), plot if plot.is_file() else None
    )


def _first() -> bool:
    """Say whether this process is the one that plays, writes and talks."""
    return int(os.environ.get("RANK", "0")) == 0


def _agreed(make: Any) -> str:
    """Return what the first process made, in all of them."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        made: str = make()
        return made
    import torch
    from accelerate import PartialState
    from accelerate.utils import broadcast_object_list

    # The others wait while the first plays, and a teacher may take hours.
    PartialState(cpu=not torch.cuda.is_available(), timeout=timedelta(days=1))
    told = [make() if _first() else ""]
    broadcast_object_list(told)
    return told[0]
