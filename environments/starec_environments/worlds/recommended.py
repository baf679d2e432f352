"""A world whose pages a recommender of the configuration fills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from starec_sim import plugins
from starec_sim.dataset import Interactions
from starec_sim.plugins import Spec, Uses, spec_or
from starec_sim.recommender import Recommender
from starec_sim.settings import Settings
from starec_sim.types import FloatArray, Visit
from starec_sim.world import World


class RecommendedWorld(World):
    """A world with a recommender that learns after each round.

    `set_up` calls `start_recommender`. Then `self.ranked` holds the items for each visitor of the
    round, best first, and `after_round` appends to the log with `log`.
    """

    class Config(Settings):
        """Settings of the recommender."""

        recommender: Annotated[Spec, spec_or("item-knn"), Uses("recommenders")] = Field(
            default={"use": "item-knn"}
        )
        """Ranks the items for each user, and learns from what users do."""

    ranked: Mapping[int, Sequence[int]]
    _recommender: Recommender

    def start_recommender(self) -> None:
        """Build the recommender, with an empty log. Users and items must be set."""
        plugin = plugins.configure(
            "recommenders", self.config.recommender, "environment.recommender"
        )
        self._recommender = plugin.build(
            n_users=len(self.users),
            n_items=len(self.items),
            seed=self.streams.integer("recommender"),
        )
        self.kept["log"] = np.zeros((0, 3))
        self.ranked = {}
        self._fitted = -1

    def log(self, rows: Sequence[tuple[int, int, float]]) -> None:
        """Append to the log: user, item, and stars from 1 to 5; above 3 is a like."""
        new = np.array(rows, np.float64).reshape(-1, 3)
        self.kept["log"] = np.concatenate([self.kept["log"], new])

    def hidden(self) -> NDArray[np.bool_]:
        """Return what must not be recommended in this round, shape (users, items); nothing."""
        return np.zeros((len(self.users), len(self.items)), np.bool_)

    def begin_round(self, round: int) -> Sequence[int]:
        """Let the recommender rank all items for each visitor."""
        from scipy.sparse import csr_matrix  # takes a tenth of a second to import

        visitors = super().begin_round(round)
        self._fit(self.kept["log"])
        slates = self._recommender.recommend(
            np.array(visitors, np.int64),
            len(self.items),
            csr_matrix(self.hidden()),
            self.streams.stream("recommend", round=round),
        )
        self.ranked = {
            user: row[row >= 0].tolist()
            for user, row in zip(visitors, slates.items, strict=True)
            if (row >= 0).any()
        }
        return list(self.ranked)  # who can be shown nothing does not visit

    def _fit(self, log: FloatArray) -> None:
        if self._fitted == len(log):
            return
        users, items = log[:, :2].astype(np.int64).T
        # The place in the log stands for the time.
        self._recommender.fit(Interactions(users, items, log[:, 2], np.arange(len(log))))
        self._fitted = len(log)

    def after_round(self, visits: Sequence[Visit]) -> Mapping[str, float]:
        """Log what every user liked and disliked."""
        self.log(
            [
                (visit.user, lived.item, 5.0 if lived.liked else 1.0)
                for visit in visits
                for step in visit.steps
                for lived in step.feedback.experiences
            ]
        )
        return {}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Continue with the log of a state; the recommender is fitted when a round begins."""
        super().restore(state)
        self._fitted = -1
