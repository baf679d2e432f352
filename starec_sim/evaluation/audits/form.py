"""Form: can the answers be parsed?"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from starec_sim.evaluation.audits.panel import Panel
from starec_sim.evaluation.audits.questions import PanelAnswers, PanelQuestion
from starec_sim.evaluation.audits.result import AuditMetric, AuditResult, Chart, over_users


class Form:
    """Counts the flaws of the answers to each user's own candidate list."""

    name = "form"
    title = "Form"
    asks = "Do its answers have the requested form, with every item once?"
    references = (
        "Small models often break the form and name items that are not there (ConvRec-R1, arXiv "
        "2510.20150); matching titles loosely hides it.",
    )

    def questions(self, panel: Panel) -> Iterable[PanelQuestion]:
        """Yield the question about each user's own candidate list."""
        return (panel.question(user) for user in range(len(panel)))

    def result(self, panel: Panel, answers: PanelAnswers) -> AuditResult:
        """Return the shares of answers with flaws and with repairs."""
        decisions = [answers[panel.question(user)].decision for user in range(len(panel))]
        flaws = ("unparsed", "missing", "duplicate", "invented")
        chart = Chart(
            "bar",
            ("repaired", *flaws),
            "",
            "share of answers",
            {
                "this policy": (
                    float(np.mean([decision.repaired for decision in decisions])),
                    *(
                        float(np.mean([bool(decision.flaws.get(flaw)) for decision in decisions]))
                        for flaw in flaws
                    ),
                )
            },
        )
        malformed = np.array([float(decision.malformed) for decision in decisions])
        repaired = np.array([float(decision.repaired) for decision in decisions])
        metrics = {
            "malformed": AuditMetric("answers with a flaw after the repair", over_users(malformed)),
            "repaired": AuditMetric("answers that needed a repair", over_users(repaired)),
        }
        return AuditResult(self.name, self.title, self.asks, metrics, chart, self.references)
