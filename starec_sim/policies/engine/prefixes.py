"""What prompts have in common: tokens that are read only once."""

from __future__ import annotations

from collections.abc import Sequence

Ids = tuple[int, ...]

LEAST = 32
"""A shorter beginning is not worth sharing."""


def shared_length(one: Ids, other: Ids) -> int:
    """Return how many tokens two prompts begin with alike.

    >>> shared_length((1, 2, 3), (1, 2, 4, 5))
    2
    """
    most = min(len(one), len(other))
    return next((at for at in range(most) if one[at] != other[at]), most)


def families(prompts: Sequence[Ids]) -> list[tuple[int, int, int]]:
    """Split sorted prompts into families that begin alike.

    Args:
        prompts: Distinct, in lexicographic order, so that relatives are neighbours.

    Returns:
        (first, last, shared): the prompts `first` to `last` (exclusive) begin with the same
        `shared` tokens. 0 for a family of one. A prompt keeps at least one token of its own.
    """
    found: list[tuple[int, int, int]] = []
    first = 0
    while first < len(prompts):
        last = first + 1
        while last < len(prompts) and prompts[last][:LEAST] == prompts[first][:LEAST]:
            last += 1
        # Of sorted sequences the first and the last differ the soonest.
        shared = shared_length(prompts[first], prompts[last - 1])
        shortest = min(map(len, prompts[first:last]))
        alone = last == first + 1
        found.append((first, last, 0 if alone else min(shared, shortest - 1)))
        first = last
    return found
