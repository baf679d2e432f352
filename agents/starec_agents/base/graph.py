"""The types of a graph: the state of a visit, the context of its nodes, a node.

One invocation of a graph is one visit; the pages of a visit loop inside it. What the nodes need and
do not change comes through LangGraph's `Runtime[Context]`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

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
