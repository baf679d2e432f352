"""Which visitors of a round are played together by one worker."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

_MOST = 256
"""Users of a shard: a worker that is lost loses no more of its work."""
_EACH = 4
"""Shards for each worker at least, so that one with quick visits takes more of them."""


def split_users(users: Sequence[int], workers: int) -> list[tuple[int, ...]]:
    """Cut the visitors of a round into shards of neighbours, in order.

    The shards follow from the visitors and the number of workers. Their sizes differ by at most
    one, so the number of visitors need not be divisible. Which worker plays a shard changes nothing
    and is not fixed: whoever is free takes the next one.

    Args:
        users: The visitors, in ascending order.
        workers: The number of workers.

    >>> split_users([3, 5, 8, 9, 12], workers=1)
    [(3, 5), (8,), (9,), (12,)]
    """
    count = min(len(users), max(_EACH * workers, -(-len(users) // _MOST)))
    size, larger = divmod(len(users), count) if count else (0, 0)
    ends = [number * size + min(number, larger) for number in range(count + 1)]
    return [tuple(users[start:end]) for start, end in pairwise(ends)]
