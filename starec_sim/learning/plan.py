"""What a training would take: steps, calls, tokens, memory, disk. Nothing is trained for it.

Tokens are counted in questions of the real environment, with the model's own tokenizer if it is on
this machine, else at four characters a token. Memory is that of `starec_sim.learning.model_size`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from starec_sim.agent import Call, UnaskedPolicies, first_memory
from starec_sim.build import Builder
from starec_sim.experiment import Experiment
from starec_sim.learning.checkpoints import KEPT
from starec_sim.learning.config import Sft, setting, training_of, weights_of
from starec_sim.learning.model_size import GIB, learner_gib, shape_of
from starec_sim.learning.models import resolve_dtype
from starec_sim.learning.sft import read_samples
from starec_sim.learning.split import UserSplit

_USERS_COUNTED = 20
"""Users whose questions are counted in tokens."""
_CHARACTERS_A_TOKEN = 4.0


@dataclass(frozen=True)
class Plan:
    """What a training would take."""

    name: str
    model: str
    method: str
    dtype: str
    parameters: int | None
    trainable: int | None
    users_training: int
    users_held_out: int
    sft_updates: int
    sft_samples: int
    teacher_calls: int
    steps: int
    episodes: int
    stage_2: str
    """`grpo` or `dpo`; empty if there is no such stage."""
    prompt_tokens: int
    """Of one question, mean."""
    tokenizer: str
    """How they were counted."""
    answer_tokens: int
    """Of one answer, at most."""
    calls: int
    """In the rounds that are learned from and in validations, at most, without repairs."""
    audits: int
    """Audits after validations, all together. Their calls are not in `calls`."""
    sampled_tokens: int
    learned_tokens: int
    """Ids that go through the learner, prompts shared."""
    learner_gib: float | None
    """Memory of the learner's process."""
    disk_gib: float | None
    """All versions of it, and the checkpoints that are kept."""

    def as_json(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        unknown = "unknown: the model is not on this machine"
        size = f"{self.parameters:,}" if self.parameters else unknown
        learns = f"{self.trainable:,}" if self.trainable else unknown
        memory = f"{self.learner_gib:,.1f} GiB" if self.learner_gib else unknown
        disk = f"{self.disk_gib:,.1f} GiB" if self.disk_gib else unknown
        lines = [
            ("model", f"{self.model} ({self.method}, {self.dtype})"),
            ("parameters", f"{size}, of which learn {learns}"),
            ("users", f"{self.users_training:,} to train on, {self.users_held_out:,} held out"),
            (
                "sft",
                f"{self.sft_updates:,} updates, at most {self.sft_samples:,} samples of "
                f"{self.teacher_calls:,} calls of the teacher",
            ),
            (
                self.stage_2 or "grpo",
                f"{self.steps:,} steps in {self.episodes:,} "
                f"episode{'' if self.episodes == 1 else 's'}",
            ),
            ("question", f"{self.prompt_tokens:,} tokens ({self.tokenizer})"),
            ("answer", f"at most {self.answer_tokens:,} tokens, not held to a form"),
            ("calls", f"at most {self.calls:,}, with {self.sampled_tokens:,} tokens"),
            *([("audits", f"{self.audits:,}, whose calls are not counted")] if self.audits else []),
            ("learner reads", f"at most {self.learned_tokens:,} tokens, prompts shared"),
            ("learner memory", memory),
            ("disk", disk),
        ]
        return "\n".join(f"{label:<17} {value}" for label, value in lines)


def plan_of(experiment: Experiment) -> Plan:
    """Return what the training of an experiment would take.

    Raises:
        StarecError: A key is wrong, or a part cannot be built.
    """
    training = training_of(experiment)
    split = UserSplit(Builder(), experiment.resolve()["main"], training)
    spec, sft, stage = experiment.policies.fast, training.sft, training.stage2
    model = weights_of(experiment, training)
    answer = _longest_answer(spec)
    prompt, counted = _question_tokens(split, experiment, model)
    steps = stage.steps if stage else 0
    visits = steps * min(stage.users, len(split.training)) if stage else 0
    size, nodes = (stage.size, len(stage.nodes)) if stage else (0, 0)
    validated = min(training.evaluate.users, len(split.held_out)) * training.evaluate.rounds
    # One before the first step, one every so many steps, and one after the last.
    validations = -(-steps // training.evaluate.every) + 1 if stage else 0
    reflects = bool(stage and "slow" in stage.nodes)
    # A group for each node that learns, an answer of each that does not, and a follow-up for each
    # summary; a visit is counted as one decision.
    calls = visits * (size * (nodes + reflects) + 2 - nodes) + validations * validated * 2
    samples = _samples(sft, split) if sft else 0
    teacher_calls = 0 if sft is None or sft.samples is not None else samples * (1 + sft.rethink)
    updates = -(-samples // sft.batch) * sft.epochs if sft else 0
    versions = steps + 1 + updates // training.checkpoint_every
    half = resolve_dtype(training.dtype) == "bf16"
    shape = shape_of(model)
    trainable = shape.trainable(training) if shape else None
    return Plan(
        name=experiment.name,
        model=model,
        method=training.method,
        dtype="bf16" if half else "fp32",
        parameters=shape.parameters if shape else None,
        trainable=trainable,
        users_training=len(split.training),
        users_held_out=len(split.held_out),
        sft_updates=updates,
        sft_samples=samples,
        teacher_calls=teacher_calls,
        steps=steps,
        episodes=-(-steps // stage.rounds) if stage else 0,
        stage_2=stage.name if stage else "",
        prompt_tokens=prompt,
        tokenizer=counted,
        answer_tokens=answer,
        calls=calls,
        audits=validations * len(training.evaluate.audits),
        sampled_tokens=calls * answer,
        learned_tokens=visits * nodes * (prompt + size * answer) * (stage.passes if stage else 0)
        + samples * (prompt + answer) * (sft.epochs if sft else 0),
        learner_gib=learner_gib(shape, training, half=half) if shape else None,
        # Each stage keeps some checkpoints, each with two moments of every trained number.
        disk_gib=(versions + 2 * KEPT * 2) * trainable * 4 / GIB if trainable else None,
    )


def _samples(sft: Sft, split: UserSplit) -> int:
    """Return how many answers there are to imitate, if none is rejected."""
    if sft.samples is not None:
        return len(read_samples(sft.samples))
    return min(sft.users, len(split.training)) * sft.rounds * len(sft.nodes)


def _longest_answer(spec: Mapping[str, Any]) -> int:
    """Return the most tokens of an answer: the policy's setting, or its default."""
    return int(setting(spec, "max_tokens", None) or 512)


def _question_tokens(split: UserSplit, experiment: Experiment, model: str) -> tuple[int, str]:
    """Return the mean length of a question, and how it was counted."""
    environment = split.environment(experiment.seed)
    lengths = []
    tokenizer, counted = _tokenizer(model)
    for user in list(environment.begin_round(0))[:_USERS_COUNTED]:
        memory = first_memory(environment, split.agent, user)
        call = Call(
            user,
            0,
            environment.users[user],
            memory,
            environment,
            UnaskedPolicies("a plan asks no policy"),
        )
        messages = split.agent.question(call, environment.observe(user, ()))
        text = "\n".join(text for _, text in messages)
        if tokenizer is None:
            lengths.append(len(text) / _CHARACTERS_A_TOKEN)
        else:
            lengths.append(len(tokenizer(text, add_special_tokens=False)["input_ids"]))
    return round(float(np.mean(lengths))) if lengths else 0, counted


def _tokenizer(model: str) -> tuple[Any, str]:
    """Return the tokenizer, None where it is not on this machine, and how tokens are counted."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(model, local_files_only=True)
        return tokenizer, "counted by its own tokenizer"
    except (OSError, ValueError, KeyError):
        return None, "at four characters a token, its tokenizer is not on this machine"
