"""The two prompts of LLMRank: the history in order of time, and one that repeats its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from starec_agents.base.prompting import Prompts, only_rankings
from starec_sim.answers import Form, labelled, outcome
from starec_sim.types import Memory, Messages, Observation, Recalled, User


class SequentialPrompts(Prompts):
    """Shows what was chosen, in order of time."""

    package: ClassVar[str] = "starec_agents.llmrank"
    names: ClassVar[tuple[str, ...]] = ("ranking", "repair", "json")

    def decide(
        self,
        person: User,
        memory: Memory,
        observation: Observation,
        cards: Sequence[str],
        form: Form = "tags",
        recalled: Sequence[Recalled] | None = None,
    ) -> Messages:
        """Return the messages that ask for a ranking."""
        only_rankings(observation, "llmrank")
        return self._fill(
            "ranking",
            form,
            history=self._history(memory, cards),
            recent=self._recent(memory, cards),
            candidates=labelled(observation.cards),
            count=len(observation.slate),
        )

    def _recent(self, memory: Memory, cards: Sequence[str]) -> str:
        return ""


class RecencyPrompts(SequentialPrompts):
    """Repeats the latest experience, because a model may overlook it among the others."""

    def _recent(self, memory: Memory, cards: Sequence[str]) -> str:
        if not memory.history:
            return ""
        latest = memory.history[-1]
        return f"The most recent of them: {outcome(latest)} | {cards[latest.item]}"
