"""Zero-shot ranking: a model, a history, a list.

Hou et al. (2024), "Large language models are zero-shot rankers for recommender systems" (LLMRank):
the sequential prompt shows what was chosen in order of time, the recency-focused one points at the
latest choice once more. Nothing is written into memory but what happened. It is the STAR graph with
a gate that never opens, so that the two rows of a table differ by prompt and reflection only.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from starec_agents.star.agent import GraphAgent
from starec_agents.star.forms import Form
from starec_agents.star.gate import Gate
from starec_agents.star.graph import Context, build_graph
from starec_agents.star.prompting import Prompts, candidates, only_rankings, stars
from starec_sim.agent import Call
from starec_sim.settings import Settings
from starec_sim.types import Memory, Messages, Observation, User

NEVER = Gate(when="never")


class SequentialPrompts(Prompts):
    """What was chosen, in order of time."""

    own: ClassVar[str] = "starec_agents.llmrank"
    names: ClassVar[tuple[str, ...]] = ("ranking", "repair", "json")

    def decide(
        self,
        person: User,
        memory: Memory,
        observation: Observation,
        cards: Sequence[str],
        form: Form = "tags",
    ) -> Messages:
        """Return the messages that ask for a ranking."""
        only_rankings(observation, "llmrank")
        return self._fill(
            "ranking",
            form,
            history=self._history(memory, cards),
            recent=self._recent(memory, cards),
            candidates=candidates(observation),
            count=len(observation.slate),
        )

    def _recent(self, memory: Memory, cards: Sequence[str]) -> str:
        return ""


class RecencyPrompts(SequentialPrompts):
    """Points at the latest experience, which a model easily overlooks among the others."""

    def _recent(self, memory: Memory, cards: Sequence[str]) -> str:
        if not memory.history:
            return ""
        latest = memory.history[-1]
        return f"The most recent of them: {stars(latest.rating)} | {cards[latest.item]}"


class LLMRankAgent(GraphAgent):
    """A user whom a model ranks for without having met her: the zero-shot row of a table."""

    class Config(Settings):
        """Settings of the agent."""

        recency: bool = True
        """Whether the prompt points at the latest experience (LLMRank's recency-focused prompt)."""
        history_limit: int = Field(default=40, ge=1)
        """Experiences that a memory keeps."""
        history_shown: int = Field(default=40, ge=1)
        """Experiences that a prompt shows, the latest ones."""
        prompts: Path | None = None
        """A folder whose files replace prompts of the same name."""

    def __init__(self, config: Config) -> None:
        self.config = config
        kind = RecencyPrompts if config.recency else SequentialPrompts
        prompts = kind.read(config.prompts, config.history_shown, summary_words=0)
        super().__init__(prompts, build_graph(), config.history_limit)

    def context(self, call: Call) -> Context:
        """Return what the nodes of a visit work with."""
        return Context(call, self._prompts, NEVER, self.history_limit)
