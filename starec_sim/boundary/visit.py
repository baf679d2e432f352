"""Checks of the visit that an agent returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starec_sim.boundary.observation import (
    checked_decision,
    checked_feedback,
    checked_observation,
)
from starec_sim.boundary.turn import checked_turn
from starec_sim.boundary.values import (
    BrokenContract,
    count,
    experiences,
    finite_number,
    flag,
    instance,
    is_plain_text,
    rows,
    sequence,
    shown,
    text,
    whole_number,
    with_parts,
)
from starec_sim.types import Decision, Feedback, Memory, Observation, Recalled, Step, Verdict, Visit

_SUMMARY = "the summary of the memory"


Checked = tuple[Observation, Decision, Feedback]
"""The parts of a step that an environment has checked."""


def checked_visit(
    value: Any, user: int, round: int, items: int, passed: Mapping[int, Checked]
) -> Visit:
    """Return a visit with plain values: that of the user and the round that were played.

    Args:
        value: What `visit` returned.
        user: The row of the user who was played.
        round: The round that was played.
        items: How many items the catalogue has.
        passed: What was checked before, by step from 0; the same objects are not checked again.
    """
    visit = instance(value, Visit)
    if whole_number(visit.user, "Visit.user") != user:
        raise BrokenContract(
            f"returned the visit of the user in row {visit.user}; it was asked for row {user}",
            "return Visit(call.user, call.round, steps)",
        )
    if whole_number(visit.round, "Visit.round") != round:
        raise BrokenContract(
            f"returned a visit in round {visit.round + 1}; it was asked for round {round + 1}",
            "return Visit(call.user, call.round, steps)",
        )
    given = sequence(visit.steps, "Visit.steps")
    if not given:
        raise BrokenContract(
            "returned a visit without steps; a visit has at least one",
            "observe, decide and respond once, and put the Step into the visit",
        )
    steps = tuple(
        checked_step(step, items, number, passed.get(number - 1), last=number == len(given))
        for number, step in enumerate(given, 1)
    )
    return Visit(user, round, steps)


def checked_step(
    value: Any, items: int, number: int, passed: Checked | None, *, last: bool
) -> Step:
    """Return a step with plain values.

    Args:
        value: The step.
        items: How many items the catalogue has.
        number: Its number in the visit, from 1.
        passed: Parts of it that were checked before.
        last: Whether it is the last one, whose memory is kept; of others, only the summary is.
    """
    if not isinstance(value, Step):
        raise BrokenContract(f"step {number} is {shown(value)}; it must be a Step")
    try:
        observation, decision, feedback = value.observation, value.decision, value.feedback
        if passed is None or not (
            passed[0] is observation and passed[1] is decision and passed[2] is feedback
        ):
            observation = checked_observation(observation, items)
            decision = checked_decision(decision, observation)
            feedback = checked_feedback(feedback, observation, items)
        memory = value.memory
        if last or type(memory) is not Memory or not is_plain_text(memory.summary):
            memory = _checked_memory(memory, items)
        notes = value.notes
        if type(notes) is not dict or notes:
            notes = _checked_notes(notes, items)
        turns = tuple(checked_turn(turn) for turn in sequence(value.turns, "Step.turns"))
        recalled = sequence(value.recalled, "Step.recalled")
        return with_parts(
            value,
            observation=observation,
            decision=decision,
            feedback=feedback,
            verdict=_checked_verdict(value.verdict),
            turns=turns,
            memory=memory,
            notes=notes,
            recalled=tuple(_checked_recalled(each, items) for each in recalled),
        )
    except BrokenContract as broken:
        raise BrokenContract(f"step {number}: {broken.what}", broken.hint) from None


def _checked_verdict(value: Any) -> Verdict:
    if not isinstance(value, Verdict):
        raise BrokenContract(f"the verdict is {shown(value)}; it must be a Verdict")
    return with_parts(
        value,
        slow=flag(value.slow, "Verdict.slow"),
        reason=text(value.reason, "Verdict.reason"),
    )


def _checked_recalled(value: Any, items: int) -> Recalled:
    if not isinstance(value, Recalled):
        raise BrokenContract(f"Step.recalled holds {shown(value)}; each must be a Recalled")
    (item,) = rows((value.item,), items, "Step.recalled", "item")
    score = finite_number(value.score, "the score of a Recalled")
    return Recalled(item, score, count(value.place, "the place of a Recalled"))


def _checked_memory(value: Any, items: int) -> Memory:
    if not isinstance(value, Memory):
        raise BrokenContract(f"the memory is {shown(value)}; it must be a Memory")
    history = experiences(value.history, items, "the history of the memory")
    summary = text(value.summary, _SUMMARY)
    steps = count(value.steps, "the steps of the memory")
    return with_parts(value, history=history, summary=summary, steps=steps)


def _checked_notes(value: Any, items: int) -> dict[int, str]:
    if not isinstance(value, Mapping):
        raise BrokenContract(f"the notes are {shown(value)}; they must be a dict of texts by item")
    notes = {}
    for item, note in value.items():
        row = whole_number(item, "an item with a note")
        if not 0 <= row < items:
            raise BrokenContract(f"there is a note about item {row}; there are {items} items")
        notes[row] = text(note, f"the note about item {row}")
    return notes
