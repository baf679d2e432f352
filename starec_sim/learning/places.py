"""Which place of a ranking each token writes, for credit by position."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from starec_sim.learning.rows import Row

_OPEN, _CLOSE, _BETWEEN = "<ranking>", "</ranking>", ">"


def ranking_places(tokenizer: Any) -> Callable[[Row], Sequence[int | None]]:
    """Return a function from a row to the place that each id of its completion writes.

    Places are counted from 0 inside of the last `<ranking>`; a separator belongs to the place
    before it. None for all other ids.
    """

    def places(row: Row) -> list[int | None]:
        # Token by token, so that what joins to the whole text says where each token lies.
        pieces = [tokenizer.decode([token]) for token in row.completion]
        text = "".join(pieces)
        start = text.rfind(_OPEN)
        end = text.find(_CLOSE, start)
        if start < 0 or end < 0:
            return [None] * len(pieces)
        start += len(_OPEN)
        found: list[int | None] = []
        at = 0
        for piece in pieces:
            inside = start <= at + len(piece) - 1 and at < end
            # What was written before this token tells where it stands.
            found.append(text.count(_BETWEEN, start, max(start, at)) if inside else None)
            at += len(piece)
        return found

    return places
