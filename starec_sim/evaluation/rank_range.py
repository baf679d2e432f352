"""The ranks of the answers, with ties, and the metrics of each user."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from starec_sim import metrics
from starec_sim.types import FloatArray, IntArray


class RankRange(NamedTuple):
    """The best and the worst rank of the answer in every candidate list.

    They differ if the answer has the same score as other items. Each rank between them is then
    equally likely, and a metric is the expected value over all orders of the tied items. So a model
    with equal scores for all items has the same metrics as a random order.
    """

    best: FloatArray
    """Shape (users, draws), from 1; NaN if the answer is missing from the ranking."""
    worst: FloatArray
    """The same shape; equal to `best` without ties."""

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
        assert (hit.sum(axis=2) == 1).all(), "each list must hold its answer once"
        assert not np.isnan(scores).any(), "scores must not be NaN"
        own = np.where(hit, scores, -np.inf).max(axis=2, keepdims=True)
        better, level = (scores > own).sum(axis=2), (scores == own).sum(axis=2)
        return cls(better + 1.0, (better + level).astype(np.float64))

    @property
    def missing(self) -> int:
        """Number of rankings without the answer."""
        return int(np.isnan(self.best).sum())

    @property
    def tied(self) -> int:
        """Number of rankings in which the answer is tied with another item."""
        return int((self.worst > self.best).sum())

    def values(self, cuts: Sequence[int], candidates: int) -> dict[str, FloatArray]:
        """Return NDCG@k, HR@k and MRR by name, each of shape (users,): means over candidate lists.

        Args:
            cuts: The k of NDCG@k and HR@k.
            candidates: Items of a candidate list.
        """
        ranks = np.arange(1.0, candidates + 1)
        by_rank = {
            **{f"ndcg@{k}": metrics.ndcg(ranks, k) for k in cuts},
            **{f"hr@{k}": metrics.hit_rate(ranks, k) for k in cuts},
            "mrr": metrics.reciprocal_rank(ranks),
        }
        return {name: self._expected(values) for name, values in by_rank.items()}

    def _expected(self, by_rank: FloatArray) -> FloatArray:
        """Return the mean value over the possible ranks, shape (users,); a missing answer counts 0.

        Args:
            by_rank: The value of a metric at each rank, shape (candidates,).
        """
        total = np.concatenate([[0.0], np.cumsum(by_rank)])
        present = ~np.isnan(self.best)
        best = np.where(present, self.best, 1).astype(np.int64)
        worst = np.where(present, self.worst, 1).astype(np.int64)
        mean = (total[worst] - total[best - 1]) / (worst - best + 1)
        expected: FloatArray = np.where(present, mean, 0.0).mean(axis=1)
        return expected
