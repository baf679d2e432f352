"""Play the visits of many users in one invocation of a graph.

The graph of a cohort has the nodes and edges of the agent's own graph, and the same node functions.
Its state holds the state of each visit and the node at which the visit is. A node plays all visits
that are at it; in one step of LangGraph, visits may be at different nodes. LangGraph's own work, a
millisecond for each visit, is done once for all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, NamedTuple

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import (
    ensure_config,
    merge_configs,
    var_child_runnable_config,
)
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command
from typing_extensions import TypedDict

from starec_agents.base.graph import Context, Graph, GraphPlan, NodeFunction, State
from starec_sim.agent import Call, endless_visit


class VisitPlace(NamedTuple):
    """A visit in progress."""

    at: str
    """The node that plays it next; `END` where it has ended."""
    state: State


def _moved(
    before: Mapping[int, VisitPlace], after: Mapping[int, VisitPlace | None]
) -> Mapping[int, VisitPlace | None]:
    return {**before, **after}


class CohortState(TypedDict):
    """The visits of a cohort, by their number; None for a visit that failed."""

    visits: Annotated[Mapping[int, VisitPlace | None], _moved]


@dataclass(frozen=True)
class CohortContext:
    """What the nodes of a cohort work with."""

    contexts: Sequence[Context]
    """Of each visit, what its nodes work with."""
    failed: Callable[[Call, BaseException], None]
    """Told of the error of a visit, see `starec_sim.agent.CohortAgent`."""
    max_pages: int
    """Pages after which a visit that does not end fails."""
    traced: bool = False
    """Whether the calls of a user carry her id for callback handlers."""


@cache
def compile_cohort(plan: GraphPlan) -> Graph:
    """Compile the graph that plays a cohort, once for each plan."""
    following = dict(plan.edges)
    if len(following) < len(plan.edges):
        raise ValueError(f"the graph {plan.name} has two fixed edges from one node")
    first = plan.nodes[0].__name__
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(CohortState, context_schema=CohortContext)
    for node in plan.nodes:
        asks = plan.asking is None or node in plan.asking
        lifted: Any = _Lifted(node, following.get(node.__name__), first, asks).play
        builder.add_node(node.__name__, lifted)
    builder.add_edge(START, first)
    return builder.compile(name=plan.name)


class _Lifted:
    """Plays a node for all visits that are at it.

    Args:
        node: The function that plays it for one visit.
        following: The node that a fixed edge leads to; None where its commands say it.
        first: The node that begins a page.
        asks: Whether the node may wait for policies.
    """

    def __init__(self, node: NodeFunction, following: str | None, first: str, asks: bool) -> None:
        self._node, self._name = node, node.__name__
        self._following = following
        self._first = first
        self._asks = asks

    async def play(self, state: CohortState, runtime: Runtime[Any]) -> Command[Any]:
        here = {
            n: place for n, place in state["visits"].items() if place and place.at == self._name
        }
        if self._asks:
            played = await _together(
                [self._waiting(n, place.state, runtime) for n, place in here.items()]
            )
        else:
            played = [self._at_once(n, place.state, runtime) for n, place in here.items()]
        moved = dict(zip(here, played, strict=True))
        goto = sorted({place.at for place in played if place})
        return Command(update={"visits": moved}, goto=goto)

    async def _waiting(self, number: int, state: State, runtime: Runtime[Any]) -> VisitPlace | None:
        """Play the node for one visit; what it asks is asked beside the questions of the others."""
        context: CohortContext = runtime.context
        own = runtime.override(context=context.contexts[number])
        try:
            if context.traced:  # in the task of this user, so that her calls carry her id
                user: RunnableConfig = {"metadata": {"user": own.context.call.person.id}}
                var_child_runnable_config.set(merge_configs(ensure_config(), user))
            return self._place(number, state, await self._node(state, own), context)
        except (Exception, SystemExit) as error:
            context.failed(context.contexts[number].call, error)
            return None

    def _at_once(self, number: int, state: State, runtime: Runtime[Any]) -> VisitPlace | None:
        """Play a node that waits for nothing: it needs no task of the event loop."""
        context: CohortContext = runtime.context
        try:
            own = runtime.override(context=context.contexts[number])
            return self._place(number, state, _result(self._node(state, own)), context)
        except (Exception, SystemExit) as error:
            context.failed(context.contexts[number].call, error)
            return None

    def _place(self, number: int, state: State, result: Any, context: CohortContext) -> VisitPlace:
        """Return where a visit is after a node."""
        update: Any = result.update if isinstance(result, Command) else result
        at = self._following or str(result.goto)
        after: Any = {**state, **update}
        if at == self._first and len(after["steps"]) >= context.max_pages:
            raise endless_visit(context.contexts[number].call, context.max_pages)
        return VisitPlace(at, after)


async def _together(
    waiting: Sequence[Coroutine[Any, Any, VisitPlace | None]],
) -> list[VisitPlace | None]:
    """Await all at once; after the first error that ends the run, the others are cancelled."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in waiting]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


def _result(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Return what a coroutine returns that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    coroutine.close()
    raise TypeError(f"{coroutine} waits, and its node is not in `asking` of the agent's GraphPlan")
