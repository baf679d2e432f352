"""The true ratings of items by users: logged ones where there are any, else those of a world.

The world is that of the dataset where the data was generated. Otherwise it is a model that was
fitted on all real ratings.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from starec_environments.datasets.files_read import NOT_READ
from starec_sim.dataset import Dataset, GroundTruth, Interactions
from starec_sim.errors import DataError
from starec_sim.types import FloatArray, IntArray

ITERATIONS = 20
"""With so many, the error on a held-out fifth of MovieLens 100K is that of an exact SVD (RMSE
0.924; the damped means alone have 0.944, the mean of the user 1.044)."""


class Truth:
    """The stars that users would give to items.

    Args:
        dataset: Has a world, or ratings to which one is fitted.
        rows: The dataset's rows of the users who take part, shape (users,).
        hidden: The part of their logs that is not known; users are counted among those who take
            part.

    Raises:
        DataError: The dataset has neither a world nor ratings.
    """

    def __init__(self, dataset: Dataset, rows: IntArray, hidden: Interactions) -> None:
        self._rows = rows
        self._n_items = len(dataset.items)
        self._world: GroundTruth = dataset.world or FittedWorld(dataset)
        self.source = self._world.source
        """Where a rating comes from that was not logged, see `Experience.source`."""
        there = ~np.isnan(hidden.ratings) & (dataset.world is None)
        pairs = hidden.users[there] * self._n_items + hidden.items[there]
        order = np.argsort(pairs)
        self._logged = pairs[order]
        self._ratings = hidden.ratings[there][order]

    @property
    def n_logged(self) -> int:
        """How many ratings are known from the log."""
        return len(self._logged)

    def of(self, user: int, items: IntArray, round: int) -> tuple[FloatArray, NDArray[np.bool_]]:
        """Return the stars of each item for a user in a round, and whether they were logged."""
        stars = np.rint(self._world.ratings(int(self._rows[user]), items, round))
        if not self.n_logged:
            return stars, np.zeros(len(items), bool)
        pairs = user * self._n_items + items
        at = np.searchsorted(self._logged, pairs).clip(max=self.n_logged - 1)
        logged = self._logged[at] == pairs
        return np.where(logged, self._ratings[at], stars), logged


class FittedWorld:
    """Predicts the rating a real user would give to an item she never rated.

    Damped user and item means (Koren 2009, "Matrix factorization techniques for recommender
    systems", eq. 3) plus a truncated SVD of the residuals with unknown entries at zero (PureSVD:
    Cremonesi et al. 2010). Deterministic. Its ratings have the source `model`.

    Args:
        dataset: Its ratings are fitted; interactions without a rating are ignored.
        factors: Rank of the SVD; less where users or items are fewer.
        damping: Ratings at the mean that are added to those of each user and each item.

    Raises:
        DataError: The dataset holds no ratings.
    """

    source = "model"

    def __init__(self, dataset: Dataset, *, factors: int = 16, damping: float = 10.0) -> None:
        log = dataset.log
        shape = (len(dataset.users), len(dataset.items))
        rated = ~np.isnan(log.ratings)
        if not rated.any():
            raise DataError(
                f"{dataset.name} holds no ratings, so nothing says how a user would like an item "
                "that she did not choose",
                hint=_without_ratings_hint(dataset),
            )
        users, items, ratings = log.users[rated], log.items[rated], log.ratings[rated]
        self._mean = float(ratings.mean())
        residual = ratings - self._mean
        self._item = _damped_mean(items, residual, shape[1], damping)
        residual = residual - self._item[items]
        self._user = _damped_mean(users, residual, shape[0], damping)
        residual = residual - self._user[users]
        self._left, self._right = _factors(csr_matrix((residual, (users, items)), shape), factors)

    def ratings(self, user: int, items: IntArray, round: int) -> FloatArray:
        """Return predicted stars, which are the same in every round."""
        # Not a BLAS product: the rounding for one item may depend on which other items there are.
        match = (self._left[user][:, None] * self._right[:, items]).sum(axis=0)
        predicted = self._mean + self._item[items] + self._user[user] + match
        return np.asarray(np.clip(predicted, 1.0, 5.0))


def _without_ratings_hint(dataset: Dataset) -> str:
    """Return what to do about data without ratings; columns that were not read may hold some."""
    ranking = "use the environment `ranking`, which needs choices alone"
    ignored = [read.partition(NOT_READ)[2] for read in dataset.files.values() if NOT_READ in read]
    if not ignored:
        return f"{ranking}, or data with ratings"
    first = ignored[0].partition(",")[0].strip()
    return (
        f"{ranking}; or, if {first} says how much a user liked an item, read it: --set "
        f"data.columns.rating={first} --set data.liked_from=N, of which N and more is a like"
    )


def _damped_mean(rows: IntArray, values: FloatArray, count: int, damping: float) -> FloatArray:
    sums = np.bincount(rows, values, minlength=count)
    return np.asarray(sums / (np.bincount(rows, minlength=count) + damping))


def _factors(matrix: csr_matrix, factors: int) -> tuple[FloatArray, FloatArray]:
    """Return the truncated SVD as a product of two factors, shapes (rows, k) and (k, columns).

    By subspace iteration (Halko, Martinsson, Tropp 2011, algorithm 4.4) and not by ARPACK. ARPACK
    fails when its starting vector is in the null space, which happens once the means are
    subtracted, and draws a random vector where the rank is lower than `factors`.
    """
    columns = matrix.shape[1]
    start = np.random.default_rng(0).standard_normal((columns, min(factors, *matrix.shape)))
    with threadpool_limits(1):
        basis = np.linalg.qr(start)[0]
        for _ in range(ITERATIONS):
            basis = np.linalg.qr(matrix.T @ (matrix @ basis))[0]
    return np.asarray(matrix @ basis), basis.T
