"""The parts of an answer in either form: tags in a text, or the keys of one JSON object.

A part counts only if it occurs exactly once. What the parts say is read by
`starec_sim.answers.decisions` and `starec_sim.answers.summaries`, the same way for both forms.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Literal, Protocol

from starec_sim.answers.tags import ACTIONS, RANKING, THINK, part, thought
from starec_sim.json_nesting import parse_json

Form = Literal["tags", "json"]
"""How an answer is written."""

_MAX_DEPTH = 8
"""Levels of an answer that is one JSON object; those that are asked for have two."""
_SEPARATORS = re.compile(r"[>,\s]+")
_FENCED = re.compile(r"```(?:json)?[ \t]*\n(.*?)\n?[ \t]*```", re.DOTALL | re.IGNORECASE)
"""A Markdown fence, in which many models put the JSON that they are asked for."""


class AnswerParts(Protocol):
    """The named parts of an answer; None where a part does not occur exactly once."""

    def text(self, name: str) -> str | None:
        """Return a part that is a text."""
        ...

    def labels(self, name: str) -> list[str] | None:
        """Return a part that lists labels."""
        ...

    def lines(self, name: str) -> list[str] | None:
        """Return a part that says something of each label, as lines like "A: skip"."""
        ...

    def expected(self, name: str, example: str = "...") -> str:
        """Return the words by which a repair call asks for a part."""
        ...


def parts_of(answer: str, form: Form) -> AnswerParts:
    """Return the parts of an answer in the form that was asked for."""
    return _Json(answer) if form == "json" else _Tagged(answer)


def to_json(answer: str, names: Sequence[str]) -> str:
    r"""Return an answer in tags as one JSON object.

    Args:
        answer: The answer, without flaws.
        names: Its parts, in order.

    >>> to_json("<think>\nA: no\n</think>\n<ranking>B > A</ranking>", ("think", "ranking"))
    '{"think": "A: no", "ranking": ["B", "A"]}'
    """
    tagged = _Tagged(answer)
    values: dict[str, object] = {}
    for name in names:
        if name == THINK:
            values[name] = thought(answer)
        elif name == RANKING:
            values[name] = tagged.labels(name)
        elif name == ACTIONS:
            pairs = (line.partition(":") for line in tagged.lines(name) or ())
            values[name] = {label: act.strip() for label, _, act in pairs}
        else:
            values[name] = tagged.text(name)
    return json.dumps(values, ensure_ascii=False)


class _Tagged:
    """The parts of an answer in tags."""

    def __init__(self, answer: str) -> None:
        self._answer = answer

    def text(self, name: str) -> str | None:
        return part(self._answer, name)

    def labels(self, name: str) -> list[str] | None:
        content = self.text(name)
        if content is None:
            return None
        return [label for label in _SEPARATORS.split(content) if label]

    def lines(self, name: str) -> list[str] | None:
        content = self.text(name)
        if content is None:
            return None
        return [line.strip() for line in content.splitlines() if line.strip()]

    def expected(self, name: str, example: str = "...") -> str:
        return f"there must be exactly one <{name}>{example}</{name}> after the reasoning"


def _said(acts: Any) -> str:
    """Return what is said of a label: one text, or several in a list."""
    several = isinstance(acts, list) and not isinstance(acts, _Pairs)
    return ", ".join(map(str, acts)) if several else str(acts)


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as pairs: a key that occurs twice stays visible."""


class _Json:
    """The parts of an answer that is one JSON object."""

    def __init__(self, answer: str) -> None:
        answer = answer.strip()
        # The reasoning before the answer is not part of the object. Some chat templates write its
        # opening tag into the prompt.
        if not answer.startswith(("{", "```")):
            answer = answer.rpartition(f"</{THINK}>")[2].strip()
        if fenced := _FENCED.fullmatch(answer):
            answer = fenced[1]
        try:
            value = parse_json(answer, _MAX_DEPTH, object_pairs_hook=_Pairs)
        except ValueError:
            value = None
        self._pairs = value if isinstance(value, _Pairs) else _Pairs()

    def _one(self, name: str) -> Any:
        values = [value for key, value in self._pairs if key == name]
        return values[0] if len(values) == 1 else None

    def text(self, name: str) -> str | None:
        value = self._one(name)
        # A JSON escape can spell half a character, which cannot be stored.
        return value.strip().encode(errors="replace").decode() if isinstance(value, str) else None

    def labels(self, name: str) -> list[str] | None:
        value = self._one(name)
        if not isinstance(value, list) or isinstance(value, _Pairs):
            return None
        return [str(label) for label in value]

    def lines(self, name: str) -> list[str] | None:
        value = self._one(name)
        if not isinstance(value, _Pairs):
            return None
        return [f"{label}: {_said(acts)}" for label, acts in value]

    def expected(self, name: str, example: str = "...") -> str:
        return f'the answer must be one JSON object that holds "{name}" once, in the form asked for'
