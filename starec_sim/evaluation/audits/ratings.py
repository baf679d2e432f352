"""Ratings: are its ratings distributed like those of real users?"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.special import rel_entr

from starec_sim.evaluation.audits.panel import Panel
from starec_sim.evaluation.audits.people import star_counts
from starec_sim.evaluation.audits.questions import PanelAnswers, PanelQuestion
from starec_sim.evaluation.audits.result import (
    AuditMetric,
    AuditResult,
    Chart,
    over_users,
    resampled,
)
from starec_sim.tasks import FEED
from starec_sim.types import FloatArray, IntArray

PAGE = 8
"""Items on the page of a user: she rated all of them, and none is in her memory."""
AGENT4REC = (0.0, 0.0, 0.078, 0.753, 0.169)


class Ratings:
    """Shows pages of items that a user really rated, and compares the ratings."""

    name = "ratings"
    title = "Ratings"
    asks = "Are its ratings distributed like those of the same users for the same items?"
    references = (
        "Agent4Rec's published log: 8 % three, 75 % four and 17 % five stars, not a single one or "
        "two; against MovieLens 1M a Jensen-Shannon divergence of 0.18 bits and a distance of "
        "0.62 stars (computed on the log; Zhang et al. 2024, arXiv 2310.10108).",
    )

    def questions(self, panel: Panel) -> Iterable[PanelQuestion]:
        """Yield a page of held-out items for each user who has such items."""
        for user in range(len(panel)):
            items, _ = self._page(panel, user)
            if len(items):
                yield panel.question(user, items=tuple(items.tolist()), task=FEED)

    def result(self, panel: Panel, answers: PanelAnswers) -> AuditResult:
        """Compare histograms over the items that were watched and rated."""
        given, true = [], []
        for user in range(len(panel)):
            items, stars = self._page(panel, user)
            if not len(items):
                continue
            asked = panel.question(user, items=tuple(items.tolist()), task=FEED)
            actions = answers[asked].decision.actions
            rated = [
                (action.value, real)
                for action, real in zip(actions, stars.tolist(), strict=True)
                if isinstance(action.value, float)
            ]
            if rated:
                given.append(star_counts(np.array([mine for mine, _ in rated])))
                true.append(star_counts(np.array([real for _, real in rated])))
        if not given:
            why = "nobody rated anything" if panel.rated else "the data has no ratings"
            return AuditResult(
                self.name, self.title, self.asks, references=self.references, unmeasured=why
            )
        mine, real = np.stack(given), np.stack(true)
        steps = np.arange(1, 6)
        shift = (mine - real) @ steps / mine.sum(axis=1)
        low = (mine[:, :2].sum(axis=1) - real[:, :2].sum(axis=1)) / mine.sum(axis=1)
        metrics = {
            "jsd": AuditMetric(
                "Jensen-Shannon divergence of the histograms, in bits",
                resampled(lambda who: _jsd(mine[who], real[who]), len(mine)),
            ),
            "w1": AuditMetric(
                "distance of the histograms (W1), in stars",
                resampled(lambda who: _w1(mine[who], real[who]), len(mine)),
            ),
            "shift": AuditMetric("stars given minus real stars", over_users(shift)),
            "low": AuditMetric("share of one and two stars, given minus real", over_users(low)),
        }
        chart = Chart(
            "bar",
            tuple(f"{n} star{'s' * (n > 1)}" for n in steps.tolist()),
            "rating",
            "share",
            {
                "this policy": tuple((mine.sum(axis=0) / mine.sum()).tolist()),
                "the same users": tuple((real.sum(axis=0) / real.sum()).tolist()),
            },
            {"Agent4Rec's log": AGENT4REC},
        )
        return AuditResult(self.name, self.title, self.asks, metrics, chart, self.references)

    @staticmethod
    def _page(panel: Panel, user: int) -> tuple[IntArray, FloatArray]:
        items, stars = panel.held_out(user)
        rng = panel.streams.stream("audit ratings", user=panel.holdout.user_logs[user].row)
        places = rng.permutation(len(items))[:PAGE]
        return items[places], stars[places]


def _jsd(mine: FloatArray, real: FloatArray) -> float:
    """Jensen-Shannon divergence in bits (Lin, 1991); 0 for equal histograms, at most 1."""
    p, q = mine.sum(axis=0) / mine.sum(), real.sum(axis=0) / real.sum()
    m = (p + q) / 2
    return float((rel_entr(p, m) + rel_entr(q, m)).sum() / (2 * np.log(2)))


def _w1(mine: FloatArray, real: FloatArray) -> float:
    """Wasserstein distance of order 1 between the histograms, in stars."""
    p, q = mine.sum(axis=0) / mine.sum(), real.sum(axis=0) / real.sum()
    return float(np.abs(np.cumsum(p - q)).sum())
