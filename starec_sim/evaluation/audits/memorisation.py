"""Memorisation: does the policy use the attributes on the cards, or does it know the titles?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from starec_sim.evaluation.audits.panel import Panel
from starec_sim.evaluation.audits.questions import PanelAnswers, PanelQuestion, Titles
from starec_sim.evaluation.audits.result import AuditMetric, AuditResult, Chart, over_users

KINDS: tuple[Titles, ...] = ("true", "masked", "renamed")


class Memorisation:
    """Replaces titles by numbers or by other titles, in the candidate list and in the history."""

    name = "memorisation"
    title = "Memorisation"
    asks = "How much of its NDCG depends on knowing the titles?"
    references = (
        "GPT-4o recalls 81 % of MovieLens 1M's titles by their ids and 17 % of its user profiles, "
        "and recall goes along with accuracy (Di Palma et al. 2025, arXiv 2505.10212).",
    )

    def questions(self, panel: Panel) -> Iterable[PanelQuestion]:
        """Yield each user's list with three kinds of titles, without summaries."""
        for user in range(len(panel)):
            for titles in KINDS:
                yield self._asked(panel, user, titles)

    def result(self, panel: Panel, answers: PanelAnswers) -> AuditResult:
        """Compare NDCG with and without the true titles."""
        true, masked, renamed = (
            panel.ndcg(answers, [self._asked(panel, user, titles) for user in range(len(panel))])
            for titles in KINDS
        )
        chart = Chart(
            "bar",
            ("true titles", "numbers", "titles exchanged"),
            "what items are called",
            "NDCG@10",
            {"this policy": tuple(float(np.mean(found)) for found in (true, masked, renamed))},
        )
        metrics = {
            "masked loss": AuditMetric("NDCG@10 lost without titles", over_users(true - masked)),
            "renamed loss": AuditMetric(
                "NDCG@10 lost with wrong titles", over_users(true - renamed)
            ),
        }
        return AuditResult(self.name, self.title, self.asks, metrics, chart, self.references)

    @staticmethod
    def _asked(panel: Panel, user: int, titles: Titles) -> PanelQuestion:
        # A summary may name titles, which would then not be replaced.
        return panel.question(user, memory=replace(panel.memory(user), summary=""), titles=titles)
