"""An agent that plays a visit as one invocation of its graph."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config, get_async_callback_manager_for_config
from langgraph.errors import GraphRecursionError

from starec_agents.base.asking import form_of
from starec_agents.base.graph import Context, Graph
from starec_agents.base.prompting import Prompts
from starec_sim.agent import Call
from starec_sim.answers import read_decision
from starec_sim.errors import ContractError
from starec_sim.types import Decision, Messages, Observation, Visit

SUPERSTEPS_A_PAGE = 6
"""Steps of LangGraph for one page of a visit."""
_TAGS = ("run", "arm", "seed")
"""The labels that are tags as well, so that a tracer can filter by them."""
MAX_PAGES = 1_000
"""Pages of one visit after which an environment that never ends it is stopped."""


class GraphAgent(ABC):
    """An agent that plays a visit as one invocation of its graph.

    Args:
        prompts: Its templates, and what a prompt shows.
        graph: Compiled; shared by all users.
        history_limit: Experiences that a memory keeps.
    """

    def __init__(self, prompts: Prompts, graph: Graph, history_limit: int) -> None:
        self._prompts = prompts
        self._graph = graph
        self.history_limit = history_limit

    @property
    def name(self) -> str:
        """The name of its graph."""
        return str(self._graph.name)

    def prompts(self) -> Mapping[str, str]:
        """Return the prompt templates by name."""
        return self._prompts.texts

    def mermaid(self) -> str:
        """Return a drawing of the graph in Mermaid; see `starec_sim.agent.DrawnAgent`."""
        return self._graph.get_graph().draw_mermaid()

    def edges(self) -> list[tuple[str, str, bool]]:
        """Return the edges of the graph; see `starec_sim.agent.DrawnAgent`."""
        edges = self._graph.get_graph().edges
        return [(edge.source, edge.target, edge.conditional) for edge in edges]

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
                self._config(call),
                context=self.context(call),
                output_keys=["steps"],
                version="v2",
            )
        except GraphRecursionError:
            raise ContractError(
                f"the visit of user {call.person.id} in round {call.round + 1} did not end within "
                f"{MAX_PAGES} pages",
                hint="`respond`, or `react` of a World, must return an `ending` at last",
            ) from None
        return Visit(call.user, call.round, end.value["steps"])

    def _config(self, call: Call) -> RunnableConfig:
        """Return the configuration of an invocation: its name, tags and metadata in a trace.

        Without a callback handler nobody reads them, and LangGraph would merge them at every node:
        that costs 3 % of a visit (measured), and to look for a handler 0.4 %.
        """
        config: RunnableConfig = {"recursion_limit": SUPERSTEPS_A_PAGE * MAX_PAGES}
        if get_async_callback_manager_for_config(ensure_config()).handlers:
            labels, user, round = call.labels, call.person.id, call.round + 1
            config["run_name"] = f"{self.name} user {user} round {round}"
            config["tags"] = ["starec", *(f"{key}:{labels[key]}" for key in _TAGS if key in labels)]
            config["metadata"] = {**labels, "user": user, "round": round}
        return config
