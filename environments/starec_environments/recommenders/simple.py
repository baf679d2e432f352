"""Two baselines without a model of users: random order, and popularity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from starec_environments.recommenders.matrix import ScoringRecommender, column_counts, positives
from starec_sim.dataset import Interactions
from starec_sim.progress import report_progress
from starec_sim.recommender import Slates
from starec_sim.rng import Streams
from starec_sim.settings import Settings
from starec_sim.types import IntArray


class Random(ScoringRecommender):
    """Unseen items in an order drawn from the generator that `recommend` is given.

    `score` gets no generator, so it draws scores from the seed: the score of an item for a user is
    always the same.
    """

    class Config(Settings):
        """There is nothing to set."""

    def fit(self, log: Interactions) -> None:
        """Learn nothing."""

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return nothing: there is no state."""
        return {}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Do nothing."""

    def _scores(self, users: IntArray, rng: np.random.Generator | None) -> NDArray[Any]:
        if rng is not None:
            return rng.random((len(users), self.n_items))
        streams = Streams(self.seed)
        rows = [streams.stream("score", user=user).random(self.n_items) for user in users.tolist()]
        return np.array(rows).reshape(len(users), self.n_items)


class Popularity(ScoringRecommender):
    """Unseen items by the number of users who like them.

    New events count at once, without a fit. Until the next fit, a user who likes an item for the
    second time counts twice.
    """

    class Config(Settings):
        """There is nothing to set."""

    def __init__(self, config: Any, *, n_users: int, n_items: int, seed: int) -> None:
        super().__init__(config, n_users=n_users, n_items=n_items, seed=seed)
        self.popularity = np.zeros(n_items)

    def fit(self, log: Interactions) -> None:
        """Count the users who like each item."""
        self.popularity = column_counts(positives(log, self.n_users, self.n_items))

    def observe(self, events: Interactions) -> None:
        """Add the events to the counts."""
        self.popularity = self.popularity + column_counts(
            positives(events, self.n_users, self.n_items)
        )

    def recommend(
        self, users: IntArray, k: int, seen: csr_matrix, rng: np.random.Generator
    ) -> Slates:
        """Return the k most popular unseen items for each user, see `Recommender`.

        The order is the same for all, so it is enough to look at its first items: k, and as many as
        a user has seen.
        """
        order = np.argsort(-self.popularity, kind="stable")
        rank = np.empty(self.n_items, np.int64)
        rank[order] = np.arange(self.n_items)
        items = np.full((len(users), k), -1, np.int64)
        scores = np.full((len(users), k), -np.inf)
        for some in self._chunks(len(users)):
            of_user, met = seen[users[some]].nonzero()
            most = int(np.bincount(of_user, minlength=1).max())
            width = min(self.n_items, k + most)
            unseen = np.ones((len(users[some]), width), bool)
            at = rank[met]
            near = at < width
            unseen[of_user[near], at[near]] = False
            place = unseen.cumsum(axis=1) - 1
            user, column = np.nonzero(unseen & (place < k))
            found = order[column]
            items[some][user, place[user, column]] = found
            scores[some][user, place[user, column]] = self.popularity[found]
            report_progress("recommending, user", min(some.stop, len(users)), len(users))
        return Slates(items, scores)

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return the counts."""
        return {"popularity": self.popularity}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take the counts from a state."""
        self.popularity = np.array(state["popularity"])

    def _scores(self, users: IntArray, rng: np.random.Generator | None) -> NDArray[Any]:
        return np.tile(self.popularity, (len(users), 1))
