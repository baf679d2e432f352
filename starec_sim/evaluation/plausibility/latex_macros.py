r"""Expand the macros that a LaTeX text defines itself, and remove what it does not print.

A table may write `\val{9}` for 0.9. Read without the definition, it would be 9.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_COMMENT = re.compile(r"(?<!\\)((?:\\\\)*)%.*")
_HIDDEN = re.compile(r"\\iffalse\b.*?\\fi\b|\\begin\s*{comment}.*?\\end\s*{comment}", re.DOTALL)
_NEW = re.compile(
    r"\\(?:(?:re|provide)?newcommand|DeclareRobustCommand)\*?\s*(?:{\s*\\(?P<braced>[a-zA-Z]+)\s*}"
    r"|\\(?P<bare>[a-zA-Z]+))\s*(?:\[(?P<count>[0-9])\])?\s*(?:\[(?P<default>[^\]]*)\]\s*)?(?={)"
    r"|\\def\s*\\(?P<plain>[a-zA-Z]+)\s*(?P<marks>(?:#[1-9])*)\s*(?={)"
)
_MACRO = re.compile(r"\\(?:([a-zA-Z]+)\s*|.)", re.DOTALL)
"""A macro, or an escaped character: the second backslash of a line break begins no macro."""
_OPTIONAL = re.compile(r"\s*\[([^\]]*)\]")
_MOST_CALLS, _MOST_CHARACTERS = 20_000, 4_000_000
"""Bounds on what a file may expand to."""


class _Definition(NamedTuple):
    arguments: int
    body: str
    default: str | None
    """The first argument where a call has none in brackets; None if it is not optional."""


def expanded(text: str) -> str:
    r"""Return a text without comments and hidden parts, with its own macros expanded.

    A macro whose arguments are not all there stays as it is.

    Raises:
        ValueError: The macros expand without end.

    >>> expanded(r"\newcommand{\val}[1]{0.#1}A & \val{9} & \val 5 \\ % \val{1}")
    'A & 0.9 & 0.5 \\\\ '
    """
    text = _HIDDEN.sub("", _COMMENT.sub(r"\1", text))
    definitions: dict[str, _Definition] = {}
    calls, start = 0, 0
    while match := _MACRO.search(text, start):
        new = _NEW.match(text, match.start())
        if new is not None and (end := _closing(text, new.end())) is not None:
            name = new["braced"] or new["bare"] or new["plain"]
            arguments = len(new["marks"]) // 2 if new["marks"] else int(new["count"] or 0)
            body = text[new.end() + 1 : end - 1]
            definitions[name] = _Definition(arguments, body, new["default"])
            text, start = text[: new.start()] + text[end:], new.start()
            continue
        definition = definitions.get(match[1] or "")
        call = _call(text, match, definition) if definition else None
        if call is None:
            start = match.end()
            continue
        body, end = call
        calls += 1
        text, start = text[: match.start()] + body + text[end:], match.start()
        if calls > _MOST_CALLS or len(text) > _MOST_CHARACTERS:
            raise ValueError(f"the macro \\{match[1]} expands without end")
    return text


def _call(text: str, match: re.Match[str], definition: _Definition) -> tuple[str, int] | None:
    """Return what a call expands to and where it ends; None if an argument is missing."""
    given, end = [], match.end()
    if definition.default is not None:
        optional = _OPTIONAL.match(text, end)
        given.append(optional[1] if optional else definition.default)
        end = optional.end() if optional else end
    for _ in range(definition.arguments - len(given)):
        while text[end : end + 1].isspace():
            end += 1
        if text[end : end + 1] == "{":
            closing = _closing(text, end)
            if closing is None:
                return None
            given.append(text[end + 1 : closing - 1])
            end = closing
        elif text[end : end + 1] and text[end] not in "&\\}[":
            given.append(text[end])
            end += 1
        else:
            return None
    return "".join(_with_arguments(definition.body, given)), end


def _with_arguments(body: str, given: list[str]) -> Iterator[str]:
    for part in re.split(r"(#[1-9])", body):
        number = int(part[1]) if re.fullmatch(r"#[1-9]", part) else 0
        yield given[number - 1] if 0 < number <= len(given) else part


def _closing(text: str, start: int) -> int | None:
    """Return the place after the brace that closes the one at `start`; None if none does."""
    depth = 0
    for match in re.compile(r"\\.|[{}]", re.DOTALL).finditer(text, start):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if not depth:
            return match.end()
    return None
