"""Where rankings placed the answers, and what that is worth for each user."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from starec_sim import metrics
from starec_sim.types import FloatArray, IntArray


class RankRange(NamedTuple):
    """The answer's rank in every list, between a best and a worst one.

    The two differ where a score ties the answer with others. Then each rank between them is
    equally likely, and what a metric counts is its expectation over all orders of the tied items:
    a model that scores everything alike earns what chance earns, whatever the lists' order.
    """

    best: FloatArray
    """Shape (users, draws), from 1; NaN where the ranking lacked the answer."""
    worst: FloatArray
    """The same shape; equal to `best` where nothing ties."""

    @classmethod
    def of_scores(cls, scores: FloatArray, lists: IntArray, answers: IntArray) -> RankRange:
        """Rank the items of lists by their scores.

        Args:
            scores: Shape (users, draws, candidates), higher is better; never NaN.
            lists: The items, same shape.
            answers: Shape (users,).
        """
        assert scores.shape == lists.shape, (scores.shape, lists.shape)
        hit = lists == answers[:, None, None]
        assert (hit.sum(axis=2) == 1).all(), "each list holds its answer once"
        assert not np.isnan(scores).any(), "a score is a number"
        own = np.where(hit, scores, -np.inf).max(axis=2, keepdims=True)
        better, level = (scores > own).sum(axis=2), (scores == own).sum(axis=2)
        return cls(better + 1.0, (better + level).astype(np.float64))

    @property
    def missing(self) -> int:
        """How many rankings lacked the answer."""
        return int(np.isnan(self.best).sum())

    @property
    def tied(self) -> int:
        """In how many rankings the answer tied with another item."""
        return int((self.worst > self.best).sum())

    def values(self, cuts: Sequence[int], candidates: int) -> dict[str, FloatArray]:
        """Return every metric as one value per user: the mean over her draws."""
        ranks = np.arange(1.0, candidates + 1)
        by_rank = {
            **{f"ndcg@{k}": metrics.ndcg(ranks, k) for k in cuts},
            **{f"hr@{k}": metrics.hit_rate(ranks, k) for k in cuts},
            "mrr": metrics.reciprocal_rank(ranks),
        }
        return {name: self._expected(earned) for name, earned in by_rank.items()}

    def _expected(self, earned: FloatArray) -> FloatArray:
        """Return the mean of what the possible ranks earn, per user; a missing answer earns 0."""
        total = np.concatenate([[0.0], np.cumsum(earned)])
        there = ~np.isnan(self.best)
        best = np.where(there, self.best, 1).astype(np.int64)
        worst = np.where(there, self.worst, 1).astype(np.int64)
        mean = (total[worst] - total[best - 1]) / (worst - best + 1)
        expected: FloatArray = np.where(there, mean, 0.0).mean(axis=1)
        return expected
