"""The log of a feed: what was known before, what users did since, what they skipped lately."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from starec_sim.dataset import Dataset, Interactions
from starec_sim.shared_experience import shared_experience
from starec_sim.types import Experience, IntArray, Visit

Rows = NDArray[np.int32]
"""Rows of users or items, kept in large numbers."""


def split_logs(dataset: Dataset, rows: IntArray, warm: float) -> tuple[Interactions, Interactions]:
    """Split the log of each user in two: its first part is known, the rest is hidden.

    Args:
        dataset: Has the log.
        rows: Rows of the users who take part, ascending.
        warm: Share of each log, from its start, that is known.

    Returns:
        The known and the hidden part, both sorted by user. Users are numbered among those who take
        part.
    """
    row_of = np.full(len(dataset.users), -1)
    row_of[rows] = np.arange(len(rows))
    log = dataset.log.where(row_of[dataset.log.users] >= 0)
    log = log._replace(users=row_of[log.users])
    log = log.where(np.argsort(log.users, kind="stable"))
    lengths = np.bincount(log.users, minlength=len(rows))
    starts = np.cumsum(lengths) - lengths
    nth = np.arange(len(log.users)) - starts[log.users]
    known = nth < np.ceil(warm * lengths)[log.users]
    return log.where(known), log.where(~known)


class FeedLog:
    """What users of a feed consumed, and what they skipped in the last rounds.

    Args:
        known: What was consumed before the simulation, sorted by user.
        n_users: Users who take part.
        n_items: Items of the catalogue.
        rest: Rounds for which a skipped item is not shown to the same user again.
    """

    def __init__(self, known: Interactions, n_users: int, n_items: int, rest: int) -> None:
        self.known = known
        self.interactions = known
        """What is known and what was consumed since."""
        self.n_items = n_items
        """Items of the catalogue, which may grow."""
        self._n_users = n_users
        self._rest = rest
        self._skipped: list[tuple[Rows, Rows]] = []
        """(users, items) skipped in each of the last `rest` rounds, oldest first."""

    def of(self, user: int) -> Interactions:
        """Return what a user consumed before the simulation."""
        start, stop = np.searchsorted(self.known.users, (user, user + 1))
        return self.known.where(np.arange(start, stop))

    def rated(self, user: int, source: str) -> tuple[Experience, ...]:
        """Return what a user rated before the simulation, with the source of her ratings."""
        known = self.of(user)
        return tuple(
            shared_experience(item, rating, source)
            for item, rating in zip(known.items.tolist(), known.ratings.tolist(), strict=True)
            if not np.isnan(rating)
        )

    def append(self, visits: Sequence[Visit]) -> Interactions:
        """Append what was consumed in a round, and return it. Note what was skipped."""
        # Flat lists and not a tuple for each item: a round may have 10,000 users.
        skippers: list[int] = []
        skipped: list[int] = []
        watchers: list[int] = []
        watched: list[int] = []
        ratings: list[float] = []
        for visit in visits:
            for step in visit.steps:
                seen = [action for action in step.decision.actions if action.done]
                watchers += [visit.user] * len(seen)
                watched += [action.item for action in seen]
                ratings += [a.value if isinstance(a.value, float) else np.nan for a in seen]
                consumed = {action.item for action in seen}
                left = [item for item in step.observation.slate if item not in consumed]
                skippers += [visit.user] * len(left)
                skipped += left
        if self._rest:
            latest = (np.array(skippers, np.int32), np.array(skipped, np.int32))
            self._skipped = [*self._skipped, latest][-self._rest :]
        clock = int(self.interactions.times.max(initial=0)) + 1
        new = Interactions(
            np.array(watchers, np.int64),
            np.array(watched, np.int64),
            np.array(ratings, np.float64),
            np.full(len(watched), clock, np.int64),
        )
        self._extend(new)
        return new

    def _extend(self, new: Interactions) -> None:
        """Append to the log; what was known before is its beginning, and no copy of it."""
        known = slice(len(self.known.users))
        log = self.interactions = Interactions.concatenate(self.interactions, new)
        self.known = Interactions(
            log.users[known], log.items[known], log.ratings[known], log.times[known]
        )

    def hidden(self, wanted: int) -> csr_matrix:
        """Return what must not be shown: all that was consumed, and what was skipped lately.

        What a user skipped is shown again, the oldest first, where fewer than `wanted` items would
        be left for her otherwise.

        Returns:
            Shape (users, items), nonzero where an item must not be shown.
        """
        consumed = self.interactions
        hidden = [(consumed.users.astype(np.int32), consumed.items.astype(np.int32))]
        room = self.n_items - wanted - np.bincount(consumed.users, minlength=self._n_users)
        for users, items in reversed(self._skipped):
            room -= np.bincount(users, minlength=self._n_users)
            rests = room[users] >= 0
            hidden.append((users[rests], items[rests]))
        users, items = map(np.concatenate, zip(*hidden, strict=True))
        ones = np.ones(len(users), np.float32)
        return csr_matrix((ones, (users, items)), shape=(self._n_users, self.n_items))

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return what was consumed since the beginning, and what was skipped lately."""
        new = np.arange(len(self.known.users), len(self.interactions.users))
        done = self.interactions.where(new)._asdict()
        skipped = {
            f"skipped/{age}/{part}": column
            for age, pair in enumerate(self._skipped)
            for part, column in zip(("users", "items"), pair, strict=True)
        }
        return {f"done/{name}": column for name, column in done.items()} | skipped

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Continue as the log that returned this state; other keys of the state are ignored."""
        done = Interactions(*(state[f"done/{name}"] for name in Interactions._fields))
        self.interactions = self.known
        self._extend(done)
        ages = sum(name.startswith("skipped/") for name in state) // 2
        self._skipped = [
            (state[f"skipped/{age}/users"], state[f"skipped/{age}/items"]) for age in range(ages)
        ]
