"""What both stages of a training share: its settings, its users, its weights and its log.

With several processes, the first one plays and writes; all of them learn.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from starec_sim import plugins
from starec_sim.events import RunEvents
from starec_sim.executors.drain import stop_if_draining
from starec_sim.experiment import Experiment
from starec_sim.learning.checkpoints import CheckpointStore, TrainingCheckpoint
from starec_sim.learning.config import Training, rewards_of, setting, template_of, weights_of
from starec_sim.learning.episodes import TrialPlayer
from starec_sim.learning.learner import Learner, Optimisation
from starec_sim.learning.models import TrainedWeights, load
from starec_sim.learning.split import UserSplit
from starec_sim.learning.weight_sync import WeightSync, weight_sync_of
from starec_sim.policies.abilities import Loadable
from starec_sim.policies.engine.chat_format import ChatFormat
from starec_sim.policies.gateway import Policy
from starec_sim.rng import Streams
from starec_sim.runs.lifecycle import OpenRun
from starec_sim.types import Node

BEFORE_STAGE_2 = "000000"
"""The version of the weights that stage 2 starts from: after SFT, or as they were."""


@dataclass(frozen=True)
class Players:
    """What only the first process has: it plays and writes."""

    run: OpenRun
    policies: Mapping[Node, Policy]
    """The policies that play; the fast one learns."""
    teacher: Policy | None
    """Writes the samples of SFT, unless they are in a file."""


class TrainingRun:
    """One training in the folder of a run.

    Args:
        experiment: The environment and its users.
        training: The settings of `train`.
        split: The users, in an environment that is built.
        folder: Of the run.
        players: Those of the first process; None in the others.
        events: Receives what happens in the run.
    """

    def __init__(
        self,
        experiment: Experiment,
        training: Training,
        split: UserSplit,
        folder: Path,
        players: Players | None,
        events: RunEvents,
    ) -> None:
        self.experiment = experiment
        self.settings = training
        self.players = players
        self.events = events
        self.store = CheckpointStore(folder)
        self.split = split
        self.streams = Streams(experiment.seed)
        self.torch_seed = experiment.seed % 2**31
        """The seed of new adapters and of resampling."""
        self.rewards = rewards_of(training, split.people())
        self.trials: TrialPlayer | None = None
        self._weight_sync: WeightSync | None = None
        if players is not None:
            self.trials = TrialPlayer(players.run, self.split, experiment.concurrency, events)

    def stop_if_draining(self) -> None:
        """Pause at SIGTERM, in the first process: the launcher ends the others when it has ended.

        Raises:
            PausedError: The training drains.
        """
        if self.players is not None:
            stop_if_draining()

    # Weights

    def load(self, version: Path | None) -> TrainedWeights:
        """Read the weights that learn: those of a version, or those that the experiment names."""
        training, spec = self.settings, self.experiment.policies.fast
        base, adapter = weights_of(self.experiment, training), spec.get("adapter")
        # `revision` belongs to the model that plays; another one may learn.
        revision = spec.get("revision") if training.model is None else None
        if version is not None and training.method == "full":
            base, adapter, revision = str(version), None, None
        elif version is not None:
            adapter = str(version)
        torch.manual_seed(self.torch_seed)
        return load(
            base,
            adapter,
            revision=revision,
            method=training.method,
            lora=training.lora,
            dtype=training.dtype,
            gradient_checkpointing=training.gradient_checkpointing,
        )

    def chat_format(self, weights: TrainedWeights) -> ChatFormat:
        """Return how the policy that learns writes questions and answers.

        Raises:
            PolicyError: Its chat template does not take them.
        """
        template = template_of(self.experiment, self.settings)
        system = setting(self.experiment.policies.fast, "system", "auto")
        return ChatFormat(weights.tokenizer, weights.base, (), template, system)

    def learner(self, weights: TrainedWeights, optimisation: Optimisation, steps: int) -> Learner:
        """Return a learner of these weights, for so many steps."""
        batch_tokens = self.settings.batch_tokens
        return Learner(weights, optimisation, steps=steps, batch_tokens=batch_tokens)

    def save(self, learner: Learner, name: str) -> None:
        """Write a version of the weights; all processes take part in gathering it."""
        write = learner.writer()
        if self.players is not None:
            self.store.put_version(name, write)
        learner.accelerator.wait_for_everyone()

    def publish(self, step: int) -> None:
        """Let the policy that plays answer with the version after a step from now on."""
        if self.players is None:
            return
        if self._weight_sync is None:
            fast = self.players.policies["fast"]
            self._weight_sync = weight_sync_of(fast, self.settings.method)
        name = f"{step:06d}"
        # A server may serve other trainings too: the version is named after this one's folder.
        self._weight_sync.load(self.store.version(name), f"{self.store.folder.name}-{name}")

    # Checkpoints and the log

    def last_checkpoint(self, stage: str) -> TrainingCheckpoint | None:
        """Return the last undamaged checkpoint of a stage, if there is one."""
        return self.store.last_checkpoint(stage, self.events.message)

    def save_checkpoint(self, learner: Learner, stage: str, step: int) -> None:
        """Write a checkpoint; all processes take part in gathering it."""
        state = learner.state()
        if self.players is not None:
            self.store.put_checkpoint(stage, step, state)

    def log(self, entry: dict[str, Any]) -> None:
        """Log the metrics of a step."""
        if self.players is not None:
            self.store.log(entry)
        self.events.step_finished(entry)

    def keep_logged(self, keep: Callable[[dict[str, Any]], bool]) -> None:
        """Drop the log of steps that are made again."""
        if self.players is not None:
            self.store.keep_logged(keep)

    async def close(self) -> None:
        """Close the policies' connections."""
        if self.players is not None:
            teacher = [self.players.teacher] if self.players.teacher else []
            for policy in [*self.players.policies.values(), *teacher]:
                await policy.close()


def policy_of_version(experiment: Experiment, training: Training, version: Path) -> dict[str, Any]:
    """Return the spec of the policy that plays a version of the weights in this process."""
    # Keys that choose the first weights do not belong to the trained ones; an adapter needs the
    # base that it was trained on.
    fast = experiment.policies.fast
    chose = ("adapter", "stage") if training.method == "full" else ("adapter",)
    spec = {key: value for key, value in fast.items() if key not in chose}
    if not issubclass(plugins.load("policies", fast["use"]), Loadable):
        # A server played; in this process `local` can.
        spec = {key: fast[key] for key in ("temperature", "max_tokens") if key in fast}
        spec |= {"use": "local", "model": weights_of(experiment, training)}
    return spec | {"model" if training.method == "full" else "adapter": str(version)}


def wait_for_all() -> None:
    """Wait for the other processes, if there are any."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        from accelerate import PartialState

        PartialState().wait_for_everyone()
