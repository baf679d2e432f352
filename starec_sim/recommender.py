"""The protocol of a recommender, which learns from what users do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from starec_sim.dataset import Interactions
from starec_sim.types import FloatArray, IntArray


class Slates(NamedTuple):
    """Recommendations for several users."""

    items: IntArray
    """Shape (users, k), best first; -1 where the catalogue ran out."""
    scores: FloatArray
    """Shape (users, k): the recommender's own score of each item; -inf beside -1."""


class Recommender(Protocol):
    """Learns from a log, recommends and scores items, and can be saved.

    A recommender is built as `Class(config, n_users=..., n_items=..., seed=...)`, where `config` is
    an instance of its pydantic model `Class.Config`. The same log and seed must give the same
    recommendations: results have to be reproducible to the bit.
    """

    def fit(self, log: Interactions) -> None:
        """Learn from the whole log, forgetting what was learned before."""
        ...

    def recommend(
        self, users: IntArray, k: int, seen: csr_matrix, rng: np.random.Generator
    ) -> Slates:
        """Return k items for each of the users, none of which the user has seen.

        Args:
            users: Rows of users, shape (n,).
            k: Items wanted for each.
            seen: Shape (n_users, n_items) of the whole population; nonzero where an item must not
                be shown to the user again.
            rng: The only source of randomness allowed here.
        """
        ...

    def score(self, users: IntArray, items: IntArray) -> FloatArray:
        """Return the scores of given items, seen or not, for each user.

        Scores depend only on what was learned. Evaluation uses them to order candidate lists. They
        are compared only within a row.

        Args:
            users: Rows of users, shape (n,).
            items: Shape (n, k): the items to score for each; -1 where a list is shorter.

        Returns:
            Shape (n, k), higher is better, equal where the recommender has no opinion; -inf
            beside -1, finite elsewhere.
        """
        ...

    def observe(self, events: Interactions) -> None:
        """Take in new events between two fits. Must be cheap, and may do nothing."""
        ...

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return everything `restore` needs to recommend exactly as now."""
        ...

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Become the recommender that returned this state."""
        ...
