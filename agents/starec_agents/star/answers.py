"""An answer taken apart, in either form: what stands under a name, if it stands there once.

What the parts say is read by `starec_agents.star.parsing`, the same for both forms.
"""

from __future__ import annotations

import json
import re
from typing import Any, Protocol

from starec_agents.star.forms import Form


class Answer(Protocol):
    """The named parts of an answer; None where a part is not there exactly once."""

    def text(self, name: str) -> str | None:
        """Return a part that is a text."""
        ...

    def marks(self, name: str) -> list[str] | None:
        """Return a part that lists labels."""
        ...

    def lines(self, name: str) -> list[str] | None:
        """Return a part that says something for each label, as lines like "A: skip"."""
        ...

    def wanted(self, name: str, example: str = "...") -> str:
        """Say, for the repair call, what should have been there."""
        ...


def take_apart(text: str, form: Form) -> Answer:
    """Return the parts of an answer in the form that was asked for."""
    return _Json(text) if form == "json" else _Tagged(text)


def block(text: str, tag: str) -> str | None:
    """Return what stands in the one `<tag>` of the answer; None unless there is exactly one.

    >>> block("<think><next>stay</next></think><next>leave</next>", "next")
    'leave'
    """
    # Reasoning ends at the last `</think>`: a model may quote the form of the answer inside it.
    # Reasoning that never ends (an answer cut short) holds no answer.
    answer = text.rpartition("</think>")[2].partition("<think>")[0]
    opening, closing = f"<{tag}>", f"</{tag}>"
    if answer.count(opening) != 1 or answer.count(closing) != 1:
        return None
    content, found, _ = answer.partition(opening)[2].partition(closing)
    return content.strip() if found else None


class _Tagged:
    def __init__(self, text: str) -> None:
        self._text = text

    def text(self, name: str) -> str | None:
        return block(self._text, name)

    def marks(self, name: str) -> list[str] | None:
        content = self.text(name)
        if content is None:
            return None
        return [mark for mark in re.split(r"[>,\s]+", content) if mark]

    def lines(self, name: str) -> list[str] | None:
        content = self.text(name)
        if content is None:
            return None
        return [line.strip() for line in content.splitlines() if line.strip()]

    def wanted(self, name: str, example: str = "...") -> str:
        return f"there must be exactly one <{name}>{example}</{name}> after the reasoning"


class _Pairs(list[tuple[str, Any]]):
    """A JSON object that forgets no key that stands in it twice."""


class _Json:
    def __init__(self, text: str) -> None:
        answer = text.strip()
        # What a model thought before it answered is no part of the object.
        if answer.startswith("<think>"):
            answer = answer.rpartition("</think>")[2]
        try:
            found = json.loads(answer, object_pairs_hook=_Pairs)
        except (ValueError, RecursionError):
            found = None
        self._pairs = found if isinstance(found, _Pairs) else _Pairs()

    def _one(self, name: str) -> Any:
        values = [value for key, value in self._pairs if key == name]
        return values[0] if len(values) == 1 else None

    def text(self, name: str) -> str | None:
        value = self._one(name)
        # An escape can spell half a character, which could not be stored.
        return value.strip().encode(errors="replace").decode() if isinstance(value, str) else None

    def marks(self, name: str) -> list[str] | None:
        value = self._one(name)
        if not isinstance(value, list) or isinstance(value, _Pairs):
            return None
        return [str(mark) for mark in value]

    def lines(self, name: str) -> list[str] | None:
        value = self._one(name)
        return [f"{key}: {said}" for key, said in value] if isinstance(value, _Pairs) else None

    def wanted(self, name: str, example: str = "...") -> str:
        return f'the answer must be one JSON object that holds "{name}" once, in the form asked for'
