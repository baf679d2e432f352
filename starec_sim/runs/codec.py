"""Encode the parts of a step as JSON and decode them: the form that is stored and hashed.

What is decoded is checked by type; a `StoredValueError` names the column and the field.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from math import inf, isfinite
from typing import Any

from typing_extensions import TypedDict  # that of Python 3.11 is refused by pydantic

from starec_sim.runs.stored_values import Count, Number, Row, StoredType, StoredValueError
from starec_sim.shared_experience import shared_experience
from starec_sim.tasks import BUILT_IN, FEED, SKIP, Act, task_of_json, task_to_json
from starec_sim.types import Action, Decision, Experience, Feedback, Item, Memory, Observation

_StoredExperience = tuple[Row, Number | None, str]
_StoredDone = tuple[str, bool | None]
"""`Experience.action` and `Experience.like`, stored only where an experience has one of them."""
_StoredAct = tuple[str, Number | str | None]


class _StoredDecision(TypedDict, total=False):
    ranking: list[Row]
    read: Row
    actions: list[tuple[Row, Count | str, Number | str | None]]
    leave: Count
    move: _StoredAct
    flaws: dict[str, Count]
    repaired: Count


class _StoredFeedback(TypedDict, total=False):
    lived: list[_StoredExperience]
    done: list[_StoredDone]
    target: Row
    reward: dict[str, Number]
    ending: str


_OBSERVATION = StoredType[tuple[str, int, list[int]]](
    "steps.observation", tuple[str, Row, list[Row]]
)
_WITH_TASK = StoredType[tuple[str, int, list[int], dict[str, Any]]](
    "steps.observation", tuple[str, Row, list[Row], dict[str, Any]]
)
_DECISION = StoredType[_StoredDecision]("steps.decision", _StoredDecision)
_FEEDBACK = StoredType[_StoredFeedback]("steps.feedback", _StoredFeedback)
_MEMORY = StoredType[tuple[list[_StoredExperience], str, int]](
    "memories.memory", tuple[list[_StoredExperience], str, Count]
)
_WITH_DONE = StoredType[tuple[list[_StoredExperience], str, int, list[_StoredDone]]](
    "memories.memory", tuple[list[_StoredExperience], str, Count, list[_StoredDone]]
)
_KINDS = (SKIP, FEED.actions[0].name)
_KIND_TEXTS = {kind: str(number) for number, kind in enumerate(_KINDS)}
_ATTRIBUTES = StoredType[dict[str, list[str] | float]](
    "items.attributes", dict[str, list[str] | Number]
)
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def dumps(value: Any) -> str:
    """Return canonical JSON: the same value gives the same text."""
    return _ENCODER.encode(value)


def dump_observation(observation: Observation) -> str:
    """Encode an observation without cards and context, whose text is in the stored prompt.

    A task of the environment's own is written out with each step: a reader needs no plug-in.
    """
    task = observation.task
    slate = ",".join(map(str, observation.slate))
    text = f"[{dumps(task.name)},{observation.page},[{slate}]]"
    if BUILT_IN.get(task.name) == task:
        return text
    return f"{text[:-1]},{task_to_json(task)}]"


def load_observation(text: str) -> Observation:
    """Decode what `dump_observation` wrote, without cards."""
    if text.endswith("}]"):
        _, page, slate, declared = _WITH_TASK.from_json(text)
        try:
            return Observation(task_of_json(dumps(declared)), tuple(slate), (), page)
        except ValueError:
            raise StoredValueError(f"steps.observation: no task: {declared!r:.200}") from None
    name, page, slate = _OBSERVATION.from_json(text)
    if name not in BUILT_IN:
        raise StoredValueError(f"steps.observation: there is no task {name!r}")
    return Observation(BUILT_IN[name], tuple(slate), (), page)


def dump_decision(decision: Decision) -> str:
    """Encode a decision; empty parts are left out."""
    # The texts of the parts are put together here, because it takes a third of the time.
    parts = []
    if decision.ranking:
        parts.append(f'"ranking":[{",".join(map(str, decision.ranking))}]')
    if decision.read:
        parts.append(f'"read":{decision.read}')
    if decision.actions:
        parts.append(f'"actions":{_actions(decision.actions)}')
    if decision.leave:
        parts.append('"leave":1')
    if decision.move:
        parts.append(f'"move":{dumps(decision.move)}')
    if decision.flaws:
        parts.append(f'"flaws":{dumps(decision.flaws)}')
    if decision.repaired:
        parts.append('"repaired":1')
    return f"{{{','.join(parts)}}}"


def load_decision(text: str) -> Decision:
    """Decode what `dump_decision` wrote."""
    parts = _DECISION.from_json(text)
    return Decision(
        ranking=tuple(parts.get("ranking", ())),
        read=parts.get("read", 0),
        actions=tuple(
            Action(item, kind if isinstance(kind, str) else _KINDS[bool(kind)], value)
            for item, kind, value in parts.get("actions", ())
        ),
        leave=bool(parts.get("leave", 0)),
        move=Act(*parts["move"]) if "move" in parts else None,
        flaws=parts.get("flaws", {}),
        repaired=bool(parts.get("repaired", 0)),
    )


def dump_feedback(feedback: Feedback) -> str:
    """Encode feedback; empty parts are left out."""
    parts = []
    if feedback.experiences:
        parts.append(f'"lived":{_dump_experiences(feedback.experiences)}')
    if done := _done(feedback.experiences):
        parts.append(f'"done":{dumps(done)}')
    if feedback.target is not None:
        parts.append(f'"target":{feedback.target}')
    if feedback.reward:
        reward = [f"{_text(name)}:{_number(value)}" for name, value in feedback.reward.items()]
        parts.append(f'"reward":{{{",".join(reward)}}}')
    if feedback.ending:
        parts.append(f'"ending":{dumps(feedback.ending)}')
    return f"{{{','.join(parts)}}}"


def load_feedback(text: str) -> Feedback:
    """Decode what `dump_feedback` wrote."""
    parts = _FEEDBACK.from_json(text)
    return Feedback(
        _experiences(parts.get("lived", ()), parts.get("done", ())),
        target=parts.get("target"),
        reward=parts.get("reward", {}),
        ending=parts.get("ending", ""),
    )


def dump_item(item: Item) -> str:
    """Encode attributes and numbers of an item; a number stands beside the lists of texts."""
    return dumps({**item.attributes, **item.numbers})


def load_item(item_id: str, title: str, attributes: str) -> Item:
    """Decode an item whose attributes and numbers `dump_item` wrote."""
    texts: dict[str, tuple[str, ...]] = {}
    numbers: dict[str, float] = {}
    for name, value in _ATTRIBUTES.from_json(attributes).items():
        if isinstance(value, list):
            texts[name] = tuple(value)
        else:
            numbers[name] = value
    return Item(item_id, title, texts, numbers)


def dump_memory(memory: Memory) -> str:
    """Encode a memory."""
    text = f"[{_dump_experiences(memory.history)},{dumps(memory.summary)},{memory.steps}"
    done = _done(memory.history)
    return f"{text},{dumps(done)}]" if done else f"{text}]"


def load_memory(text: str) -> Memory:
    """Decode what `dump_memory` wrote."""
    done: Sequence[_StoredDone] = ()
    if text.endswith("]]"):
        history, summary, steps, done = _WITH_DONE.from_json(text)
    else:
        history, summary, steps = _MEMORY.from_json(text)
    return Memory(_experiences(history, done), summary, steps)


def _dump_experiences(experiences: Sequence[Experience]) -> str:
    # A call of `_number` for each would take longer than all the rest: a memory holds 40 of them.
    texts = [
        f"[{e.item},{rating!r},{_text(e.source)}]"
        if type(rating := e.rating) is float and -inf < rating < inf
        else f"[{e.item},{_number(rating)},{_text(e.source)}]"
        for e in experiences
    ]
    return f"[{','.join(texts)}]"


def _number(value: object) -> str:
    """Return a number or None as JSON, as `dumps` does.

    Raises:
        ValueError: It is no finite number.
    """
    if value is None:
        return "null"
    if isinstance(value, float) and isfinite(value):
        return float.__repr__(value)
    return dumps(value)


_text: Callable[[str], str] = lru_cache(maxsize=256)(dumps)
"""Returns a short text as JSON; there are few different ones."""


def _done(experiences: Sequence[Experience]) -> list[_StoredDone]:
    """Return what was done in each experience; nothing where all have stars and nothing else."""
    if not any(e.action or e.like is not None for e in experiences):
        return []
    return [(e.action, e.like) for e in experiences]


def _experiences(
    rows: Sequence[_StoredExperience], done: Sequence[_StoredDone]
) -> tuple[Experience, ...]:
    if not done:
        return tuple(shared_experience(*row) for row in rows)
    if len(done) != len(rows):
        raise StoredValueError(f"{len(rows)} experiences, and {len(done)} of what was done")
    return tuple(Experience(*row, *act) for row, act in zip(rows, done, strict=True))


def _actions(actions: Sequence[Action]) -> str:
    """Encode actions; the kinds of a feed are 1 and 0, as they always were."""
    texts = [
        f"[{a.item},{_KIND_TEXTS.get(a.kind) or _text(a.kind)},null]"
        if (value := a.value) is None  # as most are; the call of `_number` takes longer
        else f"[{a.item},{_KIND_TEXTS.get(a.kind) or _text(a.kind)},"
        f"{_text(value) if isinstance(value, str) else _number(value)}]"
        for a in actions
    ]
    return f"[{','.join(texts)}]"
