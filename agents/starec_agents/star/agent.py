"""The STAR agent: its configuration, and what it gives to the graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from pydantic import Field

from starec_agents.base import GraphAgent, form_of
from starec_agents.star.examples import Examples
from starec_agents.star.gate import Gate
from starec_agents.star.graph import PLAN, StarContext
from starec_agents.star.prompting import StarPrompts
from starec_sim.agent import Call
from starec_sim.answers import read_summary
from starec_sim.memory.recall import RecallSettings
from starec_sim.settings import Settings


class StarAgent(GraphAgent):
    """Plays users as in STARec: they answer fast, think slowly when surprised, and remember."""

    class Config(Settings):
        """Settings of the agent."""

        gate: Gate = Gate()
        history_limit: int = Field(default=40, ge=1)
        """Experiences that a memory keeps (the paper's cap)."""
        history_shown: int = Field(default=10, ge=0)
        """Experiences that a prompt shows, the latest ones."""
        recall: RecallSettings | None = None
        """Show, before the latest experiences, older ones that are like the items shown."""
        summary_words: int = Field(default=180, ge=10)
        """The longest preference summary."""
        prompts: Path | None = None
        """A folder whose files replace prompts of the same name."""
        examples: Path | None = None
        """A YAML file of solved questions, which stand before each question of their kind."""

    def __init__(self, config: Config) -> None:
        self.config = config
        recall = config.recall.build() if config.recall else None
        self._templates = StarPrompts.read(
            config.prompts, config.history_shown, config.summary_words, recall
        )
        if config.examples is not None:
            examples = Examples(config.examples, config.summary_words)
            self._templates = replace(self._templates, examples=examples)
        super().__init__(self._templates, PLAN, config.history_limit)

    def prompts(self) -> Mapping[str, str]:
        """Return the prompt templates by name, and the file of examples if there is one."""
        examples = self._templates.examples
        return {**super().prompts(), **({"examples.yaml": examples.text} if examples else {})}

    def rephrased(self) -> StarAgent | None:
        """Return the same agent with paraphrased prompts; None when its prompts were replaced.

        Audits compare both: what a policy answers should not depend on the wording.
        """
        if self.config.prompts is not None:
            return None
        folder = Path(str(files("starec_agents.star") / "paraphrases"))
        return StarAgent(self.config.model_copy(update={"prompts": folder}))

    def context(self, call: Call) -> StarContext:
        """Return what the nodes of a visit work with."""
        return StarContext(call, self._templates, self.history_limit, self.config.gate)

    def summary(self, call: Call, text: str) -> tuple[str | None, str]:
        """Read a summary, and say what is wrong with the text."""
        words = self._templates.summary_words
        summary, findings = read_summary(text, words, form_of(call, "slow"))
        return summary, str(findings)
