"""The zero-shot user as one LangGraph graph: that of STAR without its gate and its slow node.

perceive -> fast -> respond -> remember -+-> END
^                                     |
+------------- next page -------------+
"""

from __future__ import annotations

from typing import Literal

from langgraph.runtime import Runtime
from langgraph.types import Command

from starec_agents.base import (
    Context,
    Graph,
    GraphPlan,
    State,
    compile_graph,
    end_step,
    fast,
    perceive,
    respond,
)
from starec_sim.types import Verdict


async def remember(
    state: State, runtime: Runtime[Context]
) -> Command[Literal["perceive", "__end__"]]:
    """Write what happened into memory; the summary stays as it is."""
    reason = "never" if state["feedback"].experiences else "nothing was revealed"
    verdict, summary = Verdict(False, reason), state["memory"].summary
    return end_step({**state, "verdict": verdict, "summary": summary}, runtime.context)


PLAN = GraphPlan(
    "llmrank",
    (perceive, fast, respond, remember),
    (("perceive", "fast"), ("fast", "respond"), ("respond", "remember")),
    State,
    Context,
    asking=(fast,),
)


def build_graph() -> Graph:
    """Return the compiled graph, which all users share."""
    return compile_graph(PLAN)
