"""Linear item-to-item models: a user's score of an item is the sum of its weights to her likes.

Both add new likes to the profile of a user at once. The weights change only with a fit.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import csr_matrix

from starec_environments.recommenders.matrix import (
    CHUNK_CELLS,
    PersonalRecommender,
    Rows,
    binary,
    column_counts,
    positives,
    top_k,
)
from starec_sim.dataset import Interactions
from starec_sim.errors import DataError
from starec_sim.progress import report_progress
from starec_sim.settings import Settings
from starec_sim.types import IntArray


class ItemToItemRecommender(PersonalRecommender):
    """Scores items by weights from the items in the user's profile.

    The state holds the likes and not the weights: likes are a hundredth of the size, and the same
    likes give the same weights. To restore a state takes a fit.
    """

    fitted: csr_matrix
    """The likes that the weights were learned from, shape (n_users, n_items)."""
    profiles: csr_matrix
    """The likes of the last fit and those observed since, shape (n_users, n_items)."""

    def observe(self, events: Interactions) -> None:
        """Add the positives among the events to the profiles."""
        both = self.profiles + positives(events, self.n_users, self.n_items)
        self._profile(self._likes(both.nonzero()))

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return the (user, item) pairs of the likes fitted on and of the profiles."""
        return {
            "fitted": np.array(self.fitted.nonzero(), np.int32),
            "profiles": np.array(self.profiles.nonzero(), np.int32),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Fit again on the likes of the state, and take its profiles."""
        self._fit(self._likes(state["fitted"]))
        self._profile(self._likes(state["profiles"]))

    def _learn(self, liked: csr_matrix) -> None:
        self.fitted = liked
        self._learn_weights(liked)
        self._profile(liked)

    def _likes(self, pairs: Sequence[Rows] | NDArray[Any]) -> csr_matrix:
        users, items = pairs
        return binary(users, items, self.n_users, self.n_items)

    def _profile(self, profiles: csr_matrix) -> None:
        self.profiles = profiles
        self.warm = np.diff(profiles.indptr) > 0

    @abstractmethod
    def _learn_weights(self, liked: csr_matrix) -> None:
        """Learn the weights from positives, shape (n_users, n_items)."""


class ItemKNN(ItemToItemRecommender):
    """Item neighbourhoods by shrunk cosine similarity.

    Sarwar et al. (2001), "Item-based collaborative filtering recommendation algorithms", with the
    shrinkage of Ferrari Dacrema et al. (2019), "Are we really making much progress?":
    sim(i, j) = n_ij / (sqrt(n_i n_j) + shrinkage). Each item i is scored by its `neighbours` best.
    """

    class Config(Settings):
        """The defaults suit data of MovieLens 100K's size."""

        neighbours: int = Field(100, ge=1)
        """Neighbours kept for each item."""
        shrinkage: float = Field(10.0, ge=0)
        """Added to the denominator: lowers the similarity of pairs with few common users."""

    config: Config
    weights: csr_matrix
    """From the items of the profile (rows) to the items that are scored, (n_items, n_items)."""

    def _affinities(self, users: IntArray) -> NDArray[Any]:
        return np.asarray((self.profiles[users] @ self.weights).toarray())

    def _learn_weights(self, liked: csr_matrix) -> None:
        lengths = np.sqrt(column_counts(liked))
        transposed = liked.T.tocsr()
        rows, columns, values = [], [], []
        chunk = max(1, CHUNK_CELLS // self.n_items)
        for start in range(0, self.n_items, chunk):
            items = np.arange(start, min(start + chunk, self.n_items))
            report_progress("similar items", start + len(items), self.n_items)
            together = (transposed[items] @ liked).toarray().astype(np.float64)
            together[np.arange(len(items)), items] = 0
            scale = lengths[items, None] * lengths + self.config.shrinkage
            similarity = np.divide(together, scale, out=together, where=together > 0)
            best = top_k(similarity, self.config.neighbours)
            of, rank = np.nonzero(best.scores > 0)
            rows.append(best.items[of, rank])
            columns.append(items[of])
            values.append(best.scores[of, rank])
        pairs = (np.concatenate(rows), np.concatenate(columns))
        size = (self.n_items, self.n_items)
        self.weights = csr_matrix((np.concatenate(values), pairs), shape=size)


class EASE(ItemToItemRecommender):
    """The linear autoencoder with a zero diagonal, in closed form.

    Steck (2019), "Embarrassingly shallow autoencoders for sparse data", equation 8:
    P = (X'X + lambda I)^-1 and B_ij = -P_ij / P_jj off the diagonal. Dense in the items: time grows
    with the cube and memory with the square of the number of items with a like.
    """

    class Config(Settings):
        """The default suits data of MovieLens 100K's size."""

        regularization: float = Field(200.0, gt=0)
        """The penalty lambda on the squared weights."""
        most_items: int = Field(25_000, ge=1)
        """Items with a like that a fit takes at most. With so many it needs 20 GB of memory."""

    config: Config
    active: IntArray
    """Items with a like, ascending. The others have no weight to or from any item."""
    weights: NDArray[Any]
    """From the items of the profile (rows) to those that are scored, both of `active`."""

    def _affinities(self, users: IntArray) -> NDArray[Any]:
        scores = np.zeros((len(users), self.n_items))
        scores[:, self.active] = self.profiles[users][:, self.active] @ self.weights
        return scores

    def _learn_weights(self, liked: csr_matrix) -> None:
        active = np.flatnonzero(column_counts(liked))
        if len(active) > self.config.most_items:
            raise DataError(
                f"ease keeps a weight for each pair of items: a fit on {len(active):,} items needs "
                f"{4 * 8 * len(active) ** 2 / 1e9:,.0f} GB of memory, and takes at most "
                f"{self.config.most_items:,} items",
                hint="use als or item-knn, or raise recommender.most_items",
            )
        some = liked[:, active].astype(np.float64)
        gram = (some.T @ some).toarray()
        np.fill_diagonal(gram, gram.diagonal() + self.config.regularization)
        inverse = np.linalg.inv(gram)
        learned = -inverse / inverse.diagonal()
        np.fill_diagonal(learned, 0)
        self.active, self.weights = active, learned
