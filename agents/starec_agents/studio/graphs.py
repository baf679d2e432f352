"""The graphs that `langgraph.json` names, one for each agent.

They have no checkpointer: the server of LangGraph's tools brings its own.
"""

from __future__ import annotations

import asyncio
import reprlib
from dataclasses import replace
from functools import wraps
from typing import Any, cast, get_type_hints

from langgraph.runtime import Runtime
from langgraph.types import Command
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python
from typing_extensions import TypedDict

from starec_agents.agentcf.agent import AgentCFAgent
from starec_agents.agentcf.graph import PLAN as AGENTCF
from starec_agents.base import Context, Graph, GraphAgent, GraphPlan, NodeFunction, State
from starec_agents.llmrank.agent import LLMRankAgent
from starec_agents.llmrank.graph import PLAN as LLMRANK
from starec_agents.star.agent import StarAgent
from starec_agents.star.graph import PLAN as STAR
from starec_agents.star.graph import StarContext
from starec_agents.studio.openings import EXAMPLE, Opening, Start, open_visit, typed_start
from starec_agents.studio.panel import (
    GatePanel,
    RankingPanel,
    StudioPanel,
    with_prompt_fields,
    with_prompts,
)
from starec_sim.errors import ConfigError, StarecError


class _StudioGraph:
    """Makes the graph of an agent for invocations that bring a typed input and a panel.

    Args:
        plan: The agent's nodes and edges.
        agent: With default settings.
        panel: The panel without prompts.
        prompt_nodes: The node at which Studio shows a prompt, by name of the prompt.
    """

    def __init__(
        self,
        plan: GraphPlan,
        agent: GraphAgent,
        panel: type[StudioPanel],
        prompt_nodes: dict[str, str],
    ) -> None:
        self._name, self._first = plan.name, plan.nodes[0].__name__
        self._shipped = {name: agent.prompts()[name] for name in prompt_nodes}
        self._panel = with_prompt_fields(panel, self._shipped, prompt_nodes)
        state = _typed(plan.state)
        self._kinds = {name: TypeAdapter(kind) for name, kind in get_type_hints(state).items()}
        self.graph: Graph = plan.compile(self._with_visit, state, Start, self._panel)

    def _with_visit(self, node: NodeFunction) -> NodeFunction:
        """Give a node the context of the visit that was typed."""

        @wraps(node)
        async def play(state: State, runtime: Runtime[Any]) -> Any:
            try:
                return await self._play(node, self._restored(cast(dict[str, Any], state)), runtime)
            except StarecError as error:
                # LangGraph's server shows the messages of Python's own errors only.
                raise ValueError(str(error)) from None

        return play

    async def _play(self, node: NodeFunction, known: dict[str, Any], runtime: Runtime[Any]) -> Any:
        start = typed_start(known)
        panel = runtime.context or self._panel.model_validate({})
        # In a thread, because to build a world would block the event loop of the server.
        opening = await asyncio.to_thread(open_visit, self._name, start, panel)
        begun: dict[str, Any] = {}
        if node.__name__ == self._first and _over(known, start):
            begun = {
                "playing": str(start),
                "opened": opening.how,
                "memory": opening.call.memory,
                "steps": (),
            }
        context = runtime.override(context=self._context(opening, panel))
        return _plain(begun, await node(cast(State, known | begun), context))

    def _context(self, opening: Opening, panel: StudioPanel) -> Context:
        context = with_prompts(opening.agent.context(opening.call), panel, self._shipped)
        if isinstance(panel, GatePanel) and panel.gate and isinstance(context, StarContext):
            return replace(context, gate=context.gate.model_copy(update={"when": panel.gate}))
        return context

    def _restored(self, state: dict[str, Any]) -> dict[str, Any]:
        """Return the state with its own types; checkpoints and edits hold plain values."""
        return {name: self._valid(name, to_jsonable_python(value)) for name, value in state.items()}

    def _valid(self, name: str, value: Any) -> Any:
        try:
            return self._kinds[name].validate_python(value)
        except ValidationError as error:
            wrong = " or ".join(dict.fromkeys(each["msg"] for each in error.errors()[:3]))
            raise ConfigError(
                f"{name}: {wrong}, not {reprlib.repr(value)}", hint=f"type e.g. {EXAMPLE}"
            ) from None


def _typed(state: type) -> type:
    """Return the state of an agent with the keys of what is typed, and of what is open."""
    keys = {**get_type_hints(state), **get_type_hints(Start), "playing": str, "opened": str}
    make: Any = TypedDict  # type checkers know its form with literals only
    made: type = make("Visit", keys)
    return made


def _plain(begun: dict[str, Any], update: Any) -> Any:
    """Return what a node changes as plain values.

    The server warns of each type in a checkpoint that it does not know, and version 0.16 ignores
    `checkpointer.serde.allowed_msgpack_modules` of langgraph.json.
    """
    if isinstance(update, Command):
        return replace(update, update=to_jsonable_python({**begun, **(update.update or {})}))
    return to_jsonable_python(begun | update)


def _over(state: dict[str, Any], start: Start) -> bool:
    """Return whether a thread holds no visit, a finished one, or another one than was typed."""
    if state.get("playing") != str(start):
        return True
    return bool(state["steps"] and state["steps"][-1].feedback.ending)


star = _StudioGraph(
    STAR,
    StarAgent(StarAgent.Config()),
    GatePanel,
    {"feed": "perceive", "ranking": "perceive", "repair": "fast", "reflect": "slow"},
).graph
agentcf = _StudioGraph(
    AGENTCF,
    AgentCFAgent(AgentCFAgent.Config()),
    RankingPanel,
    {
        "ranking": "perceive",
        "repair": "fast",
        "choose": "choose",
        "reflect": "rewrite_user",
        "describe": "rewrite_item",
    },
).graph
llmrank = _StudioGraph(
    LLMRANK,
    LLMRankAgent(LLMRankAgent.Config()),
    RankingPanel,
    {"ranking": "perceive", "repair": "fast"},
).graph
