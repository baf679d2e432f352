"""The types of a graph: the state of a visit, the context of its nodes, a node.

One invocation of a graph is one visit; the pages of a visit loop inside it. What the nodes need and
do not change comes through LangGraph's `Runtime[Context]`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, Protocol

from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from typing_extensions import TypedDict  # that of `typing` has no JSON schema before Python 3.12

from starec_agents.base.prompting import Prompts
from starec_sim.agent import Call
from starec_sim.types import (
    Decision,
    Feedback,
    Memory,
    Messages,
    Observation,
    Recalled,
    Step,
    Turn,
    Verdict,
)


@dataclass(frozen=True)
class Context:
    """What the nodes of one visit work with."""

    call: Call
    prompts: Prompts
    history_limit: int
    """Experiences that a memory keeps."""


class State(TypedDict):
    """A visit as it is played. `memory` and `steps` last; the rest belongs to the current step."""

    memory: Memory
    steps: tuple[Step, ...]
    observation: Observation
    recalled: tuple[Recalled, ...]
    messages: Messages
    decision: Decision
    feedback: Feedback
    verdict: Verdict
    summary: str
    turns: tuple[Turn, ...]


Graph = CompiledStateGraph[Any, Any, Any, Any]

Update = dict[str, Any]
"""What a node changes: some of the state's keys."""


class NodeFunction(Protocol):
    """A node of a graph."""

    __name__: str

    async def __call__(self, state: State, runtime: Runtime[Any]) -> Any:
        """Return an update, or a command with one."""
        ...


class GraphPlan(NamedTuple):
    """The nodes and edges of an agent's graph; `studio` compiles them with inputs of its own."""

    name: str
    nodes: tuple[Any, ...]
    """Node functions, of states and contexts of this agent. The first one begins a visit."""
    edges: tuple[tuple[str, str], ...]
    """Those besides the ones that the commands of nodes name."""
    state: type
    context: type
    asking: tuple[Any, ...] | None = None
    """Those of the nodes that wait for policies; any of them may when None. In a cohort, users ask
    together at these nodes, and the others are played without a task of the event loop."""

    def compile(
        self,
        around: Callable[[NodeFunction], NodeFunction] | None = None,
        state: type | None = None,
        start: type | None = None,
        context: type | None = None,
    ) -> Graph:
        """Compile the graph.

        Args:
            around: Makes the function of each node from ours, for invocations that bring another
                context.
            state: The state that nodes get, where it has more keys than ours need.
            start: The input of an invocation; the state when None.
            context: The context of an invocation; ours when None.
        """
        state = state or self.state
        builder: StateGraph[Any, Any, Any, Any] = StateGraph(
            state, context_schema=context or self.context, input_schema=start or state
        )
        for node in self.nodes:
            function: Any = node if around is None else around(node)
            builder.add_node(node.__name__, function, input_schema=state)
        builder.add_edge(START, self.nodes[0].__name__)
        for edge in self.edges:
            builder.add_edge(*edge)
        return builder.compile(name=self.name)


@cache
def compile_graph(plan: GraphPlan) -> Graph:
    """Compile the graph of an agent, once for all users."""
    return plan.compile()
