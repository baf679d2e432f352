"""Order: do simulated users rank recommenders as held-out choices do?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from starec_sim.evaluation.audits.panel import Panel
from starec_sim.evaluation.audits.questions import PanelAnswers, PanelQuestion
from starec_sim.evaluation.audits.result import (
    AuditMetric,
    AuditResult,
    Chart,
    over_users,
    resampled_share,
)
from starec_sim.tasks import FEED
from starec_sim.types import LIKED_ABOVE, FloatArray, IntArray

RECOMMENDERS: Mapping[str, Mapping[str, Any]] = {
    "random": {"use": "random"},
    "popularity": {"use": "popularity"},
    "item-kNN": {"use": "item-knn"},
    "BPR": {"use": "bpr"},
    "ALS": {"use": "als", "regularization": 10.0},
    "EASE": {"use": "ease"},
}
"""From the worst to what is mostly the best; settings as in the rows of `starec eval`."""


class _Qualities(NamedTuple):
    """What each recommender earns from each user, shape (recommenders, users)."""

    held_out: FloatArray
    """NDCG@10 of her held-out choice."""
    liked: FloatArray
    """Share of its page that the simulated user takes and rates as a like."""
    taken: FloatArray
    """Share of its page that she takes."""
    truth: FloatArray | None
    """Share of its page that she would truly like; None where the truth is not known."""


class RecommenderOrder:
    """Shows each user one page of each recommender, with her memory, and no feedback."""

    name = "order"
    title = "Order"
    asks = "Do simulated users rank recommenders as the users' held-out choices do?"
    references = (
        "SimUSER reports a Spearman correlation of 0.72 with the order of historical A/B tests "
        "(arXiv 2504.12722, project page).",
    )

    def questions(self, panel: Panel) -> Iterable[PanelQuestion]:
        """Yield a page of each recommender for each user."""
        for spec in RECOMMENDERS.values():
            for user in range(len(panel)):
                if asked := self._page(panel, spec, user):
                    yield asked

    def result(self, panel: Panel, answers: PanelAnswers) -> AuditResult:
        """Compare the order by what users take and like with the order by held-out choices."""
        qualities, names = self._qualities(panel, answers), list(RECOMMENDERS)
        held_out, liked, users = qualities.held_out, qualities.liked, len(panel)
        told_apart = _told_apart(held_out)
        possible = len(names) * (len(names) - 1) // 2
        metrics = {
            "spearman": _correlation("Spearman correlation of both orders", liked, held_out),
            "pairs": AuditMetric(
                f"share of pairs in the same order, of the {len(told_apart)} of {possible} pairs "
                "that the held-out choices tell apart",
                resampled_share(lambda who: _agreement(liked, told_apart, who), users),
            ),
            "spearman by clicks": _correlation(
                "Spearman correlation, with all items taken in place of those liked",
                qualities.taken,
                held_out,
            ),
        }
        series = {
            "share liked by simulated users": tuple(np.nanmean(liked, axis=1).tolist()),
            "NDCG@10 of held-out choices": tuple(np.nanmean(held_out, axis=1).tolist()),
        }
        if qualities.truth is not None:
            metrics["spearman truth"] = _correlation(
                "Spearman correlation with the order by what users would truly like",
                liked,
                qualities.truth,
            )
            series["share truly liked"] = tuple(np.nanmean(qualities.truth, axis=1).tolist())
        chart = Chart("bar", tuple(names), "recommender", "mean over users", series)
        return AuditResult(self.name, self.title, self.asks, metrics, chart, self.references)

    @staticmethod
    def _page(panel: Panel, spec: Mapping[str, Any], user: int) -> PanelQuestion | None:
        page = panel.recommended(spec).pages[user]
        items = tuple(page[page >= 0].tolist())
        return panel.question(user, items=items, task=FEED) if items else None

    def _qualities(self, panel: Panel, answers: PanelAnswers) -> _Qualities:
        shape = (len(RECOMMENDERS), len(panel))
        liked, taken, truth = (np.full(shape, np.nan) for _ in range(3))
        world = panel.holdout.dataset.world
        for place, spec in enumerate(RECOMMENDERS.values()):
            for user in range(len(panel)):
                asked = self._page(panel, spec, user)
                if asked is None:
                    continue
                actions = answers[asked].decision.actions
                size = len(asked.items)
                stars = [each.value for each in actions if isinstance(each.value, float)]
                liked[place, user] = sum(each > LIKED_ABOVE for each in stars) / size
                taken[place, user] = sum(each.done for each in actions) / size
                if world is not None:
                    row = int(panel.holdout.rows[user])
                    true = np.rint(world.ratings(row, np.array(asked.items), 0))
                    truth[place, user] = np.mean(true > LIKED_ABOVE)
        held_out = np.stack([panel.recommended(spec).ndcg for spec in RECOMMENDERS.values()])
        return _Qualities(held_out, liked, taken, None if world is None else truth)


def _correlation(label: str, mine: FloatArray, real: FloatArray) -> AuditMetric:
    users = mine.shape[1]
    return AuditMetric(label, resampled_share(lambda who: _spearman(mine, real, who), users))


def _means(values: FloatArray, who: IntArray) -> FloatArray:
    """Return the mean of each recommender over some users, NaN left out."""
    chosen = values[:, who]
    known = ~np.isnan(chosen)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, chosen, 0.0).sum(axis=1) / known.sum(axis=1))


def _spearman(mine: FloatArray, real: FloatArray, who: IntArray) -> float:
    """Spearman's rank correlation (1904) of the means over users; ties share a rank.

    It is 0 where the simulated users, or the choices, make no difference between recommenders.
    """
    means = _means(mine, who), _means(real, who)
    if any(np.isnan(each).any() for each in means):
        return float("nan")
    a, b = map(_ranks, means)
    if a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _ranks(values: FloatArray) -> FloatArray:
    """Return the rank of each value from 1; equal ones share the mean of their ranks."""
    below, equal = (values[:, None] > values).sum(axis=1), (values[:, None] == values).sum(axis=1)
    return np.asarray(below + (equal + 1) / 2)


def _told_apart(held_out: FloatArray) -> list[tuple[int, int]]:
    """Return the pairs whose held-out difference has an interval without 0, the better one first.

    The order of the others is chance, and no simulation can be asked to repeat it.
    """
    pairs = []
    for one, other in combinations(range(len(held_out)), 2):
        difference = over_users(held_out[one] - held_out[other])
        if difference.low > 0:
            pairs.append((one, other))
        elif difference.high < 0:
            pairs.append((other, one))
    return pairs


def _agreement(mine: FloatArray, pairs: list[tuple[int, int]], who: IntArray) -> float:
    """Return the share of pairs whose better one is better in the simulation; a tie is half."""
    if not pairs:
        return float("nan")
    means = _means(mine, who)
    better, worse = means[[a for a, _ in pairs]], means[[b for _, b in pairs]]
    return float(np.mean((better > worse) + 0.5 * (better == worse)))
