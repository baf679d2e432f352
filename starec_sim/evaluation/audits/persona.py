"""Persona: do different users answer differently?"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from starec_sim.evaluation.audits.panel import Panel
from starec_sim.evaluation.audits.questions import PanelAnswers, PanelQuestion
from starec_sim.evaluation.audits.result import (
    AuditMetric,
    AuditResult,
    Chart,
    over_users,
    resampled,
)
from starec_sim.types import FloatArray

LISTS = 3
"""Lists that all users rank."""
REPEATS = 2
"""How often each list is ranked, each time in another order."""


class Persona:
    """Shows the same lists to all users, and each user's own list with another user's memory."""

    name = "persona"
    title = "Persona"
    asks = "Do users differ from each other more than from themselves?"
    references = (
        "Simulated users come out too alike and too easy: a gap to 451 humans on one benchmark of "
        "dialogues (Zhou et al. 2026, arXiv 2603.11245).",
        "Agent4Rec's published log: the stars of one user spread by 0.37, those of different users "
        "by 0.23.",
    )

    def questions(self, panel: Panel) -> Iterable[PanelQuestion]:
        """Yield shared lists, own lists, and own lists with another's memory."""
        for user in range(len(panel)):
            yield panel.question(user)
            yield self._swapped(panel, user)
            for number in range(LISTS):
                yield from self._shared(panel, user, number)

    def result(self, panel: Panel, answers: PanelAnswers) -> AuditResult:
        """Split the variance of ranks into a part between users and a part within users."""
        ranks = np.stack(
            [
                [
                    [self._ranks(panel, answers, asked, number) for asked in shared]
                    for number in range(LISTS)
                    for shared in [self._shared(panel, user, number)]
                ]
                for user in range(len(panel))
            ]
        )  # users, lists, repeats, items
        between, within = _variances(ranks)
        everybody = range(len(panel))
        own = panel.ndcg(answers, [panel.question(user) for user in everybody])
        swapped = panel.ndcg(answers, [self._swapped(panel, user) for user in everybody])
        metrics = {
            "icc": AuditMetric(
                "share of the variance that lies between users (ICC)",
                resampled(lambda who: _icc(ranks[who]), len(panel)),
            ),
            "swap loss": AuditMetric(
                "NDCG@10 lost with another's profile and memory", over_users(own - swapped)
            ),
            "own": AuditMetric("NDCG@10 with her own", over_users(own)),
        }
        chart = Chart(
            "bar",
            ("between users", "within a user"),
            "variance of an item's rank",
            "ranks squared",
            {"this policy": (max(0.0, between), within)},
        )
        return AuditResult(self.name, self.title, self.asks, metrics, chart, self.references)

    @staticmethod
    def _swapped(panel: Panel, user: int) -> PanelQuestion:
        other = panel.partner(user)
        return panel.question(user, memory=panel.memory(other), person=other)

    @staticmethod
    def _list(panel: Panel, number: int) -> list[int]:
        rng = panel.streams.stream("audit shared list", call=number)
        size = min(panel.holdout.protocol.candidates, len(panel.items))
        return [int(item) for item in rng.choice(len(panel.items), size, replace=False)]

    @classmethod
    def _shared(cls, panel: Panel, user: int, number: int) -> list[PanelQuestion]:
        items, asked = cls._list(panel, number), []
        for repeat in range(REPEATS):
            place = {"user": panel.holdout.user_logs[user].row, "round": number, "call": repeat}
            order = panel.streams.stream("audit shared order", **place).permutation(items)
            asked.append(panel.question(user, items=tuple(order.tolist()), repeat=repeat))
        return asked

    @classmethod
    def _ranks(
        cls, panel: Panel, answers: PanelAnswers, asked: PanelQuestion, number: int
    ) -> list[float]:
        """Return the rank of each item of the list; missing ones share a mean rank."""
        decision = answers[asked].decision
        left = (decision.read + 1 + len(asked.items)) / 2
        return [float(decision.rank_of(item) or left) for item in cls._list(panel, number)]


def _variances(ranks: FloatArray) -> tuple[float, float]:
    """Return the variance of an item's rank between users and within a user.

    The components of a one-way random-effects analysis of variance, averaged over items.
    """
    repeats = ranks.shape[2]
    within = float(ranks.var(axis=2, ddof=1).mean())
    means = float(ranks.mean(axis=2).var(axis=0, ddof=1).mean())
    return means - within / repeats, within


def _icc(ranks: FloatArray) -> float:
    """Intraclass correlation ICC(1,1) of Shrout and Fleiss (1979): 0 where users are alike."""
    if len(ranks) < 2:
        return float("nan")
    between, within = _variances(ranks)
    total = between + within
    return between / total if total > 0 else 0.0
