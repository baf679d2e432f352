"""Which rank of a ranking each token of an answer writes, for credit by position."""

from __future__ import annotations

from collections.abc import Sequence

from starec_sim.answers.tags import RANKING

_OPENING, _CLOSING, _SEPARATOR = f"<{RANKING}>", f"</{RANKING}>", ">"


def token_ranks(texts: Sequence[str]) -> list[int | None]:
    """Return the rank that each token of an answer writes.

    Args:
        texts: The text of each token; joined, they are the answer.

    Returns:
        One entry for each token. Ranks are counted from 0 inside of the last `<ranking>`; a
        separator belongs to the rank before it. None for tokens outside of the ranking; all None
        where there is no ranking, or one that does not end.

    >>> token_ranks(["<ranking>", "B", " > ", "A", "</ranking>"])
    [None, 0, 0, 1, None]
    """
    answer = "".join(texts)
    start = answer.rfind(_OPENING)
    end = answer.find(_CLOSING, start)
    if start < 0 or end < 0:
        return [None] * len(texts)
    start += len(_OPENING)
    ranks: list[int | None] = []
    at = 0
    for text in texts:
        inside = start <= at + len(text) - 1 and at < end
        # The separators before a token are as many as the ranks before it.
        ranks.append(answer.count(_SEPARATOR, start, max(start, at)) if inside else None)
        at += len(text)
    return ranks
