"""The loop: simulate, collect, learn, evaluate, repeat.

    anchor:  a teacher plays some users -> samples that pass -> imitated, epoch by epoch
    grpo:    for each step: the newest version plays one round of the training users; before the
             round is committed its rollouts are on disk; then they are learned from, the next
             version is written and takes the policy's place

A life is a trial of the run's record: fresh users, fresh memories, other chances. Examinations are
trials too, with users never trained on. A killed training goes on from its last checkpoint: steps
that were played are learned again from their rollouts, and those that were not are played.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from starec_sim.errors import ConfigError
from starec_sim.experiment import Experiment
from starec_sim.learning.anchoring import Sample, Tutor, lessons_of, read_samples, write_samples
from starec_sim.learning.checkpoints import Played, Shelf, put_bytes
from starec_sim.learning.figures import Guard, step_figures
from starec_sim.learning.grpo import Lessons, lessons
from starec_sim.learning.learner import DivergenceError, Learner, Update
from starec_sim.learning.models import Weights, load
from starec_sim.learning.places import ranking_places
from starec_sim.learning.players import Player, player
from starec_sim.learning.rewards import Rewards
from starec_sim.learning.rollouts import Collector
from starec_sim.learning.rows import Rollout
from starec_sim.learning.settings import Anchor, Grpo, Training
from starec_sim.learning.world import Stage, Visitors, batches
from starec_sim.metrics import bootstrap_interval
from starec_sim.policies.gateway import Gateway, Policy
from starec_sim.rng import Streams
from starec_sim.runs.recorder import Recorder
from starec_sim.runs.store import Store
from starec_sim.simulation import Simulation
from starec_sim.types import Node, Visit

ANCHOR_TRIAL, EXAMINATION_TRIAL = 1_000_000, 2_000_000
"""Numbers of the trials that are no life: the teacher's, and the examinations by step."""
FIRST = "000000"
"""The version that GRPO starts from."""


class Follower(Protocol):
    """Somebody who follows a training as it goes."""

    def stage_begins(self, stage: str, steps: int, done: int) -> None:
        """Note that a stage begins, so many steps of which are done."""
        ...

    def visit_ends(self, visit: Visit) -> None:
        """Note that a visit is over."""
        ...

    def funnel(self, rows: Sequence[tuple[str, str, int]]) -> None:
        """Note what became of the teacher's answers."""
        ...

    def step_ends(self, entry: Mapping[str, Any]) -> None:
        """Note the figures of a step."""
        ...

    def examined(self, entry: Mapping[str, Any]) -> None:
        """Note how the policy does with users it never trained on."""
        ...

    def say(self, text: str) -> None:
        """Take a line worth reading."""
        ...


class Trainer:
    """One training, in the folder of a run.

    Args:
        experiment: The world.
        training: What is learned in it.
        folder: Of the run.
        policies: Who answers in it, by node; the fast one learns.
        teacher: Who writes the samples, if anybody does.
        store: The run's record.
        follower: Who is told.
    """

    def __init__(
        self,
        experiment: Experiment,
        training: Training,
        folder: Path,
        policies: Mapping[Node, Policy],
        teacher: Policy | None,
        store: Store,
        follower: Follower,
    ) -> None:
        self._experiment = experiment
        self._training = training
        self._policies = policies
        self._teacher = teacher
        self._store = store
        self._follower = follower
        self._shelf = Shelf(folder)
        self._stage = Stage(experiment, training)
        self._streams = Streams(experiment.seed)
        self._guard = Guard(training.guards)

    async def run(self) -> None:
        """Go through both stages, from where the folder says they stand."""
        training = self._training
        if training.anchor is not None:
            await self._anchor(training.anchor)
        elif not self._shelf.version(FIRST).is_dir():
            weights = self._weights(None)
            self._shelf.put_version(FIRST, weights.save)
        if training.grpo is not None:
            await self._reinforce(training.grpo)

    def _weights(self, version: Path | None) -> Weights:
        """Read the weights that learn: those of a version, or what the experiment starts from."""
        training, spec = self._training, self._policies["fast"].spec_of
        base, adapter = str(training.model or spec["model"]), spec.get("adapter")
        if version is not None:
            base, adapter = (str(version), None) if training.method == "full" else (base, version)
        return load(
            base,
            str(adapter) if adapter else None,
            method=training.method,
            lora=training.lora,
            dtype=training.dtype,
        )
