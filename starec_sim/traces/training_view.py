"""A training: its steps, its groups of answers with their advantages, its versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from starec_sim import yaml_files
from starec_sim.errors import RunError
from starec_sim.glossary import metric_info
from starec_sim.learning.advantages import Objective, advantages, earned, is_equal
from starec_sim.learning.checkpoints import CheckpointStore
from starec_sim.learning.pairs import PairSettings, pairs_of
from starec_sim.learning.rewards import DEFAULT_REWARDS
from starec_sim.learning.rows import Rollout, by_group
from starec_sim.learning.trials import TEACHER_TRIAL, is_validation
from starec_sim.runs.attempts import FOLLOW_UP
from starec_sim.runs.folder import CONFIG, configuration
from starec_sim.runs.reader import Reader, RecordedTrial
from starec_sim.settings import validate
from starec_sim.traces.values import GroupPlace, StepAddress
from starec_sim.types import Node, Turn


@dataclass(frozen=True, slots=True)
class GroupRow:
    """The rewards of one group."""

    group: str
    at: StepAddress | None
    """The step of the simulation that was answered."""
    node: Node
    size: int
    mean: float
    std: float
    zero_variance: bool
    """Whether all earned the same, as a single answer does, so that the group teaches nothing."""
    rewards: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class SampledToken:
    """One id that the policy sampled."""

    text: str | None
    """Set by `token_texts.group_with_texts`, where a tokenizer is at hand."""
    id: int
    logprob: float


@dataclass(frozen=True, slots=True)
class GroupMember:
    """One answer of a group."""

    number: int
    """From 1; the first one is the answer that the simulation went on with, unless it failed."""
    reward: float
    components: Mapping[str, float]
    advantage: float | None
    """How much better it is than its group, as the step of GRPO computes it; with credit by
    position, that of the first rank. None in a training with DPO, which learns from pairs."""
    tokens: int
    """Sampled ids."""
    version: str
    text: str | None
    """None where the answer is a whole visit, or not on record."""
    tokens_colored: tuple[SampledToken, ...] | None


@dataclass(frozen=True, slots=True)
class PreferredPair:
    """Two answers of a group that DPO compares, by their numbers."""

    chosen: int
    rejected: int
    margin: float
    """How much more reward the chosen one earned."""


@dataclass(frozen=True, slots=True)
class Group:
    """One group: answers to the same question, each with its reward and what it taught."""

    step: int
    group: str
    node: Node
    at: StepAddress | None
    """The step of the simulation that was answered."""
    members: tuple[GroupMember, ...]
    pairs: tuple[PreferredPair, ...] | None
    """What DPO learned from; None in a training with GRPO, which learns from advantages."""
    mean: float
    std: float
    zero_variance: bool
    """See `GroupRow`."""


@dataclass(frozen=True, slots=True)
class MetricChange:
    """How a metric of held-out users changed from the first to the last validation."""

    metric: str
    label: str
    """As people call it."""
    before: Mapping[str, float]
    after: Mapping[str, float]
    change: Mapping[str, float]
    p: float | None
    users: int


@dataclass(frozen=True, slots=True)
class TrainingPage:
    """The log of a training, its versions, and the groups of one step."""

    steps: tuple[Mapping[str, Any], ...]
    """The entries of `steps.jsonl`, without the changes."""
    versions: tuple[str, ...]
    validations: tuple[str, ...]
    """The arms that recorded the validations, in order."""
    step: int | None
    """The step whose groups are shown, from 1; None if no rollouts are on disk."""
    groups: tuple[GroupRow, ...]
    changes: tuple[MetricChange, ...]


def read_training(folder: Path, reader: Reader, step: int | None = None) -> TrainingPage:
    """Return a training with the groups of one step.

    Args:
        folder: The training.
        reader: Of its record.
        step: From 1; the last one if None.

    Raises:
        RunError: There is no such step, or the rollouts are damaged.
    """
    store = CheckpointStore(folder)
    logged = store.logged()
    on_disk = _steps_on_disk(folder)
    if step is not None and step not in on_disk:
        known = f"1 to {on_disk[-1]}" if on_disk else "none"
        raise RunError(
            f"step {step} of {folder.name} has no rollouts; steps with rollouts: {known}",
            hint="name one of those steps",
        )
    if step is None and on_disk:
        step = on_disk[-1]
    return TrainingPage(
        tuple(entry for entry in logged if "changes" not in entry),
        tuple(sorted(path.name for path in (folder / "versions").glob("*") if path.is_dir())),
        tuple(trial.arm for trial in reader.trials() if is_validation(trial.number)),
        step,
        tuple(_group_rows(reader, _groups(store, step))),
        tuple(_changes(logged)),
    )


def read_group(folder: Path, reader: Reader, step: int, group: str) -> Group:
    """Return one group with each member's reward, advantage and answer.

    Args:
        folder: The training.
        reader: Of its record.
        step: The step that learns from it, from 1.
        group: Its name.

    Raises:
        RunError: There is no such group, or the rollouts are damaged.
    """
    found = _groups(CheckpointStore(folder), step).get(group)
    if found is None:
        raise RunError(
            f'step {step} of {folder.name} has no group "{group}"',
            hint="the page of the training lists the groups of each step",
        )
    pairs = _pairs(folder, found)
    better = [None] * len(found) if pairs is not None else _advantages(folder, found)
    turns = _answers(reader, group)
    answers = {turn.tokens.completion: turn for turn in turns if turn.tokens}
    (row,) = _group_rows(reader, {group: found})
    members = tuple(
        _member(number, rollout, advantage, answers)
        for number, (rollout, advantage) in enumerate(zip(found, better, strict=True), 1)
    )
    mean, std, equal = row.mean, row.std, row.zero_variance
    return Group(step, group, row.node, row.at, members, pairs, mean, std, equal)


def groups_of(
    reader: Reader, trial: RecordedTrial, user: int, round: int, step: int, *, slow: bool
) -> tuple[GroupPlace | None, GroupPlace | None]:
    """Return the group of a step's decision, and that of the summary written after it.

    Args:
        reader: The record of a training.
        trial: One of its trials; those of teachers and validations have no groups.
        user: The user's row.
        round: From 0.
        step: From 0.
        slow: Whether a summary was written.

    Raises:
        RunError: The rollouts are damaged.
    """
    if trial.number >= TEACHER_TRIAL:
        return None, None
    # An episode is played to its end before the next one begins, one round a step.
    first = sum(each.rounds for each in reader.trials() if each.number < trial.number)
    last = first + trial.rounds
    before = f"{trial.number}/{round}/{user}/"
    store = CheckpointStore(reader.path.parent)
    at = range(first + round + 1, first + round + 2)
    decision = _find(store, at, (f"{before}{step}/fast", f"{before}episode"))
    # A summary is rewarded by the next ranking of its writer, which may be in a later round.
    later = range(first + round + 1, last + 1) if slow else range(0)
    return decision, _find(store, later, (f"{before}{step}/slow", f"{before}slow"))


def _find(store: CheckpointStore, steps: range, names: Sequence[str]) -> GroupPlace | None:
    for step in steps:
        groups = _groups(store, step)
        for name in names:
            if name in groups:
                return GroupPlace(step, name)
    return None


def reward_weights(folder: Path) -> Mapping[str, float]:
    """Return the weight of each component of a training's reward."""
    weights = _stage_2(folder).get("rewards") or DEFAULT_REWARDS
    return {str(name): float(weight) for name, weight in weights.items()}


def _objective(folder: Path) -> Objective:
    """Return the variant of GRPO; with DPO the usual one, which compares rewards as DPO does."""
    return validate(Objective, _stage_2(folder).get("objective") or {}, "train.grpo.objective")


def _advantages(folder: Path, group: Sequence[Rollout]) -> list[float]:
    objective = _objective(folder)
    gained = earned(group, objective)
    better = advantages(gained, divide_by_deviation=objective.divide_by_deviation)
    return [float(advantage) for advantage in better[:, 0]]


def _pairs(folder: Path, group: Sequence[Rollout]) -> tuple[PreferredPair, ...] | None:
    """Return the pairs of a group; None in a training without DPO."""
    dpo = _train(folder).get("dpo")
    if dpo is None:
        return None
    settings = {"pairs": dpo["pairs"]} if "pairs" in dpo else {}
    most = validate(PairSettings, settings, "train.dpo").pairs
    numbers = {id(rollout): number for number, rollout in enumerate(group, 1)}
    return tuple(
        PreferredPair(
            numbers[id(pair.chosen)],
            numbers[id(pair.rejected)],
            pair.chosen.reward - pair.rejected.reward,
        )
        for pair in pairs_of(group, most)
    )


def _stage_2(folder: Path) -> Mapping[str, Any]:
    train = _train(folder)
    return train.get("grpo") or train.get("dpo") or {}


def _train(folder: Path) -> Mapping[str, Any]:
    config = yaml_files.parse(configuration(folder), str(folder / CONFIG))
    return config.get("train") or {}


def _steps_on_disk(folder: Path) -> list[int]:
    """Return the steps whose rollouts are on disk, from 1."""
    files = (folder / "rollouts").glob("??????.json.z")
    return sorted(int(path.name[:6]) + 1 for path in files if path.name[:6].isdecimal())


def _groups(store: CheckpointStore, step: int | None) -> dict[str, list[Rollout]]:
    """Return the rollouts of a step (from 1) by group, in the order in which they are learned."""
    read = store.rollouts(step - 1) if step else None
    return by_group(read.rollouts if read else ())


def _group_rows(reader: Reader, groups: Mapping[str, Sequence[Rollout]]) -> Iterator[GroupRow]:
    if not groups:
        return
    trials = {trial.number: trial for trial in reader.trials()}
    objective = _objective(reader.path.parent)
    for name, group in groups.items():
        rewards = np.array([rollout.reward for rollout in group])
        yield GroupRow(
            name,
            _address(reader, trials, name),
            group[0].node,
            len(group),
            float(rewards.mean()),
            float(rewards.std()),
            is_equal(earned(group, objective)),
            tuple(rewards.tolist()),
        )


def _member(
    number: int, rollout: Rollout, advantage: float | None, answers: Mapping[tuple[int, ...], Turn]
) -> GroupMember:
    turn = answers.get(rollout.rows[-1].completion) if len(rollout.rows) == 1 else None
    tokens = None
    if turn is not None and turn.tokens is not None:
        tokens = tuple(
            SampledToken(None, each, logprob)
            for each, logprob in zip(turn.tokens.completion, turn.tokens.logprobs, strict=False)
        )
    return GroupMember(
        number,
        rollout.reward,
        rollout.components,
        advantage,
        rollout.tokens,
        rollout.version,
        turn.completion if turn else None,
        tokens,
    )


def _key(group: str) -> tuple[int, int, int, int] | None:
    """Return trial, user, round and step, from 0, that a group's answers belong to."""
    parts = group.split("/")
    numbers = [int(part) for part in parts[:-1] if part.isdecimal()]
    if len(numbers) != len(parts) - 1 or len(numbers) < 3:
        return None
    number, round, user, *rest = numbers
    return number, user, round, rest[0] if rest else 0


def _address(reader: Reader, trials: Mapping[int, RecordedTrial], group: str) -> StepAddress | None:
    """Return the step that a group's answers belong to; None if it is not on record."""
    key = _key(group)
    trial = trials.get(key[0]) if key else None
    if key is None or trial is None:
        return None
    _, user, round, step = key
    if (round, step) not in reader.step_keys(trial, user):
        return None
    return StepAddress(trial.arm, trial.seed, reader.user_at(trial, user), round + 1, step + 1)


def _answers(reader: Reader, group: str) -> list[Turn]:
    """Return the turns that answered a group's question, the failed ones left out."""
    key = _key(group)
    trial = next((each for each in reader.trials() if key and each.number == key[0]), None)
    if key is None or trial is None:
        return []
    _, user, round, step = key
    node = "slow" if group.endswith("/slow") else "fast"
    return [
        turn
        for turn in reader.turns(trial, round, user, step)
        if turn.node == node and turn.attempt < FOLLOW_UP and not turn.failure
    ]


def _changes(logged: Sequence[Mapping[str, Any]]) -> Iterator[MetricChange]:
    entries = [entry["changes"] for entry in logged if "changes" in entry]
    for metric, found in (entries[-1] if entries else {}).items():
        yield MetricChange(
            metric,
            metric_info(metric).label,
            found["before"],
            found["after"],
            found["change"],
            found.get("p"),
            found.get("users", 0),
        )
