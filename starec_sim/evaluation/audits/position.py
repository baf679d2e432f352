"""Position: does the place of an item in the prompt change its rank?"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from starec_sim.evaluation.audits.panel import Panel
from starec_sim.evaluation.audits.questions import PanelAnswers, PanelQuestion
from starec_sim.evaluation.audits.result import AuditMetric, AuditResult, Chart, over_users
from starec_sim.types import Decision, FloatArray

SWEPT = 20
"""Number of users whose choice is shown at every place."""


def kendall_tau(decision: Decision, shown: tuple[int, ...]) -> float:
    """Return Kendall's tau between a ranking and the order in which its items were shown.

    1 copies the input, -1 reverses it, 0 is what an indifferent reader gives on average. Only what
    was read counts; NaN for fewer than two items.

    >>> kendall_tau(Decision(ranking=(7, 5, 9), read=3), shown=(7, 5, 9))
    1.0
    """
    places = np.array([shown.index(item) for item in decision.ranking[: decision.read]])
    n = len(places)
    if n < 2:
        return float("nan")
    above = np.sign(places[None, :] - places[:, None])
    return float(above[np.triu_indices(n, 1)].mean())


class Position:
    """Shows the true choice at each place of an otherwise unchanged list."""

    name = "position"
    title = "Position"
    asks = "Does the place of an item in the prompt change its rank?"
    references = (
        "LLM rankers are sensitive to the order of candidates (Hou et al. 2024, arXiv 2305.08845; "
        "Bito et al. 2025, arXiv 2508.02020).",
        "Agent4Rec's published log: of the four places of a page 91, 54, 37 and 18 % were watched, "
        "where 46, 42, 40 and 38 % were liked; its order is that of a recommender.",
    )

    def questions(self, panel: Panel) -> Iterable[PanelQuestion]:
        """Yield each user's own list, and for some users the list with her choice at each place."""
        for user in range(len(panel)):
            yield panel.question(user)
        for user in self._swept(panel):
            yield from self._moved(panel, user)

    def result(self, panel: Panel, answers: PanelAnswers) -> AuditResult:
        """Compare NDCG by the place of the true choice."""
        own = [panel.question(user) for user in range(len(panel))]
        tau = np.array([kendall_tau(answers[asked].decision, asked.items) for asked in own])
        swept = self._swept(panel)
        curve: FloatArray = np.stack(
            [panel.ndcg(answers, self._moved(panel, user)) for user in swept]
        )
        quarter = max(1, curve.shape[1] // 4)
        drop = curve[:, :quarter].mean(axis=1) - curve[:, -quarter:].mean(axis=1)
        mean = curve.mean(axis=0)
        chart = Chart(
            "line",
            tuple(str(place + 1) for place in range(len(mean))),
            "where the true choice was shown",
            "NDCG@10",
            {"this policy": tuple(mean.tolist())},
            {"if places did not matter": (float(mean.mean()),) * len(mean)},
        )
        return AuditResult(
            self.name,
            self.title,
            self.asks,
            {
                "tau": AuditMetric("Kendall's tau of answer and input order", over_users(tau)),
                "drop": AuditMetric(
                    "NDCG@10, first quarter of places minus last", over_users(drop)
                ),
            },
            chart,
            self.references,
        )

    @staticmethod
    def _swept(panel: Panel) -> range:
        return range(min(SWEPT, len(panel)))

    @staticmethod
    def _moved(panel: Panel, user: int) -> list[PanelQuestion]:
        asked = panel.question(user)
        answer = int(panel.answers[user])
        others = [item for item in asked.items if item != answer]
        return [
            panel.question(user, items=(*others[:place], answer, *others[place:]))
            for place in range(len(asked.items))
        ]
