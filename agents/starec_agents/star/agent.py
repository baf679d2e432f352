"""The STAR agent: configuration, and one visit as one invocation of the graph."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from langgraph.errors import GraphRecursionError
from pydantic import Field

from starec_agents.star.gate import Gate
from starec_agents.star.graph import Context, Graph, build_graph, form_of
from starec_agents.star.parsing import read_decision, read_summary
from starec_agents.star.prompting import Prompts
from starec_sim.agent import Call
from starec_sim.errors import ContractError
from starec_sim.memory.recall import RecallSettings
from starec_sim.settings import Settings
from starec_sim.types import Decision, Messages, Observation, Visit

SUPERSTEPS_A_PAGE = 6
MAX_PAGES = 1_000
"""Pages of one visit after which an environment without end is stopped."""


class GraphAgent(ABC):
    """An agent that plays a visit as one invocation of its graph: STAR, and those it is put beside.

    Args:
        prompts: Its templates, and what a prompt shows.
        graph: Compiled; shared by all users.
        history_limit: Experiences that a memory keeps.
    """

    def __init__(self, prompts: Prompts, graph: Graph, history_limit: int) -> None:
        self._prompts = prompts
        self._graph = graph
        self.history_limit = history_limit

    def prompts(self) -> Mapping[str, str]:
        """Return the prompt templates by name."""
        return self._prompts.texts

    @abstractmethod
    def context(self, call: Call) -> Context:
        """Return what the nodes of a visit work with."""

    def question(self, call: Call, observation: Observation) -> Messages:
        """Return the messages that ask for a decision; see `starec_sim.agent.OpenAgent`."""
        cards = call.environment.cards
        return self._prompts.decide(
            call.person, call.memory, observation, cards, form_of(call, "fast")
        )

    def decision(self, call: Call, text: str, observation: Observation) -> tuple[Decision, str]:
        """Read a decision, and say what is wrong with the text."""
        decision, findings = read_decision(text, observation, form_of(call, "fast"))
        return decision, str(findings)

    def rethink(self, messages: Messages, answer: str, problem: str) -> Messages:
        """Return the messages that ask again."""
        return self._prompts.repair(messages, answer, problem)

    async def visit(self, call: Call) -> Visit:
        """Play a visit: one invocation of the graph, however many pages it has.

        Raises:
            ContractError: The environment did not end the visit within `MAX_PAGES` pages.
            PolicyError: A policy could not be asked.
        """
        start = {"memory": call.memory, "steps": ()}
        try:
            end = await self._graph.ainvoke(
                start,
                {"recursion_limit": SUPERSTEPS_A_PAGE * MAX_PAGES},
                context=self.context(call),
                output_keys=["steps"],
                version="v2",
            )
        except GraphRecursionError:
            raise ContractError(
                f"the visit of user {call.user} in round {call.round} did not end within "
                f"{MAX_PAGES} pages",
                hint="the environment's `respond` must return a feedback with an `ending` one day",
            ) from None
        return Visit(call.user, call.round, end.value["steps"])


class StarAgent(GraphAgent):
    """A user after STARec: answers fast, thinks slowly when surprised, remembers."""

    class Config(Settings):
        """Settings of the agent."""

        gate: Gate = Gate()
        history_limit: int = Field(default=40, ge=1)
        """Experiences that a memory keeps (the paper's cap)."""
        history_shown: int = Field(default=10, ge=0)
        """Experiences that a prompt shows, the latest ones."""
        recall: RecallSettings | None = None
        """Show, before the latest experiences, older ones that have to do with what is seen."""
        summary_words: int = Field(default=180, ge=10)
        """The longest preference summary."""
        prompts: Path | None = None
        """A folder whose files replace prompts of the same name."""

    def __init__(self, config: Config) -> None:
        self.config = config
        recall = config.recall.build() if config.recall else None
        prompts = Prompts.read(config.prompts, config.history_shown, config.summary_words, recall)
        super().__init__(prompts, build_graph(), config.history_limit)

    def rephrased(self) -> StarAgent | None:
        """Return the same agent asking in other words; None when its words are somebody's own.

        What a policy answers should not hang on the wording: audits compare both.
        """
        if self.config.prompts is not None:
            return None
        folder = Path(str(files("starec_agents.star") / "paraphrases"))
        return StarAgent(self.config.model_copy(update={"prompts": folder}))

    def context(self, call: Call) -> Context:
        """Return what the nodes of a visit work with."""
        return Context(call, self._prompts, self.config.gate, self.history_limit)

    def summary(self, call: Call, text: str) -> tuple[str | None, str]:
        """Read a summary, and say what is wrong with the text."""
        words = self._prompts.summary_words
        summary, findings = read_summary(text, words, form_of(call, "slow"))
        return summary, str(findings)
