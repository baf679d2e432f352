"""A recommender whose slate for one user comes from outside.

It stands in the place of the experiment's recommender, which goes on learning behind it: it chooses
the candidates that the outside agent is offered, and the slates of all other users.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from starec_sim import plugins
from starec_sim.dataset import Interactions
from starec_sim.plugins import Spec, Uses
from starec_sim.recommender import Recommender, Slates
from starec_sim.settings import Settings
from starec_sim.types import FloatArray, IntArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix  # takes a tenth of a second to import

_EXCHANGES: WeakValueDictionary[str, SlateExchange] = WeakValueDictionary()


class SlateExchange:
    """What the recommender tells of one user, and the slate that it is to show her.

    An environment builds its recommender itself, so both find the exchange by its name.

    Args:
        name: Its name, in the settings of the recommender.
        candidates: How many candidates are offered, at least as many as a slate holds.
    """

    def __init__(self, name: str, candidates: int) -> None:
        self.user = -1
        """The row of the user."""
        self.slate: tuple[int, ...] | None = None
        """Shown in place of the recommender's own slate; None while there is none."""
        self.size = 0
        """How many items a slate holds."""
        self.candidates: list[int] = []
        """The items that the recommender holds best, best first."""
        self.seen: set[int] = set()
        """Items that must not be shown."""
        self.wanted = candidates
        _EXCHANGES[name] = self


class SlateFromOutside:
    """Shows one user the slate of a `SlateExchange`, and everybody else those of a recommender."""

    class Config(Settings):
        """Settings of the recommender."""

        exchange: str
        """The name of the exchange."""
        candidates_from: Annotated[Spec, Uses("recommenders")] = Field()
        """The recommender behind this one."""

    def __init__(self, config: Config, *, n_users: int, n_items: int, seed: int) -> None:
        self._exchange = _EXCHANGES[config.exchange]
        behind = plugins.configure(
            "recommenders", config.candidates_from, "environment.recommender"
        )
        self._behind: Recommender = behind.build(n_users=n_users, n_items=n_items, seed=seed)
        self._n_items = n_items

    def fit(self, log: Interactions) -> None:
        """Let the recommender behind learn from a log."""
        self._behind.fit(log)

    def recommend(
        self, users: IntArray, k: int, seen: csr_matrix, rng: np.random.Generator
    ) -> Slates:
        """Return slates, that of the one user from outside; tell the exchange of her."""
        exchange = self._exchange
        wanted = min(max(k, exchange.wanted), self._n_items)
        slates = self._behind.recommend(users, wanted, seen, rng)
        rows = np.flatnonzero(users == exchange.user)
        items, scores = slates.items[:, :k].copy(), slates.scores[:, :k].copy()
        if len(rows):
            row = int(rows[0])
            best = slates.items[row]
            exchange.candidates = best[best >= 0].tolist()
            exchange.size = int((items[row] >= 0).sum())
            exchange.seen = set(seen[exchange.user].nonzero()[1].tolist())
            if exchange.slate is not None:
                items[row, : exchange.size] = exchange.slate
                # Nobody outside gives scores; these keep the order.
                scores[row, : exchange.size] = -np.arange(exchange.size)
        return Slates(items, scores)

    def score(self, users: IntArray, items: IntArray) -> FloatArray:
        """Return the scores of the recommender behind."""
        return self._behind.score(users, items)

    def observe(self, events: Interactions) -> None:
        """Let the recommender behind learn from new events."""
        self._behind.observe(events)

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return the state of the recommender behind."""
        return self._behind.state()

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore the recommender behind."""
        self._behind.restore(state)
