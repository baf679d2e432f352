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

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import torch

from starec_sim.errors import LearningError
from starec_sim.events import RunEvents
from starec_sim.experiment import Experiment
from starec_sim.learning.checkpoints import CheckpointStore, Played, put_bytes
from starec_sim.learning.config import Grpo, Sft, Training, template_of, weights_of
from starec_sim.learning.learner import Learner
from starec_sim.learning.models import Weights, load
from starec_sim.learning.rewards import Rewards
from starec_sim.learning.school import School
from starec_sim.learning.sft import (
    Funnel,
    Sample,
    TeacherCollector,
    dump_lesson,
    lessons_of,
    load_lesson,
    read_samples,
)
from starec_sim.learning.split import UserSplit, batches, only
from starec_sim.learning.validation import UserMetrics, changes, figures, marks
from starec_sim.learning.weight_sync import WeightSync, player_of
from starec_sim.policies.gateway import Gateway, GatewayResources, Policy
from starec_sim.rng import Streams
from starec_sim.runs.reader import Reader
from starec_sim.runs.recorder import Recorder
from starec_sim.runs.session import Session
from starec_sim.runs.store import Store
from starec_sim.simulation import Simulation
from starec_sim.types import Node, Visit

ANCHOR_TRIAL, EXAMINATION_TRIAL = 1_000_000, 2_000_000
"""Numbers of the trials that are no life: the teacher's, and the examinations by step."""
FIRST = "000000"
"""The version that GRPO starts from."""


def examination(step: int) -> str:
    """Return the arm under which the examination after a step stands in the record."""
    return f"examination after {step} steps"


class Trial(NamedTuple):
    """A trial of the run's record."""

    number: int
    arm: str
    seed: int
    users: frozenset[str]


class Record(NamedTuple):
    """Where what is played is kept, and what it may cost."""

    store: Store
    session: Session
    exchange: GatewayResources


class Trainer:
    """One training, in the folder of a run.

    Args:
        experiment: The world.
        training: What is learned in it.
        folder: Of the run.
        policies: Who answers in it, by node; the fast one learns.
        teacher: Who writes the samples, if anybody does.
        record: Where everything that is played goes; None in a process that only learns.
        events: Is told what happens.
    """

    def __init__(
        self,
        experiment: Experiment,
        training: Training,
        folder: Path,
        policies: Mapping[Node, Policy],
        teacher: Policy | None,
        record: Record | None,
        events: RunEvents,
    ) -> None:
        self._experiment = experiment
        self._training = training
        self._policies = policies
        self._teacher = teacher
        self._record = record
        self._events = events
        self._shelf = CheckpointStore(folder)
        self._stage = UserSplit(experiment, training)
        self._streams = Streams(experiment.seed)
        self._seed = experiment.seed % 2**31
        """Of resampling, and of a new adapter."""
        self._rewards = Rewards(training.grpo.rewards if training.grpo else {})

    async def run(self) -> Path:
        """Go through both stages from where the folder says they stand; return the last version."""
        try:
            return await self._run()
        finally:
            for policy in filter(None, [*self._policies.values(), self._teacher]):
                await policy.close()

    async def _run(self) -> Path:
        training = self._training
        if self._record is not None:
            self._shelf.put_held_out(self._stage.held_out)
        if training.anchor is not None:
            await self._imitate(training.anchor)
        elif self._record is not None:
            self._shelf.put_version(FIRST, self._weights(None).save)
        meet()
        if training.grpo is None:
            return self._shelf.version(FIRST)
        return await self._reinforce(training.grpo)

    @cached_property
    def _player(self) -> WeightSync:
        return player_of(self._policies["fast"], self._training.method)

    def _play_with(self, step: int) -> None:
        """Let the policy answer with the version after a step from now on."""
        name = f"{step:06d}"
        # A server that other trainings use as well must not take their version for this one's.
        self._player.load(self._shelf.version(name), f"{self._shelf.folder.name}-{name}")

    def _weights(self, version: Path | None) -> Weights:
        """Read the weights that learn: those of a version, or what the experiment starts from."""
        training, spec = self._training, self._experiment.policies.fast
        base, adapter = weights_of(self._experiment, training), spec.get("adapter")
        # Of the weights that play, which those that learn may not be.
        revision = spec.get("revision") if training.model is None else None
        if version is not None and training.method == "full":
            base, adapter, revision = str(version), None, None
        elif version is not None:
            adapter = str(version)
        torch.manual_seed(self._seed)
        return load(
            base,
            adapter,
            revision=revision,
            method=training.method,
            lora=training.lora,
            dtype=training.dtype,
            gradient_checkpointing=training.gradient_checkpointing,
        )

    # Stage 1

    async def _imitate(self, anchor: Sft) -> None:
        shelf, training = self._shelf, self._training
        if shelf.has_version(FIRST):
            return
        samples = await self._samples(anchor)
        streams, count = self._streams, len(samples)
        orders = [
            batch
            for epoch in range(anchor.epochs)
            for batch in batches(count, anchor.batch, streams, "anchor batches", epoch)
        ]
        checkpoint = shelf.last_checkpoint("anchor", self._events.message)
        done = checkpoint.step if checkpoint else 0
        weights = self._weights(shelf.version(f"anchor-{done:06d}") if checkpoint else None)
        learner = Learner(
            weights,
            anchor.optimisation,
            steps=len(orders),
            batch_tokens=training.batch_tokens,
        )
        if checkpoint:
            learner.restore(checkpoint.state)
        self._forget(lambda entry: entry["stage"] == "anchor" and entry["step"] <= done)
        self._events.stage_started("anchor", len(orders), done)
        for step in range(done, len(orders)):
            batch = [samples[place] for place in orders[step]]
            update = learner.imitate(
                lessons_of(batch, weights.tokenizer, template_of(self._experiment, training))
            )
            learner.end_step()
            self._log(
                {
                    "stage": "anchor",
                    "step": step + 1,
                    "loss": update.loss,
                    "gradient": update.gradient,
                    "entropy": update.entropy,
                    "learned_tokens": update.tokens,
                    "learn_s": update.seconds,
                }
            )
            if (step + 1) % training.checkpoint_every == 0:
                self._write(learner, f"anchor-{step + 1:06d}")
                self._keep(learner, "anchor", step + 1)
        self._write(learner, FIRST)

    async def _samples(self, anchor: Sft) -> list[Sample]:
        """Return what there is to imitate: from a file, or from a teacher who plays for it."""
        place = self._shelf.folder / "anchor"
        if anchor.samples is not None:
            kept = place / "samples.jsonl"
            if self._record is not None and not kept.is_file():
                # A training that is gone on with learns from what it began with.
                read_samples(anchor.samples)
                put_bytes(kept, anchor.samples.read_bytes())
            meet()
            return read_samples(kept)
        rounds = [place / f"{round:03d}.json" for round in range(anchor.rounds)]
        if self._record is not None and not all(path.is_file() for path in rounds):
            assert self._teacher is not None
            tutor = TeacherCollector(
                self._stage.agent,
                nodes=anchor.nodes,
                min_ndcg=anchor.min_ndcg,
                rethink=anchor.rethink,
                keywords=anchor.keywords,
            )

            def ended(round: int, visits: Sequence[Visit]) -> None:
                put_bytes(rounds[round], dump_lesson(*tutor.take()))

            users = self._stage.drawn(anchor.users, 0, "anchor users")
            await self._play(
                Trial(ANCHOR_TRIAL, "teacher", self._experiment.seed, users),
                tutor,
                {"fast": self._teacher, "slow": self._teacher},
                anchor.rounds,
                ended,
            )
        meet()
        lessons_learned = [load_lesson(path) for path in rounds]
        funnel = Funnel.sum(funnel for _, funnel in lessons_learned)
        self._events.samples_screened(funnel.rows())
        samples = [sample for found, _ in lessons_learned for sample in found]
        if not samples:
            raise LearningError(
                "none of the teacher's answers passed the screening: "
                + ", ".join(f"{count} {node} {what}" for node, what, count in funnel.rows()),
                hint="lower train.anchor.min_ndcg, raise train.anchor.rethink, or take a teacher "
                "that follows the form",
            )
        return samples

    # Stage 2

    async def _reinforce(self, grpo: Grpo) -> Path:
        shelf, training = self._shelf, self._training
        checkpoint = shelf.last_checkpoint("grpo", self._events.message)
        done = checkpoint.step if checkpoint else 0
        weights = self._weights(shelf.version(FIRST))
        learner = Learner(
            weights, grpo.optimisation, steps=grpo.steps, batch_tokens=training.batch_tokens
        )
        learner.anchor()
        if checkpoint:
            weights.put(shelf.version(f"{done:06d}"))
            learner.restore(checkpoint.state)
        # The examination after the checkpoint's step is held again: its answers are on record.
        self._forget(
            lambda entry: (
                entry["stage"] == "anchor"
                or entry["step"] < done
                or (entry["step"] == done and "loss" in entry)
            )
        )
        school = School(
            grpo, training, self._stage, self._streams, learner, shelf, self._rewards, done
        )
        self._events.stage_started("grpo", grpo.steps, done)
        step = done
        while True:
            if step % training.evaluate.every == 0 or step == grpo.steps:
                await self._examine(step)
            if step == grpo.steps:
                self._conclude(step)
                return shelf.version(f"{step:06d}")
            until = min(
                grpo.steps,
                (step // grpo.rounds + 1) * grpo.rounds,
                (step // training.evaluate.every + 1) * training.evaluate.every,
            )
            await self._live(school, step, until)
            step = until

    async def _live(self, school: School, step: int, until: int) -> None:
        """Play and learn the steps from one to another, all of one life."""
        shelf, rounds = self._shelf, school.grpo.rounds
        life, first = divmod(step, rounds)

        def learn(round: int) -> None:
            school.learner.accelerator.wait_for_everyone()  # what was played is on file
            number = life * rounds + round
            entry = school.learn(number)
            self._log(entry)
            name = f"{number + 1:06d}"
            self._write(school.learner, name)
            if (number + 1) % self._training.checkpoint_every == 0 or (
                number + 1 == school.grpo.steps
            ):
                self._keep(school.learner, "grpo", number + 1)
            if self._record is not None:
                self._play_with(number + 1)

        if self._record is None:
            for number in range(step, until):
                learn(number - life * rounds)
            return

        collector = school.collector(life)

        def ended(round: int, visits: Sequence[Visit]) -> None:
            number = life * rounds + round
            rollouts = collector.take()
            if not visits:
                raise LearningError(
                    f"nobody came in round {round + 1} of life {life + 1}, so there is nothing to "
                    "learn from",
                    hint="lower train.grpo.rounds to what the environment has to offer",
                )
            shelf.put_played(number, Played(rollouts, collector.waiting))

        self._play_with(step)
        users = self._stage.drawn(school.grpo.users, life)
        trial = Trial(life, f"life {life + 1}", self._experiment.seed + life, users)

        def resumed(played: int) -> None:
            # What an earlier process played is learned from again before anything new is played.
            for round in range(first, min(played, until - life * rounds)):
                learn(round)
            if played:
                before = shelf.played(life * rounds + played - 1)
                collector.waiting = before.waiting if before else {}

        await self._play(
            trial, collector, self._policies, until - life * rounds, ended, resumed, learn
        )

    async def _examine(self, step: int) -> None:
        """See how the policy does with users it never trained on."""
        settings = self._training.evaluate
        if not settings.users or self._record is None:
            return
        self._play_with(step)
        policies: Mapping[Node, Policy] = self._policies
        if settings.temperature is not None:
            changed = {"temperature": settings.temperature}
            policies = {
                node: replace(policy, model=policy.model.model_copy(update=changed))
                for node, policy in policies.items()
            }
        number = EXAMINATION_TRIAL + step
        users = self._stage.examined()
        await self._play(
            Trial(number, examination(step), self._experiment.seed, users),
            self._stage.agent,
            policies,
            settings.rounds,
        )
        found = figures(self._marks(step), self._seed)
        entry = {"stage": "grpo", "step": step, "examination": found}
        self._shelf.log(entry)
        self._events.validated(entry)

    def _marks(self, step: int) -> UserMetrics:
        """Return what the examined users came to after a step."""
        with contextlib.closing(Reader(self._shelf.folder)) as reader:
            return marks(reader, EXAMINATION_TRIAL + step, self._rewards)

    def _conclude(self, step: int) -> None:
        """Note what changed from the first examination to the last."""
        if self._training.evaluate.users and self._record is not None:
            changed = changes(self._marks(0), self._marks(step), self._seed)
            self._shelf.log({"stage": "grpo", "step": step, "changes": changed})

    # Both

    async def _play(
        self,
        trial: Trial,
        agent: Any,
        policies: Mapping[Node, Policy],
        rounds: int,
        ended: Callable[[int, Sequence[Visit]], None] = lambda round, visits: None,
        resumed: Callable[[int], None] = lambda played: None,
        after: Callable[[int], None] = lambda round: None,
    ) -> None:
        """Play a trial up to a round.

        Args:
            trial: Which.
            agent: Who plays the users.
            policies: Who answers.
            rounds: Rounds after which it ends.
            ended: Called with each round and its visits, before it is committed.
            resumed: Called with the number of rounds that were committed before.
            after: Called with each round, once it is committed.
        """
        assert self._record is not None
        environment = self._stage.world(trial.seed)
        recorder = Recorder(self._record.store, trial.number, self._record.session)
        state = recorder.open(trial.arm, trial.seed, environment)
        resumed(state.rounds)
        gateway = Gateway(policies, Streams(trial.seed), recorder, trial.arm, self._record.exchange)
        simulation = Simulation(
            agent,
            environment,
            gateway,
            recorder,
            state,
            events=self._events,
            concurrency=self._experiment.concurrency,
            choose_visitors=only(environment, trial.users),
        )
        while simulation.rounds < rounds:
            played = await simulation.play_round()
            ended(played.round, played.visits)
            simulation.commit(played)
            after(played.round)

    def _forget(self, keep: Callable[[dict[str, Any]], bool]) -> None:
        """Drop the log of steps that will be made again."""
        if self._record is not None:
            self._shelf.keep_logged(keep)

    def _log(self, entry: dict[str, Any]) -> None:
        if self._record is not None:
            self._shelf.log(entry)
        self._events.step_finished(entry)

    def _write(self, learner: Learner, name: str) -> None:
        """Keep a version; all processes take part in gathering it."""
        write = learner.writer()
        if self._record is not None:
            self._shelf.put_version(name, write)
        learner.accelerator.wait_for_everyone()

    def _keep(self, learner: Learner, stage: str, step: int) -> None:
        """Keep a checkpoint; all processes take part in gathering it."""
        state = learner.state()
        if self._record is not None:
            self._shelf.put_checkpoint(stage, step, state)


def meet() -> None:
    """Wait for the other processes, if there are any."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        from accelerate import PartialState

        PartialState().wait_for_everyone()
