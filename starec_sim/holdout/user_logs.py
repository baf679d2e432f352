"""One user's log, and the choices in it that can be replayed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from starec_sim.dataset import Interactions
from starec_sim.types import LIKED_ABOVE, Experience, FloatArray, IntArray

UNRATED_STARS = 4.0
"""What an item that was consumed without a rating counts as: a like."""


class UserLog(NamedTuple):
    """One user's log."""

    row: int
    """The user's row in the dataset."""
    start: int
    """Where her part of the log begins, once it is sorted by user."""
    items: IntArray
    """All that she touched, oldest first."""
    ratings: FloatArray
    """Stars, those of the unrated filled in."""
    first: int
    """The first place that counts: those before it are cut off."""
    choices: tuple[int, ...]
    """Places of the choices to be replayed."""

    def between(self, start: int, stop: int) -> tuple[Experience, ...]:
        """Return what she lived through from one place of her log to another."""
        return tuple(
            Experience(item, rating, "logged")
            for item, rating in zip(
                self.items[start:stop].tolist(), self.ratings[start:stop].tolist(), strict=True
            )
        )

    def likes(self, start: int, stop: int) -> IntArray:
        """Return what she liked of that, oldest first."""
        return self.items[start:stop][self.ratings[start:stop] > LIKED_ABOVE]


def by_user(log: Interactions) -> Interactions:
    """Return a log sorted by user, each user's part in its old order."""
    return log.where(np.argsort(log.users, kind="stable"))


def stars(log: Interactions) -> FloatArray:
    """Return the ratings of a log, those of the unrated filled in."""
    return np.where(np.isnan(log.ratings), UNRATED_STARS, log.ratings)
