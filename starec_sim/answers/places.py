"""Which place of a ranking each piece of an answer writes, for credit by position."""

from __future__ import annotations

from collections.abc import Sequence

from starec_sim.answers.tags import RANKING

_OPENING, _CLOSING, _SEPARATOR = f"<{RANKING}>", f"</{RANKING}>", ">"


def ranking_places(pieces: Sequence[str]) -> list[int | None]:
    """Return the place of the ranking that each piece writes.

    Args:
        pieces: The answer, token by token: joined, they are the whole text.

    Returns:
        One entry for each piece: places are counted from 0 inside of the last `<ranking>`, and a
        separator belongs to the place before it. None for pieces outside of the ranking; all None
        where there is no ranking, or one that does not end.

    >>> ranking_places(["<ranking>", "B", " > ", "A", "</ranking>"])
    [None, 0, 0, 1, None]
    """
    text = "".join(pieces)
    start = text.rfind(_OPENING)
    end = text.find(_CLOSING, start)
    if start < 0 or end < 0:
        return [None] * len(pieces)
    start += len(_OPENING)
    found: list[int | None] = []
    at = 0
    for piece in pieces:
        inside = start <= at + len(piece) - 1 and at < end
        # The separators before a piece tell which place it belongs to.
        found.append(text.count(_SEPARATOR, start, max(start, at)) if inside else None)
        at += len(piece)
    return found
