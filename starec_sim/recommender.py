"""The protocol of a recommender, which learns from what users do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from starec_sim.dataset import Interactions
from starec_sim.types import FloatArray, IntArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix  # takes a tenth of a second to import


class Slates(NamedTuple):
    """Recommendations for several users."""

    items: IntArray
    """Shape (users, k), best first; -1 if too few items are left."""
    scores: FloatArray
    """Shape (users, k): the recommender's own score of each item; -inf beside -1."""


class Recommender(Protocol):
    """Learns from a log, recommends and scores items, and can be saved.

    A recommender is built as `Class(config, n_users=..., n_items=..., seed=...)`, where `config` is
    an instance of its pydantic model `Class.Config`. The same log and seed must give exactly the
    same recommendations.
    """

    def fit(self, log: Interactions) -> None:
        """Learn from a log, and forget everything learned before."""
        ...

    def recommend(
        self, users: IntArray, k: int, seen: csr_matrix, rng: np.random.Generator
    ) -> Slates:
        """Return k items for each user, without items that the user has seen.

        Args:
            users: Rows of users, shape (n,).
            k: Number of items for each user.
            seen: Shape (n_users, n_items), for all users; nonzero if an item must not be shown
                to the user again.
            rng: The only source of randomness that may be used.
        """
        ...

    def score(self, users: IntArray, items: IntArray) -> FloatArray:
        """Return the scores of given items, seen or not, for each user.

        Scores depend only on what was learned. An evaluation orders candidate lists by them. Only
        scores of one row are compared.

        Args:
            users: Rows of users, shape (n,).
            items: Shape (n, k): the items to score for each; -1 where a list is shorter.

        Returns:
            Shape (n, k), higher is better, equal for items that the recommender cannot tell apart;
            -inf for -1, finite elsewhere.
        """
        ...

    def observe(self, events: Interactions) -> None:
        """Update with new events between two fits. Must be fast, and may do nothing."""
        ...

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return everything that `restore` needs to recommend exactly as now."""
        ...

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Set the state to one that `state` returned."""
        ...
