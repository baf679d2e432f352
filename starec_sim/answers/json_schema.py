"""The JSON schema of an answer, derived from the tags that a prompt asks for.

An endpoint that can be held to a schema answers with one JSON object. Its keys are the names of the
tags, so that both forms have the same parts and the same parser reads them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from starec_sim.answers.tags import ACTIONS, NEXT, RANKING

_TAG = re.compile(r"^<([a-z_]+)>", re.MULTILINE)
_ACTIONS = ["skip", *(f"watch {stars}" for stars in range(1, 6))]


def asked_parts(form: str) -> tuple[str, ...]:
    r"""Return the names of the parts that a prompt asks for, in order.

    Args:
        form: The text that asks: each part begins a line with its opening tag.

    >>> asked_parts("Answer so:\n<think>\nwhy\n</think>\n<ranking>all labels</ranking>")
    ('think', 'ranking')
    """
    return tuple(dict.fromkeys(_TAG.findall(form)))


def answer_schema(name: str, form: str, labels: Sequence[str]) -> dict[str, Any]:
    r"""Return the JSON schema of an answer: one key for each part that a prompt asks for.

    Servers cannot enforce that a ranking names each label once; the parser checks it.

    Args:
        name: What the schema is called, a word.
        form: The text that asks for the parts.
        labels: The labels that may be named.

    Examples:
        >>> answer_schema("reflect", "<think>\nwhy\n</think>\n<preferences>...", ())["required"]
        ['think', 'preferences']
    """
    return {"title": name, **_object({part: _value(part, labels) for part in asked_parts(form)})}


def _value(part: str, labels: Sequence[str]) -> dict[str, Any]:
    if part == RANKING:
        return {
            "type": "array",
            "items": {"type": "string", "enum": list(labels)},
            "minItems": len(labels),
            "maxItems": len(labels),
        }
    if part == ACTIONS:
        return _object({label: {"type": "string", "enum": _ACTIONS} for label in labels})
    if part == NEXT:
        return {"type": "string", "enum": ["stay", "leave"]}
    return {"type": "string"}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
