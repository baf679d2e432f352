"""Encode the parts of a step as JSON and decode them: the form that is stored and hashed.

What is decoded is checked by type; a `StoredValueError` names the column and the field.
"""

from __future__ import annotations

import json
from typing import Any

from typing_extensions import TypedDict  # that of Python 3.11 is refused by pydantic

from starec_sim.runs.stored_values import Count, Number, Row, StoredType
from starec_sim.types import Action, Decision, Experience, Feedback, Memory, Observation, Task

_StoredExperience = tuple[Row, Number, str]


class _StoredDecision(TypedDict, total=False):
    ranking: list[Row]
    read: Row
    actions: list[tuple[Row, Count, Number | None]]
    leave: Count
    flaws: dict[str, Count]
    repaired: Count


class _StoredFeedback(TypedDict, total=False):
    lived: list[_StoredExperience]
    target: Row
    reward: dict[str, Number]
    ending: str


_OBSERVATION = StoredType[tuple[Task, int, list[int]]](
    "steps.observation", tuple[Task, Row, list[Row]]
)
_DECISION = StoredType[_StoredDecision]("steps.decision", _StoredDecision)
_FEEDBACK = StoredType[_StoredFeedback]("steps.feedback", _StoredFeedback)
_MEMORY = StoredType[tuple[list[_StoredExperience], str, int]](
    "memories.memory", tuple[list[_StoredExperience], str, Count]
)
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def dumps(value: Any) -> str:
    """Return canonical JSON: the same value gives the same text."""
    return _ENCODER.encode(value)


def dump_observation(observation: Observation) -> str:
    """Encode an observation without its cards, whose text is in the stored prompt."""
    return dumps([observation.task, observation.page, observation.slate])


def load_observation(text: str) -> Observation:
    """Decode what `dump_observation` wrote, without cards."""
    task, page, slate = _OBSERVATION.from_json(text)
    return Observation(task, tuple(slate), (), page)


def dump_decision(decision: Decision) -> str:
    """Encode a decision; empty parts are left out."""
    parts = {
        "ranking": decision.ranking,
        "read": decision.read,
        "actions": [[a.item, int(a.watched), a.rating] for a in decision.actions],
        "leave": int(decision.leave),
        "flaws": decision.flaws,
        "repaired": int(decision.repaired),
    }
    return dumps({name: part for name, part in parts.items() if part})


def load_decision(text: str) -> Decision:
    """Decode what `dump_decision` wrote."""
    parts = _DECISION.from_json(text)
    return Decision(
        ranking=tuple(parts.get("ranking", ())),
        read=parts.get("read", 0),
        actions=tuple(
            Action(item, bool(watched), rating)
            for item, watched, rating in parts.get("actions", ())
        ),
        leave=bool(parts.get("leave", 0)),
        flaws=parts.get("flaws", {}),
        repaired=bool(parts.get("repaired", 0)),
    )


def dump_feedback(feedback: Feedback) -> str:
    """Encode feedback; empty parts are left out."""
    parts = {
        "lived": [_experience(e) for e in feedback.experiences],
        "target": feedback.target,
        "reward": dict(feedback.reward),
        "ending": feedback.ending,
    }
    return dumps({name: part for name, part in parts.items() if part not in (None, [], {}, "")})


def load_feedback(text: str) -> Feedback:
    """Decode what `dump_feedback` wrote."""
    parts = _FEEDBACK.from_json(text)
    return Feedback(
        tuple(Experience(*row) for row in parts.get("lived", ())),
        target=parts.get("target"),
        reward=parts.get("reward", {}),
        ending=parts.get("ending", ""),
    )


def dump_memory(memory: Memory) -> str:
    """Encode a memory."""
    return dumps([[_experience(e) for e in memory.history], memory.summary, memory.steps])


def load_memory(text: str) -> Memory:
    """Decode what `dump_memory` wrote."""
    history, summary, steps = _MEMORY.from_json(text)
    return Memory(tuple(Experience(*row) for row in history), summary, steps)


def _experience(experience: Experience) -> list[Any]:
    return [experience.item, experience.rating, experience.source]
