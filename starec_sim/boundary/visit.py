"""Checks of the visit that an agent returns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from starec_sim.boundary.observation import (
    checked_decision,
    checked_feedback,
    checked_observation,
)
from starec_sim.boundary.values import (
    BrokenContract,
    experiences,
    instance,
    mapping,
    sequence,
    shown,
    text,
    whole_number,
)
from starec_sim.types import Memory, Step, Turn, Verdict, Visit


def checked_visit(value: Any, user: int, round: int, items: int) -> Visit:
    """Return a visit with plain values: that of the user and the round that were played.

    Args:
        value: What `visit` returned.
        user: The row of the user who was played.
        round: The round that was played.
        items: How many items the catalogue has.
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
    steps = tuple(checked_step(step, items, number) for number, step in enumerate(given, 1))
    memory = _checked_memory(steps[-1].memory, items)
    if memory is not steps[-1].memory:
        steps = (*steps[:-1], replace(steps[-1], memory=memory))
    same = all(step is other for step, other in zip(steps, given, strict=True))
    if same and type(visit.steps) is tuple and type(visit.user) is type(visit.round) is int:
        return visit
    return Visit(user, round, steps)


def checked_step(value: Any, items: int, number: int) -> Step:
    """Return a step with plain values.

    Args:
        value: The step.
        items: How many items the catalogue has.
        number: Its number in the visit, from 1.
    """
    if not isinstance(value, Step):
        raise BrokenContract(f"step {number} is {shown(value)}; it must be a Step")
    try:
        observation = checked_observation(value.observation, items)
        decision = checked_decision(value.decision, observation)
        feedback = checked_feedback(value.feedback, observation, items)
        memory = value.memory
        if type(memory) is not Memory or type(memory.summary) is not str:
            memory = _checked_memory(memory, items)
        notes = value.notes and _checked_notes(value.notes, items)
    except BrokenContract as broken:
        raise BrokenContract(f"step {number}: {broken.what}", broken.hint) from None
    if not isinstance(value.verdict, Verdict):
        raise BrokenContract(
            f"step {number}: the verdict is {shown(value.verdict)}; it must be a Verdict"
        )
    turns = tuple(sequence(value.turns, f"the turns of step {number}"))
    for turn in turns:
        if not isinstance(turn, Turn):
            raise BrokenContract(
                f"step {number} holds {shown(turn)} among its turns; each must be a Turn",
                "turns are what `await call.policies.ask(...)` returns",
            )
    plain = (observation, decision, feedback, memory, notes, turns)
    same = (
        value.observation,
        value.decision,
        value.feedback,
        value.memory,
        value.notes,
        value.turns,
    )
    if all(a is b for a, b in zip(plain, same, strict=True)):
        return value
    return replace(
        value,
        observation=observation,
        decision=decision,
        feedback=feedback,
        memory=memory,
        notes=notes,
        turns=turns,
    )


def _checked_memory(value: Any, items: int) -> Memory:
    if not isinstance(value, Memory):
        raise BrokenContract(f"the memory is {shown(value)}; it must be a Memory")
    history = experiences(value.history, items, "the history of the memory")
    summary = text(value.summary, "the summary of the memory")
    steps = whole_number(value.steps, "the steps of the memory")
    if history is value.history and summary is value.summary and steps is value.steps:
        return value
    return Memory(history, summary, steps)


def _checked_notes(value: Any, items: int) -> dict[int, str]:
    if not isinstance(value, dict):
        value = dict(mapping(value, "the notes", lambda note, _: note))
    notes = {}
    for item, note in value.items():
        row = whole_number(item, "an item with a note")
        if not 0 <= row < items:
            raise BrokenContract(f"there is a note about item {row}; there are {items} items")
        notes[row] = text(note, f"the note about item {row}")
    return notes
