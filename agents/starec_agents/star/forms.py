"""The two forms of an answer: tags in a text, or one JSON object with the tags' names as keys.

A prompt's file says what is asked for, in tags; `json.md` says how to write the same as JSON, and
`schema` says it to an endpoint that can hold a model to it. Both are read by the same parser.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

Form = Literal["tags", "json"]

_TAG = re.compile(r"^<([a-z_]+)>", re.MULTILINE)
_ACTIONS = ["skip", *(f"watch {stars}" for stars in range(1, 6))]


def schema(name: str, form: str, marks: Sequence[str]) -> dict[str, Any]:
    r"""Return the JSON schema of an answer: one key for each tag that a prompt asks for.

    That a label stands in a ranking once is more than servers can enforce; the parser sees to it.

    Args:
        name: What the schema is called, a word.
        form: The text that asks for the tags.
        marks: The labels that may be named.

    >>> schema("reflect", "<think>\nwhy\n</think>\n<preferences>...", ())["required"]
    ['think', 'preferences']
    """
    keys = list(dict.fromkeys(_TAG.findall(form)))
    return {"title": name, **_object({key: _value(key, marks) for key in keys})}


def _value(tag: str, marks: Sequence[str]) -> dict[str, Any]:
    match tag:
        case "ranking":
            labels = {"type": "string", "enum": list(marks)}
            return {
                "type": "array",
                "items": labels,
                "minItems": len(marks),
                "maxItems": len(marks),
            }
        case "actions":
            return _object({mark: {"type": "string", "enum": _ACTIONS} for mark in marks})
        case "next":
            return {"type": "string", "enum": ["stay", "leave"]}
        case _:
            return {"type": "string"}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
