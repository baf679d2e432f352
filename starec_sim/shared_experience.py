"""Experiences that many users have are one object (decision 94).

A memory holds 40 experiences. As objects of their own they take 5 KB a user; there are only so many
pairs of an item and its stars.
"""

from __future__ import annotations

from functools import lru_cache

from starec_sim.types import Experience

_KEPT = 1 << 18


def shared_experience(item: int, rating: float | None, source: str) -> Experience:
    """Return an experience, the same object for the same values while it is kept."""
    if rating == 0.0:  # 0.0 and -0.0 are equal, so neither is shared
        return Experience(item, rating, source)
    return _kept(item, rating, source)


@lru_cache(maxsize=_KEPT)
def _kept(item: int, rating: float | None, source: str) -> Experience:
    return Experience(item, rating, source)
