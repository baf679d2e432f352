"""Experiences that many users have are one object.

A memory holds 40 experiences. As objects of their own they take 5 KB a user; there are only so many
pairs of an item and its stars.
"""

from __future__ import annotations

from functools import lru_cache

from starec_sim.types import Experience

_KEPT = 1 << 18


@lru_cache(maxsize=_KEPT)
def shared_experience(item: int, rating: float | None, source: str) -> Experience:
    """Return an experience, the same object for the same values while it is kept."""
    return Experience(item, rating, source)
