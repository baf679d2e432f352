"""Labels: the letters that stand for positions in a slate, in prompts and in answers.

Positions are counted from 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

LABEL = "[A-Z]{1,3}"
"""A regular expression that matches a label."""
_LABELLED = re.compile(rf"^({LABEL})\. (.*)$", re.MULTILINE)


@lru_cache(maxsize=1_024)
def label(position: int) -> str:
    """Return the label of a position: A, B, ..., Z, AA, AB, ...

    Examples:
        >>> [label(position) for position in (0, 25, 26)]
        ['A', 'Z', 'AA']
    """
    letters = ""
    position += 1
    while position:
        position, rest = divmod(position - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


@lru_cache(maxsize=256)
def labels(count: int) -> tuple[str, ...]:
    """Return the labels of a slate of `count` items."""
    return tuple(label(position) for position in range(count))


def labelled(lines: Iterable[str]) -> str:
    """Return lines, each behind a label.

    >>> labelled(["so it goes"])
    'A. so it goes'
    """
    return "\n".join(f"{label(position)}. {line}" for position, line in enumerate(lines))


def read_labelled(text: str) -> list[tuple[str, str]]:
    r"""Return (label, line) of each labelled line; other lines are left out.

    >>> read_labelled('A. "Alien"\n\nB. "Heat"')
    [('A', '"Alien"'), ('B', '"Heat"')]
    """
    return _LABELLED.findall(text)
