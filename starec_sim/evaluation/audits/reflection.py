"""Reflection: are summaries useful, short, and consistent with the history?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from starec_sim.answers import read_statements
from starec_sim.evaluation.audits.panel import Panel
from starec_sim.evaluation.audits.questions import PanelAnswers, PanelQuestion
from starec_sim.evaluation.audits.result import AuditMetric, AuditResult, Chart, over_users
from starec_sim.types import Memory

POINTS = 6
"""How many states of the memory rank the candidate list, including the first and the last."""
MET, SURE = 4, 0.75
"""Least number of experiences with an attribute value, and least share of them that agree, with
which a statement about the value is judged."""


class Reflection:
    """Ranks the candidate list with the memory after each part of the replay."""

    name = "reflection"
    title = "Reflection"
    asks = "Does the memory that it writes make it a better judge of what comes next?"
    references = (
        "Raised for STARec and never measured there. Its ablation without reflection loses about 4 "
        "points of NDCG@10 with a trained model of 1.5B (arXiv 2508.18812).",
    )

    def questions(self, panel: Panel) -> Iterable[PanelQuestion]:
        """Yield each user's list before, during and after the replay, and without the summary."""
        for user in range(len(panel)):
            for memory in self._moments(panel, user):
                yield panel.question(user, memory=memory)
            yield self._without(panel, user)

    def result(self, panel: Panel, answers: PanelAnswers) -> AuditResult:
        """Compare NDCG over the replay, and check the last summaries."""
        everybody = range(len(panel))
        curves = np.stack(
            [
                panel.ndcg(
                    answers,
                    [panel.question(user, memory=moment) for moment in self._moments(panel, user)],
                )
                for user in everybody
            ]
        )
        bare = panel.ndcg(answers, [self._without(panel, user) for user in everybody])
        last = [panel.memory(user) for user in everybody]
        written = np.array([bool(memory.summary) for memory in last])
        words = np.array([float(len(memory.summary.split())) for memory in last])
        wrong = np.array([contradicted(memory, panel) for memory in last])
        if not written.any():
            return AuditResult(
                self.name,
                self.title,
                self.asks,
                references=self.references,
                unmeasured="nobody wrote a summary: the gate never opened, or none could be read",
            )
        metrics = {
            "gain": AuditMetric(
                "NDCG@10 after the replay minus before", over_users(curves[:, -1] - curves[:, 0])
            ),
            "summary gain": AuditMetric(
                "NDCG@10 with the last summary minus without", over_users(curves[:, -1] - bare)
            ),
            "contradicted": AuditMetric(
                "statements that contradict the history or each other", over_users(wrong)
            ),
            "words": AuditMetric("words of the last summary", over_users(words)),
            "written": AuditMetric("users with a summary", over_users(written.astype(np.float64))),
        }
        chart = Chart(
            "line",
            tuple(f"{round(100 * n / (POINTS - 1))} %" for n in range(POINTS)),
            "how much of the replay is over",
            "NDCG@10 of the held-out list",
            {"this policy": tuple(curves.mean(axis=0).tolist())},
            {"after all of it, without the summary": (float(bare.mean()),) * POINTS},
        )
        return AuditResult(self.name, self.title, self.asks, metrics, chart, self.references)

    @staticmethod
    def _moments(panel: Panel, user: int) -> list[Memory]:
        lived = panel.memories[user]
        return [lived[round(n * (len(lived) - 1) / (POINTS - 1))] for n in range(POINTS)]

    @staticmethod
    def _without(panel: Panel, user: int) -> PanelQuestion:
        return panel.question(user, memory=replace(panel.memory(user), summary=""))


def contradicted(memory: Memory, panel: Panel) -> float:
    """Return the share of wrong statements in a summary; NaN if it has no statement.

    A statement says "Sci-Fi: liked". It is wrong where the summary also says the opposite, or where
    the user met the value four times and more, and three of four times felt the opposite.
    """
    said: dict[str, set[bool]] = defaultdict(set)
    for term, liked in read_statements(memory.summary):
        said[term.casefold()].add(liked)
    met: dict[str, list[bool]] = defaultdict(list)
    for experience in memory.history:
        for values in panel.items[experience.item].attributes.values():
            for value in values:
                met[value.casefold()].append(experience.liked)
    wrong = 0
    for term, polarities in said.items():
        felt = met.get(term, [])
        share = float(np.mean(felt)) if len(felt) >= MET else 0.5
        opposite = {True: share <= 1 - SURE, False: share >= SURE}
        wrong += len(polarities) > 1 or opposite[next(iter(polarities))]
    return wrong / len(said) if said else float("nan")
