"""Selection: does it select the liked items on a page of liked and other items?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from starec_sim.evaluation.audits.panel import Panel
from starec_sim.evaluation.audits.questions import PanelAnswers, PanelQuestion
from starec_sim.evaluation.audits.result import AuditMetric, AuditResult, Chart, over_users
from starec_sim.tasks import FEED
from starec_sim.types import LIKED_ABOVE, FloatArray

RATIOS = (1, 2, 3, 9)
"""Numbers of other items for each liked item."""
PAGE = 20
AGENT4REC_F1 = (0.70, float("nan"), float("nan"), 0.25)


class _Page(NamedTuple):
    question: PanelQuestion
    liked: frozenset[int]


class Selection:
    """Agent4Rec's task: pages of 20 items, with 1, 2, 3 or 9 unmet items for each liked item."""

    name = "selection"
    title = "Selection"
    asks = "Does it take what the user likes, and does it take less where there is less to like?"
    references = (
        "Agent4Rec at 1:1 on MovieLens 1M: accuracy 69 %, F1 70 %; on Amazon Books 72 and 70 %, "
        "on Steam 69 and 68 % (Zhang et al. 2024, arXiv 2310.10108).",
        "There precision and F1 fall from about 70 to about 25 % as liked items get rarer while "
        "accuracy stays near 65 %: so many items are taken whatever the page holds.",
    )

    def questions(self, panel: Panel) -> Iterable[PanelQuestion]:
        """Yield a page for each user and ratio."""
        for user in range(len(panel)):
            for ratio in RATIOS:
                yield self._page(panel, user, ratio).question

    def result(self, panel: Panel, answers: PanelAnswers) -> AuditResult:
        """Compare the selected items with the liked items."""
        metrics: dict[str, AuditMetric] = {}
        lines: dict[str, list[float]] = {"precision": [], "recall": [], "F1": [], "accuracy": []}
        taken: dict[int, FloatArray] = {}
        told: dict[int, FloatArray] = {}
        for ratio in RATIOS:
            rows = [
                self._scores(answers, self._page(panel, user, ratio)) for user in range(len(panel))
            ]
            scores = np.array(rows)
            for place, name in enumerate(lines):
                interval = over_users(scores[:, place])
                lines[name].append(interval.mean)
                metrics[f"{name} 1:{ratio}"] = AuditMetric(name, interval, f"1:{ratio}")
            taken[ratio], told[ratio] = scores[:, 4], scores[:, 5]
        metrics |= {
            "telling apart": AuditMetric(
                "share of liked items taken minus share of others, all pages",
                over_users(np.mean([told[ratio] for ratio in RATIOS], axis=0)),
            ),
            "taking less": AuditMetric(
                "share of the page taken, 1:1 minus 1:9", over_users(taken[1] - taken[9])
            ),
        }
        base = tuple(1 / (1 + ratio) for ratio in RATIOS)
        chart = Chart(
            "line",
            tuple(f"1:{ratio}" for ratio in RATIOS),
            "liked to others",
            "share",
            {name: tuple(values) for name, values in lines.items()}
            | {"taken": tuple(float(np.nanmean(taken[ratio])) for ratio in RATIOS)},
            {"liked": base, "Agent4Rec's F1": AGENT4REC_F1},
        )
        return AuditResult(self.name, self.title, self.asks, metrics, chart, self.references)

    @staticmethod
    def _page(panel: Panel, user: int, ratio: int) -> _Page:
        """Return a page with as many liked items as the user has, up to their share of the page."""
        row = panel.holdout.user_logs[user].row
        items, stars = panel.held_out(user)
        answer = int(panel.answers[user])
        known = [item for item in items[stars > LIKED_ABOVE].tolist() if item != answer]
        rng = panel.streams.stream("audit selection", user=row, call=ratio)
        liked = [answer, *rng.permutation(known).astype(np.int64).tolist()]
        liked = liked[: max(1, PAGE // (1 + ratio))]
        count = ratio * len(liked)
        met = {*items.tolist(), *liked}
        others = panel.never_met(user, count + len(met), f"audit others {ratio}").tolist()
        page = [*liked, *[item for item in others if item not in met][:count]]
        order = rng.permutation(page).tolist()
        question = panel.question(user, items=tuple(order), task=FEED)
        return _Page(question, frozenset(liked))

    @staticmethod
    def _scores(answers: PanelAnswers, page: _Page) -> list[float]:
        """Return precision, recall, F1, accuracy, share selected, and recall minus false alarms."""
        actions = answers[page.question].decision.actions
        taken = {action.item for action in actions if action.done}
        hits, n = len(taken & page.liked), len(page.question.items)
        others = n - len(page.liked)
        false = len(taken) - hits
        recall = hits / len(page.liked)
        return [
            hits / len(taken) if taken else 0.0,
            recall,
            2 * hits / (len(taken) + len(page.liked)),
            (hits + others - false) / n,
            len(taken) / n,
            recall - (false / others if others else float("nan")),
        ]
