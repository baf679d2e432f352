"""Turn recorded steps into rows of the tables that `read_run` returns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from starec_sim.runs.reader import RecordedStep, RecordedTrial
from starec_sim.runs.row_types import ImpressionRow, StepRow, TurnRow
from starec_sim.runs.stored_values import missing
from starec_sim.types import Experience, acts_by_item


class UserStep(NamedTuple):
    """A recorded step with what names its user and its items."""

    trial: RecordedTrial
    user: str
    step: RecordedStep
    items: list[str]
    """Ids of the catalogue by row."""


def step_row(trial: RecordedTrial, user: str, step: RecordedStep, items: list[str]) -> StepRow:
    """Return the row of a step."""
    shown, decision, feedback = step.observation, step.decision, step.feedback
    return StepRow(
        trial.arm,
        trial.seed,
        step.round,
        user,
        step.step,
        shown.task.name,
        shown.page,
        ids_of(items, shown.slate),
        ids_of(items, decision.ranking[: decision.read]),
        ids_of(items, decision.chosen if decision.actions else ()),
        decision.leave,
        decision.flaws,
        decision.repaired,
        None if feedback.target is None else ids_of(items, [feedback.target])[0],
        _ratings(items, feedback.experiences),
        feedback.ending,
        step.verdict.slow,
        step.verdict.reason,
        step.summary,
    )


def impression_rows(
    trial: RecordedTrial, user: str, step: RecordedStep, items: list[str]
) -> Iterator[ImpressionRow]:
    """Yield a row for each item that a step shows."""
    shown, decision, feedback = step.observation, step.decision, step.feedback
    acts = acts_by_item(shown.task, decision.actions)
    ratings = {experience.item: experience.rating for experience in feedback.experiences}
    ids = ids_of(items, shown.slate)
    for place, item in enumerate(shown.slate, 1):
        act = acts.get(item)
        yield ImpressionRow(
            trial.arm,
            trial.seed,
            step.round,
            user,
            step.step,
            place,
            ids[place - 1],
            act.done if act else None,
            act.stars if act else None,
            act.said if act else None,
            decision.rank_of(item) if shown.task.ranks else None,
            item == feedback.target if shown.task.ranks else None,
            ratings.get(item),
            step.verdict.slow,
        )


def _ratings(items: list[str], experiences: Sequence[Experience]) -> dict[str, float]:
    """Return the stars of each item that a step revealed, where it revealed stars."""
    rated = {e.item: e.rating for e in experiences if e.rating is not None}
    return dict(zip(ids_of(items, list(rated)), rated.values(), strict=True))


def ids_of(items: list[str], rows: Sequence[int]) -> tuple[str, ...]:
    """Return the ids of items by their rows in the catalogue."""
    try:
        return tuple([items[row] for row in rows])
    except IndexError:
        raise missing(f"items {max(rows)}") from None


def turn_rows(
    trial: RecordedTrial, user: str, step: RecordedStep, items: list[str]
) -> Iterator[TurnRow]:
    """Yield a row for each policy call of a step."""
    for turn in step.turns:
        yield TurnRow(
            trial.arm,
            trial.seed,
            step.round,
            user,
            step.step,
            turn.node,
            turn.attempt,
            turn.policy,
            turn.messages,
            turn.completion,
            turn.tokens_in,
            turn.tokens_out,
            turn.latency_s,
            turn.cost_usd,
            turn.source,
            turn.tries,
            turn.failure,
            turn.error,
            turn.ending,
        )
