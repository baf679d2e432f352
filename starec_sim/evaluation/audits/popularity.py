"""Popularity: does the policy prefer popular items more than users do?"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from starec_sim.evaluation.audits.panel import Panel
from starec_sim.evaluation.audits.questions import PanelAnswers, PanelQuestion
from starec_sim.evaluation.audits.result import AuditMetric, AuditResult, Chart, over_users

BINS = ("least popular third", "middle", "most popular third")


class PopularityBias:
    """Compares the popularity of first places and true choices, with two kinds of negatives."""

    name = "popularity"
    title = "Popularity"
    asks = "Is what it puts first more popular than what people choose?"
    references = (
        "LLM rankers favour popular items (Hou et al. 2024, arXiv 2305.08845), and simulators "
        "mention them too often (Yoon et al. 2024, arXiv 2403.09738); Lichtenberg et al. (2024, "
        "arXiv 2406.01285) find less of it than in collaborative filtering, by the same difference "
        "of log-popularity.",
    )

    def questions(self, panel: Panel) -> Iterable[PanelQuestion]:
        """Yield each user's own list, and the list with equally popular negatives."""
        for user in range(len(panel)):
            yield panel.question(user)
            if panel.matched is not None:
                yield self._popular_negatives(panel, user)

    def result(self, panel: Panel, answers: PanelAnswers) -> AuditResult:
        """Compare the popularity of first places and true choices."""
        fame = np.log1p(panel.popularity)
        own = [panel.question(user) for user in range(len(panel))]
        firsts = [answers[asked].decision for asked in own]
        first = np.array(
            [fame[found.ranking[0]] if found.read else np.nan for found in firsts], np.float64
        )
        candidates = np.array([fame[list(asked.items)].mean() for asked in own])
        chosen = fame[panel.answers]
        earned = panel.ndcg(answers, own)
        metrics = {
            "excess": AuditMetric(
                "log-popularity of its first place minus that of the true choice",
                over_users(first - chosen),
            ),
            "lift": AuditMetric(
                "log-popularity of its first place minus the list's mean",
                over_users(first - candidates),
            ),
            "true lift": AuditMetric(
                "the same of the true choice", over_users(chosen - candidates)
            ),
        }
        if panel.matched is not None:
            matched = panel.ndcg(
                answers, [self._popular_negatives(panel, u) for u in range(len(panel))]
            )
            metrics["matched loss"] = AuditMetric(
                "NDCG@10 lost when the other items are as popular as the choice",
                over_users(earned - matched),
            )
        bounds = np.quantile(chosen, [1 / 3, 2 / 3])
        bin_of = np.searchsorted(bounds, chosen, side="left")
        by_bin = tuple(
            float(earned[bin_of == n].mean()) if (bin_of == n).any() else float("nan")
            for n in range(len(BINS))
        )
        chart = Chart(
            "bar",
            BINS,
            "popularity of the true choice",
            "NDCG@10",
            {"this policy": by_bin},
            {"all": (float(earned.mean()),) * len(BINS)},
        )
        return AuditResult(self.name, self.title, self.asks, metrics, chart, self.references)

    @staticmethod
    def _popular_negatives(panel: Panel, user: int) -> PanelQuestion:
        assert panel.matched is not None
        return panel.question(user, items=tuple(panel.matched.candidate_lists[user, 0].tolist()))
