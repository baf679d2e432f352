"""The AgentCF agent: users with memories, items with notes, and choices of two to learn from."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from starec_agents.agentcf.graph import PLAN, CFContext
from starec_agents.agentcf.prompting import CFPrompts
from starec_agents.base import GraphAgent
from starec_sim.agent import Call
from starec_sim.settings import Settings


class AgentCFAgent(GraphAgent):
    """Plays users as in AgentCF: choices of two rewrite self-introductions and notes of items."""

    class Config(Settings):
        """Settings of the agent; the defaults are those of the authors."""

        rounds: int = Field(default=2, ge=1)
        """How often the user chooses from the pair and learns from it."""
        history_limit: int = Field(default=40, ge=1)
        """Experiences that a memory keeps."""
        history_shown: int = Field(default=0, ge=0)
        """Experiences that the prompt of a ranking shows, the latest ones: 0 is the basic variant
        of the authors, "B"; any other number is their sequential variant, "B+H"."""
        summary_words: int = Field(default=180, ge=10)
        """The longest self-introduction."""
        prompts: Path | None = None
        """A folder whose files replace prompts of the same name."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._templates = CFPrompts.read(config.prompts, config.history_shown, config.summary_words)
        super().__init__(self._templates, PLAN, config.history_limit)

    def context(self, call: Call) -> CFContext:
        """Return what the nodes of a visit work with."""
        return CFContext(call, self._templates, self.history_limit, self.config.rounds)
