"""Vectors of users and items; matrix factorisation, by the `implicit` library on one CPU thread."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from implicit.cpu.bpr import BayesianPersonalizedRanking
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from starec_environments.recommenders.matrix import (
    ONE_THREAD,
    PersonalRecommender,
    Rows,
    binary,
    positives,
)
from starec_sim.dataset import Interactions
from starec_sim.settings import Settings
from starec_sim.types import IntArray


class FactorRecommender(PersonalRecommender):
    """Scores an item for a user by the inner product of their factors."""

    user_factors: NDArray[np.float32]
    """Shape (n_users, factors)."""
    item_factors: NDArray[np.float32]
    """Shape (n_items, factors)."""

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return the factors, and what users without likes are shown."""
        return {
            "user_factors": self.user_factors,
            "item_factors": self.item_factors,
            "popularity": self.popularity,
            "warm": self.warm,
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take the factors from a state."""
        self.user_factors = np.array(state["user_factors"])
        self.item_factors = np.array(state["item_factors"])
        self.popularity = np.array(state["popularity"])
        self.warm = np.array(state["warm"])

    def _zero_factors(self) -> None:
        self.user_factors = np.zeros((self.n_users, 1), np.float32)
        self.item_factors = np.zeros((self.n_items, 1), np.float32)

    def _affinities(self, users: IntArray) -> NDArray[Any]:
        # Not a BLAS product: the rounding for one user may depend on how many users there are.
        return np.asarray(np.einsum("uf,if->ui", self.user_factors[users], self.item_factors))


class MatrixFactorisation(FactorRecommender):
    """Factors from a model of the library `implicit`."""

    def _learn(self, liked: csr_matrix) -> None:
        if liked.nnz == 0:  # the samplers of `implicit` have nothing to draw from
            self._zero_factors()
            return
        model = self._model()
        model.fit(liked, show_progress=False)
        self.user_factors = model.user_factors
        self.item_factors = model.item_factors

    @abstractmethod
    def _model(self) -> Any:
        """Return the library's model, unfitted. It is built and fitted on one thread."""


class ALS(MatrixFactorisation):
    """Weighted matrix factorisation by alternating least squares.

    Hu, Koren, Volinsky (2008), "Collaborative filtering for implicit feedback datasets". An item
    without positives has zero factors, hence score 0.
    """

    class Config(Settings):
        """The defaults suit data of MovieLens 100K's size."""

        factors: int = Field(32, ge=1)
        """Length of the vector of a user and of an item."""
        iterations: int = Field(15, ge=1)
        """Passes over the log at a fit."""
        regularization: float = Field(0.1, ge=0)
        """The penalty lambda on the squared norm of the factors."""
        alpha: float = Field(1.0, gt=0)
        """The confidence in a positive; anything else has confidence 1."""
        learn_between_fits: bool = False
        """Whether new likes change factors before the next fit: those of the users and items that
        have them, computed once from all of their likes. The likes are then part of the state."""

    config: Config
    liked: csr_matrix
    """The likes of the last fit and those observed since, shape (n_users, n_items). It is kept only
    with `learn_between_fits`."""

    def observe(self, events: Interactions) -> None:
        """Compute the factors of users and items with new likes again, if the settings say so."""
        if not self.config.learn_between_fits:
            return
        new = positives(events, self.n_users, self.n_items)
        if new.nnz == 0:
            return
        liked = self._likes(*(self.liked + new).nonzero())
        if not self.item_factors.any():  # nothing to begin with
            self._fit(liked)
            return
        users, items = map(np.unique, new.nonzero())
        self._count(liked)
        with threadpool_limits(ONE_THREAD):
            model = self._model()
            model.user_factors = self.user_factors.copy()
            model.item_factors = self.item_factors.copy()
            model.partial_fit_users(users, liked[users])
            model.partial_fit_items(items, liked.T.tocsr()[items])
        self.user_factors, self.item_factors = model.user_factors, model.item_factors
        self.liked = liked

    def _learn(self, liked: csr_matrix) -> None:
        super()._learn(liked)
        if self.config.learn_between_fits:
            self.liked = liked

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return the factors, and the (user, item) pairs of likes that are kept."""
        if not self.config.learn_between_fits:
            return super().state()
        return {**super().state(), "liked": np.array(self.liked.nonzero(), np.int32)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take factors and likes from a state."""
        super().restore(state)
        if self.config.learn_between_fits:
            self.liked = self._likes(*state["liked"])

    def _likes(self, users: Rows, items: Rows) -> csr_matrix:
        return binary(users, items, self.n_users, self.n_items)

    def _model(self) -> AlternatingLeastSquares:
        return AlternatingLeastSquares(
            factors=self.config.factors,
            iterations=self.config.iterations,
            regularization=self.config.regularization,
            alpha=self.config.alpha,
            num_threads=1,
            random_state=self.seed,
        )


class BPR(MatrixFactorisation):
    """Matrix factorisation for pairwise ranking, by stochastic gradient descent.

    Rendle et al. (2009), "BPR: Bayesian personalized ranking from implicit feedback". Negatives are
    drawn by popularity; the last factor is the item's bias. An item without positives has zero
    factors, hence score 0: below what a user seems to like, above what she seems to avoid.
    """

    class Config(Settings):
        """The defaults suit data of MovieLens 100K's size."""

        factors: int = Field(64, ge=1)
        """Length of the vector of a user and of an item."""
        iterations: int = Field(40, ge=1)
        """Passes over the positives. More passes fit the log better and predict the next item
        worse."""
        learning_rate: float = Field(0.03, gt=0)
        """Step size of the stochastic gradient descent."""
        regularization: float = Field(0.01, ge=0)
        """Weight of the L2 penalty on the vectors."""

    config: Config

    def _model(self) -> BayesianPersonalizedRanking:
        return BayesianPersonalizedRanking(
            factors=self.config.factors,
            iterations=self.config.iterations,
            learning_rate=self.config.learning_rate,
            regularization=self.config.regularization,
            num_threads=1,
            random_state=self.seed,
        )
