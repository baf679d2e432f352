"""The STAR user as one LangGraph graph: perceive, fast, respond, gate, slow, remember.

    perceive -> fast -> respond -> gate -+-> slow -+-> remember -+-> END
       ^                                 |         |             |
       |                                 +---------+             |
       +------------------------ next page ----------------------+

The graph is compiled once and shared by all users; one invocation is one visit, and the pages of a
visit loop inside it. Source: STARec (arXiv 2508.18812); fast and slow thinking, memory update and
reflection as in its section 3. `starec_agents.studio` is the same graph for LangGraph's own tools.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from langgraph.runtime import Runtime
from langgraph.types import Command

from starec_agents.base import (
    Asked,
    Context,
    Graph,
    GraphPlan,
    State,
    Update,
    ask_for_text,
    compile_graph,
    end_step,
    fast,
    form_of,
    perceive,
    respond,
)
from starec_agents.star.gate import Gate
from starec_agents.star.prompting import StarPrompts


@dataclass(frozen=True)
class StarContext(Context):
    """What the nodes of one visit work with."""

    prompts: StarPrompts
    gate: Gate


async def gate(state: State, runtime: Runtime[StarContext]) -> Command[Literal["slow", "remember"]]:
    """Judge whether slow thinking follows this decision."""
    memory = state["memory"]
    verdict = runtime.context.gate.judge(
        state["observation"], state["decision"], state["feedback"], memory.steps + 1
    )
    update = {"verdict": verdict, "summary": memory.summary}
    return Command(update=update, goto="slow" if verdict.slow else "remember")


async def slow(state: State, runtime: Runtime[StarContext]) -> Update:
    """Think slowly: compare prediction and feedback, rewrite the preference summary."""
    call, prompts = runtime.context.call, runtime.context.prompts
    messages = prompts.reflect(
        state["memory"],
        state["observation"],
        state["decision"],
        state["feedback"],
        call.environment.cards,
        form_of(call, "slow"),
    )
    asked = Asked("slow", "reflect", messages, words=prompts.summary_words)
    written, turns = await ask_for_text(runtime.context, state, asked)
    # An answer without a summary changes nothing in memory; the turn's error says so.
    return {"summary": written or state["summary"], "turns": turns}


async def remember(
    state: State, runtime: Runtime[StarContext]
) -> Command[Literal["perceive", "__end__"]]:
    """Write the step into memory, and turn the page or leave."""
    return end_step(state, runtime.context)


PLAN = GraphPlan(
    "star",
    (perceive, fast, respond, gate, slow, remember),
    (("perceive", "fast"), ("fast", "respond"), ("respond", "gate"), ("slow", "remember")),
    State,
    StarContext,
    asking=(fast, slow),
)
"""`gate` and `remember` route by `Command`: conditional edges cost 15 % more a page (measured)."""


def build_graph() -> Graph:
    """Return the compiled graph, which all users share."""
    return compile_graph(PLAN)
