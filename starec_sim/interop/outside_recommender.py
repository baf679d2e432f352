"""A recommender that shows what a program outside of the feed tells it to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from starec_sim.dataset import Interactions
from starec_sim.recommender import Slates
from starec_sim.settings import Settings
from starec_sim.types import FloatArray, IntArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


class OutsideRecommender:
    """Recommends by the scores in `scores`, which are set before each round.

    What it is told is what any recommender of a feed is told.
    """

    class Config(Settings):
        """It has no settings."""

    def __init__(self, config: Config, *, n_users: int, n_items: int, seed: int) -> None:
        self.scores: FloatArray = np.zeros((n_users, n_items))
        """The next slates: items by falling score, equal ones by row."""
        self.log = Interactions.empty()
        """What users did, as a recommender knows it: with the stars that they said."""

    def fit(self, log: Interactions) -> None:
        """Keep the log."""
        self.log = log

    def recommend(
        self, users: IntArray, k: int, seen: csr_matrix, rng: np.random.Generator
    ) -> Slates:
        """Return the k items with the highest scores among those that may be shown."""
        items, scores = np.full((len(users), k), -1), np.full((len(users), k), -np.inf)
        if not len(users):
            return Slates(items, scores)
        allowed = np.where(seen[users].toarray() != 0, -np.inf, self.scores[users])
        best = np.argsort(-allowed, axis=1, kind="stable")[:, :k]
        n_best = best.shape[1]
        scores[:, :n_best] = np.take_along_axis(allowed, best, axis=1)
        items[:, :n_best] = np.where(np.isneginf(scores[:, :n_best]), -1, best)
        return Slates(items, scores)

    def score(self, users: IntArray, items: IntArray) -> FloatArray:
        """Return the scores of given items."""
        scores = np.take_along_axis(self.scores[users], items.clip(min=0), axis=1)
        return np.asarray(np.where(items < 0, -np.inf, scores))

    def observe(self, events: Interactions) -> None:
        """Do nothing: `fit` follows with the whole log."""

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return nothing: scores are set anew, and `fit` brings the log."""
        return {}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore nothing."""
