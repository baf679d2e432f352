"""The same person and the same question, answered at two versions of a training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from starec_sim import plugins
from starec_sim.errors import RunError, did_you_mean
from starec_sim.learning.rewards import SHIPPED, Rewards, outcome_of
from starec_sim.learning.trials import is_validation
from starec_sim.runs.aggregates import person_counts
from starec_sim.runs.reader import Reader, RecordedStep, RecordedTrial
from starec_sim.traces.training_view import reward_weights
from starec_sim.traces.values import Items, StepAddress

MAX_QUESTIONS = 400
"""Questions after which no further user is read."""


@dataclass(frozen=True, slots=True)
class VersionAnswer:
    """What one version of the weights answered."""

    at: StepAddress
    version: str
    answer: str
    """The items that she chose, or the first one of her ranking."""
    rank: int | None
    """In a ranking: where the item stands that she chose in the data, from 1."""
    reward: float | None
    """None if the reward of the training has a component that would run code of the folder."""


@dataclass(frozen=True, slots=True)
class AnswerChange:
    """One question that both versions answered."""

    user: str
    round: int
    """From 1."""
    step: int
    before: VersionAnswer
    after: VersionAnswer
    change: float | None
    """How much more reward the second answer gets."""


@dataclass(frozen=True, slots=True)
class AnswerChanges:
    """The answers of two validations, question by question."""

    validations: tuple[str, ...]
    """The arms of all validations, in order."""
    before: str
    after: str
    rows: tuple[AnswerChange, ...]
    """Those whose reward changed most come first."""
    more: bool
    """Whether there are more questions than were read."""
    other_slates: int
    """Steps that are left out because other items were shown."""


def read_answer_changes(
    folder: Path,
    reader: Reader,
    before: str | None = None,
    after: str | None = None,
    user: str | None = None,
) -> AnswerChanges | None:
    """Return how the answers of two versions differ; None while there is one validation alone.

    Args:
        folder: The training.
        reader: Of its record.
        before: The arm of a validation; the first one if None.
        after: The arm of a validation; the last one if None.
        user: The id of the one user whose questions are read; all if None.

    Raises:
        RunError: There is no such validation or user.
    """
    validations = {
        each.arm: each for each in reader.trials() if is_validation(each.number) and each.rounds
    }
    arms = list(validations)
    if not arms or (len(arms) < 2 and not (before or after)):
        return None
    a = _validation(validations, before or arms[0])
    b = _validation(validations, after or arms[-1])
    users = [row for row, _ in [reader.user(a, user)]] if user else _visitors(reader, a)
    rewards, items = _rewards(folder), Items(reader, a)
    rows, read, others = [], 0, 0
    for row in users:
        second = {(step.round, step.step): step for step in reader.steps(b, row)}
        for step in reader.steps(a, row):
            read += 1
            other = second.get((step.round, step.step))
            if other is None or other.observation.slate != step.observation.slate:
                others += 1
                continue
            at = StepAddress(a.arm, a.seed, reader.user_at(a, row), step.round + 1, step.step + 1)
            old = _answer(at, step, items, rewards)
            new = _answer(replace(at, arm=b.arm, seed=b.seed), other, items, rewards)
            rows.append(AnswerChange(at.user, at.round, at.step, old, new, _change(old, new)))
        if read >= MAX_QUESTIONS:
            break
    rows.sort(key=lambda each: -abs(each.change or 0.0))
    more = read >= MAX_QUESTIONS and row != users[-1]
    return AnswerChanges(tuple(arms), a.arm, b.arm, tuple(rows), more, others)


def _validation(known: Mapping[str, RecordedTrial], arm: str) -> RecordedTrial:
    if arm not in known:
        raise RunError(
            f'there is no validation "{arm[:100]}"; {did_you_mean(arm, known)}',
            hint="the page of the training lists the validations",
        )
    return known[arm]


def _visitors(reader: Reader, trial: RecordedTrial) -> list[int]:
    """Return the rows of the users who were asked in a validation."""
    return [counts.user for counts in person_counts(reader.db, trial.number)]


def _rewards(folder: Path) -> Rewards | None:
    """Return the reward of the training; None if one of its components is code of others."""
    weights = reward_weights(folder)
    others = set(plugins.registered("rewards")) - set(SHIPPED)
    if any(":" in name or name in others for name in weights):
        return None
    return Rewards(weights)


def _answer(
    at: StepAddress, step: RecordedStep, items: Items, rewards: Rewards | None
) -> VersionAnswer:
    decision, asked = step.decision, [turn for turn in step.turns if turn.node == "fast"]
    ranks = step.observation.task.ranks
    items.load(decision.chosen)
    answer = ", ".join(items[item].title for item in decision.chosen)
    target = step.feedback.target
    return VersionAnswer(
        at,
        next((turn.tokens.version for turn in reversed(asked) if turn.tokens), ""),
        answer or ("could not be read" if ranks else "nothing"),
        decision.rank_of(target) if ranks and target is not None else None,
        rewards.of(outcome_of(step), at.user)[0] if rewards and asked else None,
    )


def _change(before: VersionAnswer, after: VersionAnswer) -> float | None:
    if before.reward is None or after.reward is None:
        return None
    return after.reward - before.reward
