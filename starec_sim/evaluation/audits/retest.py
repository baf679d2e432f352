"""Test and retest: does the same question get the same answer?"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import numpy as np

from starec_sim.evaluation.audits.panel import Panel
from starec_sim.evaluation.audits.position import kendall_tau
from starec_sim.evaluation.audits.questions import PanelAnswers, PanelQuestion
from starec_sim.evaluation.audits.result import AuditMetric, AuditResult, Chart, over_users
from starec_sim.types import Decision, FloatArray

REPEATS = 3


class Retest:
    """Asks each question three times with other seeds, and once in other words."""

    name = "retest"
    title = "Test and retest"
    asks = "Asked the same again, or in other words, does it answer the same?"
    references = (
        "Run-to-run spread can be as large as the spread between personas; scores of simulators "
        "differ between models, which RecUserSim was built to mend (2025, arXiv 2507.22897).",
    )

    def questions(self, panel: Panel) -> Iterable[PanelQuestion]:
        """Yield each user's own list three times, and once in other words."""
        for user in range(len(panel)):
            yield from self._repeats(panel, user)
            yield panel.question(user, wording="other")

    def result(self, panel: Panel, answers: PanelAnswers) -> AuditResult:
        """Compare each pair of answers."""
        again, other = [], []
        for user in range(len(panel)):
            repeats = [answers[asked].decision for asked in self._repeats(panel, user)]
            again.append(_agreement(itertools.combinations(repeats, 2)))
            rephrased = panel.question(user, wording="other")
            if rephrased in answers:
                decision = answers[rephrased].decision
                other.append(_agreement([(first, decision) for first in repeats]))
        same: FloatArray = np.array(again)
        names = ["asked again"]
        metrics = {
            "tau": AuditMetric("Kendall's tau between repeats", over_users(same[:, 0])),
            "first": AuditMetric("the same first place again", over_users(same[:, 1])),
        }
        rows = [same]
        if other:
            words: FloatArray = np.array(other)
            names, rows = [*names, "in other words"], [same, words]
            metrics |= {
                "tau in other words": AuditMetric(
                    "Kendall's tau with the question in other words", over_users(words[:, 0])
                ),
                "first in other words": AuditMetric(
                    "the same first place in other words", over_users(words[:, 1])
                ),
            }
        chart = Chart(
            "bar",
            tuple(names),
            "",
            "agreement",
            {
                "Kendall's tau": tuple(float(np.nanmean(row[:, 0])) for row in rows),
                "same first place": tuple(float(np.nanmean(row[:, 1])) for row in rows),
            },
        )
        return AuditResult(self.name, self.title, self.asks, metrics, chart, self.references)

    @staticmethod
    def _repeats(panel: Panel, user: int) -> list[PanelQuestion]:
        return [panel.question(user, repeat=repeat) for repeat in range(REPEATS)]


def _agreement(pairs: Iterable[tuple[Decision, Decision]]) -> Sequence[float]:
    """Return mean tau and mean agreement on the first place."""
    taus, firsts = [], []
    for one, other in pairs:
        both = set(one.ranking[: one.read]) & set(other.ranking[: other.read])
        shown = tuple(item for item in one.ranking if item in both)
        read = tuple(item for item in other.ranking if item in both)
        taus.append(kendall_tau(Decision(ranking=read, read=len(read)), shown))
        firsts.append(float(bool(both) and one.ranking[:1] == other.ranking[:1]))
    known = [tau for tau in taus if not np.isnan(tau)]
    return float(np.mean(known)) if known else float("nan"), float(np.mean(firsts))
