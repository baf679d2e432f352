"""Zero-shot ranking: one prompt with the history and the candidates.

Hou et al. (2024), "Large language models are zero-shot rankers for recommender systems" (LLMRank,
arXiv 2305.08845): the sequential prompt shows what was chosen in order of time, the recency-focused
one repeats the latest choice. Memory keeps what happened, and no summary is written. The nodes are
those of the STAR agent without its gate and slow thinking, so that the two rows of a table differ
by prompt and reflection only.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from starec_agents.base import Context, GraphAgent
from starec_agents.llmrank.graph import PLAN
from starec_agents.llmrank.prompting import RecencyPrompts, SequentialPrompts
from starec_sim.agent import Call
from starec_sim.settings import Settings


class LLMRankAgent(GraphAgent):
    """Plays users whose rankings follow from the history alone: the zero-shot row of a table."""

    class Config(Settings):
        """Settings of the agent."""

        recency: bool = True
        """Whether the prompt repeats the latest experience (LLMRank's recency-focused prompt)."""
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
        super().__init__(prompts, PLAN, config.history_limit)

    def context(self, call: Call) -> Context:
        """Return what the nodes of a visit work with."""
        return Context(call, self._prompts, self.history_limit)
