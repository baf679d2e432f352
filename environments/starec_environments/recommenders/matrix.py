"""What the recommenders share: the log as a matrix, and the best k of a matrix of scores.

Recommenders learn from *positives*: items that the user rated above `LIKED_ABOVE`, or consumed
without a rating. All of them show popular items to a user without a positive. If there is no
positive at all, these are the first items of the catalogue.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from starec_sim.dataset import Interactions
from starec_sim.errors import ContractError
from starec_sim.progress import report_progress
from starec_sim.recommender import Slates
from starec_sim.types import LIKED_ABOVE, FloatArray, IntArray

Rows = NDArray[np.integer[Any]]
"""Rows of users or items, in the integer type of `scipy.sparse`."""

CHUNK_CELLS = 2**20
"""Scores held at once while recommending: 8 MiB, for any number of users."""

ONE_THREAD = 1
"""Threads of BLAS. It splits and rounds a product differently for every number of threads, so
results that must be equal to the bit are computed on one."""


def positives(log: Interactions, n_users: int, n_items: int) -> csr_matrix:
    """Return which users liked which items.

    Args:
        log: Events; an event is positive when its rating is above `LIKED_ABOVE` or NaN.
        n_users: Rows of the matrix.
        n_items: Columns of the matrix.

    Returns:
        Shape (n_users, n_items), float32, 1 where the user has a positive event with the item.
    """
    liked = ~(log.ratings <= LIKED_ABOVE)
    return binary(log.users[liked], log.items[liked], n_users, n_items)


def binary(users: Rows, items: Rows, n_users: int, n_items: int) -> csr_matrix:
    """Return a float32 matrix of shape (n_users, n_items) with a 1 at each (user, item)."""
    ones = np.ones(len(users), np.float32)
    matrix = csr_matrix((ones, (users, items)), shape=(n_users, n_items))
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def column_counts(matrix: csr_matrix) -> FloatArray:
    """Return how many entries each column of a binary matrix has."""
    return np.bincount(matrix.indices, minlength=matrix.shape[1]).astype(np.float64)


def top_k(scores: NDArray[Any], k: int) -> Slates:
    """Return the k best columns of each row; of equal scores the lower column comes first.

    Args:
        scores: Shape (n, items); -inf where an item must not be returned, never NaN.
        k: Columns wanted, at least 1; positions that cannot be filled hold item -1, score -inf.
    """
    n, n_items = scores.shape
    width = min(k, n_items)
    # A partition finds the k-th best score in linear time, but breaks ties in no fixed order. So it
    # only gives the threshold: all above it are kept, and the first of those that equal it.
    threshold = np.partition(scores, n_items - width, axis=1)[:, n_items - width, None]
    best_of_row = scores >= threshold
    surplus = np.count_nonzero(best_of_row, axis=1) - width
    if surplus.any():  # more columns than are wanted, because some equal the threshold
        rows, columns = np.nonzero(scores == threshold)
        ends = np.bincount(rows, minlength=n).cumsum()
        dropped = np.arange(len(rows)) >= (ends - surplus)[rows]
        best_of_row[rows[dropped], columns[dropped]] = False
    chosen = np.nonzero(best_of_row)[1].reshape(n, width)
    values = np.take_along_axis(scores, chosen, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")

    best = np.full((n, k), -np.inf)
    best[:, :width] = np.take_along_axis(values, order, axis=1)
    items = np.full((n, k), -1, np.int64)
    items[:, :width] = np.take_along_axis(chosen, order, axis=1)
    items[np.isneginf(best)] = -1
    return Slates(items, best)


def _check_lists(users: IntArray, items: IntArray) -> None:
    """Raise an error unless there is one list for each user."""
    if items.ndim != 2 or len(items) != len(users):
        raise ContractError(
            f"score() got {len(users)} users and items of shape {items.shape}",
            hint="give items of shape (users, k), with -1 where a list is shorter",
        )


class ScoringRecommender(ABC):
    """A recommender that gives every item a score and shows the best.

    Args:
        config: An instance of the class's `Config`.
        n_users: Users in the population.
        n_items: Items in the catalogue.
        seed: Of the random numbers of a fit. Every fit starts from it again.
    """

    config: Any

    def __init__(self, config: Any, *, n_users: int, n_items: int, seed: int) -> None:
        self.config = config
        self.n_users = n_users
        self.n_items = n_items
        self.seed = seed

    @abstractmethod
    def fit(self, log: Interactions) -> None:
        """Learn from the whole log, forgetting what was learned before."""

    def recommend(
        self, users: IntArray, k: int, seen: csr_matrix, rng: np.random.Generator
    ) -> Slates:
        """Return the k unseen items with the highest scores for each user, see `Recommender`."""
        parts = []
        for some in self._chunks(len(users)):
            scores = self._scores(users[some], rng)
            scores[seen[users[some]].nonzero()] = -np.inf
            parts.append(top_k(scores, k))
            report_progress("recommending, user", min(some.stop, len(users)), len(users))
        return Slates(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def score(self, users: IntArray, items: IntArray) -> FloatArray:
        """Return the scores of given items for each user, see `Recommender`."""
        _check_lists(users, items)
        scores = np.full(items.shape, -np.inf)
        for some in self._chunks(len(users)):
            of_all = self._scores(users[some], None)
            wanted = items[some]
            of_wanted = np.take_along_axis(of_all, np.maximum(wanted, 0), axis=1)
            scores[some] = np.where(wanted < 0, -np.inf, of_wanted)
        return scores

    def observe(self, events: Interactions) -> None:  # noqa: B027 (a default, not a gap)
        """Do nothing: the events count from the next fit on."""

    @abstractmethod
    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return everything `restore` needs to recommend exactly as now."""

    @abstractmethod
    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Continue as the recommender that returned this state."""

    def _chunks(self, count: int) -> Iterator[slice]:
        """Yield slices over users that keep a matrix of scores small; one slice without users."""
        chunk = max(1, CHUNK_CELLS // self.n_items)
        for start in range(0, max(count, 1), chunk):
            yield slice(start, start + chunk)

    @abstractmethod
    def _scores(self, users: IntArray, rng: np.random.Generator | None) -> NDArray[Any]:
        """Return new scores of shape (len(users), n_items), finite; the caller overwrites them.

        Except through `rng`, the scores of a user must not depend on the other users. `score`
        passes no `rng`.
        """


class PersonalRecommender(ScoringRecommender):
    """A recommender with a model of each user. Users without likes are shown popular items."""

    popularity: FloatArray
    """Users who like each item, shape (n_items,)."""
    warm: NDArray[np.bool_]
    """Whether the model knows a positive of the user, shape (n_users,)."""

    def __init__(self, config: Any, *, n_users: int, n_items: int, seed: int) -> None:
        super().__init__(config, n_users=n_users, n_items=n_items, seed=seed)
        self.fit(Interactions.empty())

    def fit(self, log: Interactions) -> None:
        """Learn from the positives of the whole log, forgetting what was learned before."""
        self._fit(positives(log, self.n_users, self.n_items))

    def _fit(self, liked: csr_matrix) -> None:
        self._count(liked)
        with threadpool_limits(ONE_THREAD):
            self._learn(liked)

    def _count(self, liked: csr_matrix) -> None:
        """Count who likes what, for users without likes."""
        self.popularity = column_counts(liked)
        self.warm = np.diff(liked.indptr) > 0

    def _scores(self, users: IntArray, rng: np.random.Generator | None) -> NDArray[Any]:
        scores = self._affinities(users)
        scores[~self.warm[users]] = self.popularity
        return scores

    @abstractmethod
    def _learn(self, liked: csr_matrix) -> None:
        """Fit to the positives, shape (n_users, n_items); there may be none at all."""

    @abstractmethod
    def _affinities(self, users: IntArray) -> NDArray[Any]:
        """Return new scores, shape (len(users), n_items). Users without likes are ignored."""
