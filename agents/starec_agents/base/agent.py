"""An agent that plays a visit as one invocation of its graph."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config, get_async_callback_manager_for_config
from langgraph.errors import GraphRecursionError

from starec_agents.base.asking import form_of
from starec_agents.base.cohort import (
    CohortContext,
    VisitPlace,
    compile_cohort,
)
from starec_agents.base.graph import Context, GraphPlan, State, compile_graph
from starec_agents.base.prompting import Prompts
from starec_sim.agent import MAX_PAGES, Call, endless_visit
from starec_sim.answers import read_decision
from starec_sim.types import Decision, Messages, Observation, Visit

SUPERSTEPS_A_PAGE = 6
"""Steps of LangGraph for one page of a visit."""
_MOST_SUPERSTEPS = 100 * MAX_PAGES
"""Of a cohort: no visit comes so far, because each ends after `MAX_PAGES` pages."""
_TAGS = ("run", "arm", "seed")
"""The labels that are tags as well, so that a tracer can filter by them."""


class GraphAgent(ABC):
    """An agent that plays a visit as one invocation of its graph.

    Args:
        prompts: Its templates, and what a prompt shows.
        plan: The nodes and edges of its graph, which all users share.
        history_limit: Experiences that a memory keeps.
    """

    def __init__(self, prompts: Prompts, plan: GraphPlan, history_limit: int) -> None:
        self._prompts = prompts
        self._plan = plan
        self._graph = compile_graph(plan)
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
                self._config(f"user {call.person.id}", call, user=call.person.id),
                context=self.context(call),
                output_keys=["steps"],
                version="v2",
            )
        except GraphRecursionError:
            raise endless_visit(call, MAX_PAGES) from None
        return Visit(call.user, call.round, end.value["steps"])

    async def visits(
        self, calls: Sequence[Call], failed: Callable[[Call, BaseException], None]
    ) -> list[Visit | None]:
        """Play several visits in one invocation of a graph; see `starec_sim.agent.CohortAgent`."""
        first = self._plan.nodes[0].__name__
        starts = [cast(State, {"memory": call.memory, "steps": ()}) for call in calls]
        config = self._config(f"cohort of {len(calls)}", calls[0])
        contexts = [self.context(call) for call in calls]
        end = await compile_cohort(self._plan).ainvoke(
            {"visits": {number: VisitPlace(first, start) for number, start in enumerate(starts)}},
            # Visits at different nodes share a step: a cohort takes as many as its longest visit.
            {**config, "recursion_limit": _MOST_SUPERSTEPS},
            context=CohortContext(contexts, failed, MAX_PAGES, "metadata" in config),
            output_keys=["visits"],
            version="v2",
        )
        places: Mapping[int, VisitPlace | None] = end.value["visits"]
        return [
            place and Visit(call.user, call.round, place.state["steps"])
            for call, place in zip(calls, map(places.get, range(len(calls))), strict=True)
        ]

    def _config(self, who: str, call: Call, **metadata: str) -> RunnableConfig:
        """Return the configuration of an invocation: its name, tags and metadata in a trace.

        Without a callback handler nobody reads them, and LangGraph would merge them at every node:
        that costs 3 % of a visit (measured), and to look for a handler 0.4 %.

        Args:
            who: Who is played.
            call: Of a user who is.
            metadata: Goes into the trace as well.
        """
        config: RunnableConfig = {"recursion_limit": SUPERSTEPS_A_PAGE * MAX_PAGES}
        if get_async_callback_manager_for_config(ensure_config()).handlers:
            labels, round = call.labels, call.round + 1
            config["run_name"] = f"{self.name} {who} round {round}"
            config["tags"] = ["starec", *(f"{key}:{labels[key]}" for key in _TAGS if key in labels)]
            config["metadata"] = {**labels, **metadata, "round": round}
        return config
