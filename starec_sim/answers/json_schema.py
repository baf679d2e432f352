"""The JSON schema of an answer, derived from the tags that a prompt asks for.

An endpoint that can be held to a schema answers with one JSON object. Its keys are the names of the
tags, so that both forms have the same parts and the same parser reads them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from starec_sim.answers.tags import ACTIONS, NEXT, RANKING
from starec_sim.tasks import FEED, ActionKind, Task

_TAG = re.compile(r"^<([a-z_]+)>", re.MULTILINE)


@lru_cache(maxsize=256)
def asked_parts(form: str) -> tuple[str, ...]:
    r"""Return the names of the parts that a prompt asks for, in order.

    Args:
        form: The text that asks: each part begins a line with its opening tag.

    >>> asked_parts("Answer so:\n<think>\nwhy\n</think>\n<ranking>all labels</ranking>")
    ('think', 'ranking')
    """
    return tuple(dict.fromkeys(_TAG.findall(form)))


def answer_schema(name: str, form: str, labels: Sequence[str], task: Task = FEED) -> dict[str, Any]:
    r"""Return the JSON schema of an answer: one key for each part that a prompt asks for.

    Servers cannot enforce that a ranking names each label once; the parser checks it.

    Args:
        name: What the schema is called, a word.
        form: The text that asks for the parts.
        labels: The labels that may be named.
        task: Whose actions may be done, where the form asks for actions.

    Examples:
        >>> answer_schema("reflect", "<think>\nwhy\n</think>\n<preferences>...", ())["required"]
        ['think', 'preferences']
    """
    return parts_schema(name, asked_parts(form), labels, task)


def parts_schema(
    name: str, parts: Iterable[str], labels: Sequence[str], task: Task = FEED
) -> dict[str, Any]:
    """Return the JSON schema of an answer with some parts; see `answer_schema`."""
    return {"title": name, **_object({part: _value(part, labels, task) for part in parts})}


def _value(part: str, labels: Sequence[str], task: Task) -> dict[str, Any]:
    if part == RANKING:
        return {
            "type": "array",
            "items": {"type": "string", "enum": list(labels)},
            "minItems": len(labels),
            "maxItems": len(labels),
        }
    if part == ACTIONS:
        acts = _one_of(task.kinds.values())
        if task.per_item > 1:
            acts = {"type": "array", "items": acts, "minItems": 1, "maxItems": task.per_item}
        return _object(dict.fromkeys(labels, acts))
    if part == NEXT:
        return _one_of(task.moves.values())
    return {"type": "string"}


def _one_of(kinds: Iterable[ActionKind]) -> dict[str, Any]:
    """Return the schema of one action: those that can be listed, and a pattern for each other."""
    listed: list[str] = []
    patterns: list[dict[str, Any]] = []
    for kind in kinds:
        if kind.argument is None:
            listed.append(kind.name)
        elif kind.argument.listed:
            listed += [f"{kind.name} {value}" for value in kind.argument.listed]
        else:
            patterns.append({"type": "string", "pattern": f"^{kind.pattern}$"})
    one = {"type": "string", "enum": listed}
    return {"anyOf": [one, *patterns]} if patterns else one


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
