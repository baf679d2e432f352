"""Prefixes that several prompts share: their tokens are read only once."""

from __future__ import annotations

from collections.abc import Sequence

from starec_sim.policies.engine.same_in_any_batch import whole_lanes

Ids = tuple[int, ...]

SHORTEST_PREFIX = 32
"""Tokens. A shorter prefix is not worth sharing."""


def shared_length(one: Ids, other: Ids) -> int:
    """Return the length of the common prefix of two prompts.

    >>> shared_length((1, 2, 3), (1, 2, 4, 5))
    2
    """
    most = min(len(one), len(other))
    return next((at for at in range(most) if one[at] != other[at]), most)


def prefix_groups(prompts: Sequence[Ids]) -> list[tuple[int, int, int]]:
    """Split sorted prompts into groups with a common prefix.

    Args:
        prompts: Distinct, in lexicographic order, so that prompts of a group are neighbours.

    Returns:
        (first, last, shared): the prompts `first` to `last` (exclusive) begin with the same
        `shared` tokens, a multiple of 16. `shared` is 0 for a group of one. Every prompt has at
        least one token after the prefix.
    """
    groups: list[tuple[int, int, int]] = []
    first = 0
    while first < len(prompts):
        last = first + 1
        while (
            last < len(prompts)
            and prompts[last][:SHORTEST_PREFIX] == prompts[first][:SHORTEST_PREFIX]
        ):
            last += 1
        # Of sorted sequences, the first and the last have the shortest common prefix.
        shared = shared_length(prompts[first], prompts[last - 1])
        shortest = min(map(len, prompts[first:last]))
        alone = last == first + 1
        groups.append((first, last, 0 if alone else whole_lanes(min(shared, shortest - 1))))
        first = last
    return groups
