"""The log of one user, and its choices that are replayed or held out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from starec_sim.dataset import Interactions
from starec_sim.types import LIKED_ABOVE, Experience, FloatArray, IntArray

UNRATED_STARS = 4.0
"""The rating of an item that was consumed without a rating; it is a like."""


class UserLog(NamedTuple):
    """The log of one user, oldest interaction first. A place is an index into it."""

    row: int
    """The user's row in the dataset."""
    start: int
    """The first row of this log in the log of all users, sorted by user."""
    items: IntArray
    """All items in the log."""
    ratings: FloatArray
    """Stars; an item without a rating has `UNRATED_STARS`."""
    first: int = 0
    """The first place that counts; earlier interactions are ignored."""
    choices: tuple[int, ...] = ()
    """Places of the choices that are replayed or held out, ascending."""

    @property
    def last_choice(self) -> int:
        """The item of the last choice; in a hold-out, this is the answer."""
        return int(self.items[self.choices[-1]])

    def between(self, start: int, stop: int) -> tuple[Experience, ...]:
        """Return the experiences at the places from `start` up to, not including, `stop`."""
        return tuple(
            Experience(item, rating, "logged")
            for item, rating in zip(
                self.items[start:stop].tolist(), self.ratings[start:stop].tolist(), strict=True
            )
        )

    def likes(self, start: int, stop: int) -> IntArray:
        """Return the items at the places from `start` to before `stop` that the user liked."""
        return self.items[start:stop][self.ratings[start:stop] > LIKED_ABOVE]


def by_user(log: Interactions) -> Interactions:
    """Return a log sorted by user, each user's part in its old order."""
    return log.where(np.argsort(log.users, kind="stable"))


def user_logs(log: Interactions, n_users: int) -> list[UserLog]:
    """Return the log of each user, without choices; some logs are empty.

    Args:
        log: Sorted by user.
        n_users: Users in the dataset.
    """
    ratings = np.where(np.isnan(log.ratings), UNRATED_STARS, log.ratings)
    bounds = np.searchsorted(log.users, np.arange(n_users + 1)).tolist()
    return [
        UserLog(row, bounds[row], log.items[mine], ratings[mine])
        for row in range(n_users)
        for mine in [slice(bounds[row], bounds[row + 1])]
    ]
