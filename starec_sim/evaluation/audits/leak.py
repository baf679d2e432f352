"""Leak guard: does a prompt reveal the answer outside the list of candidates?"""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from starec_sim.evaluation.audits.panel import Panel
from starec_sim.evaluation.audits.questions import PanelAnswers, PanelQuestion
from starec_sim.evaluation.audits.result import AuditMetric, AuditResult, Chart, over_users
from starec_sim.types import Memory

SHORTEST = 5
"""Least length of a title that is searched for in summaries: a title like `It` is also a word."""


class Leak:
    """Searches the prompts for the title of the answer."""

    name = "leak"
    title = "Leak guard"
    asks = "Does a prompt name the answer anywhere but among the candidates?"
    references = (
        "Targets leak into the prompts of simulators of conversational recommenders, and much of "
        "their success with them (Zhu et al. 2024, arXiv 2403.16416).",
    )

    def questions(self, panel: Panel) -> Iterable[PanelQuestion]:
        """Yield the question about each user's own candidate list."""
        return (panel.question(user) for user in range(len(panel)))

    def result(self, panel: Panel, answers: PanelAnswers) -> AuditResult:
        """Search the first prompt of each user, without the lines of the candidates."""
        named, labelled = [], []
        for user in range(len(panel)):
            asked = panel.question(user)
            answer = int(panel.answers[user])
            turn = answers[asked].turns[0]
            text = "\n".join(text for _, text in turn.messages)
            shown = panel.cards["true"]
            count = text.count(shown[answer])
            for item in asked.items:
                text = text.replace(shown[item], "")
            title = panel.items[answer].title
            named.append(
                title.casefold() not in _met(panel, asked.memory)
                and (f'"{title}"' in text or says(asked.memory.summary, title))
            )
            labelled.append(count > 1)
        found = np.array(named, np.float64)
        twice = np.array(labelled, np.float64)
        chart = Chart(
            "bar",
            ("named elsewhere", "shown twice"),
            "",
            "share of prompts",
            {"this policy": (float(found.mean()), float(twice.mean()))},
        )
        metrics = {
            "named": AuditMetric("prompts that name the answer elsewhere", over_users(found)),
            "twice": AuditMetric("prompts that show its card twice", over_users(twice)),
        }
        return AuditResult(self.name, self.title, self.asks, metrics, chart, self.references)


def says(summary: str, title: str) -> bool:
    """Return whether a summary names a title.

    >>> says("I look forward to seeing Alien next", "Alien"), says("It is late", "It")
    (True, False)
    """
    if len(title) < SHORTEST:
        return False
    return re.search(rf"(?<!\w){re.escape(title)}(?!\w)", summary, re.IGNORECASE) is not None


def _met(panel: Panel, memory: Memory) -> set[str]:
    """Return titles and attribute values of the items in a memory: naming them reveals nothing."""
    met = set()
    for experience in memory.history:
        item = panel.items[experience.item]
        met.add(item.title.casefold())
        met |= {value.casefold() for values in item.attributes.values() for value in values}
    return met
