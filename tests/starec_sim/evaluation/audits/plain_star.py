"""STAR without LangGraph, whose own work costs more than the policies of `biased.py`."""

from typing import Any

from langgraph.graph import END
from langgraph.runtime import Runtime
from langgraph.types import Command

from starec_agents.star import StarAgent
from starec_agents.star.graph import PLAN
from starec_sim.types import Visit


class PlainStar(StarAgent):
    """Plays the nodes of a visit one after the other."""

    def rephrased(self):
        other = super().rephrased()
        return other and PlainStar(other.config)

    async def visit(self, call):
        nodes, following = {node.__name__: node for node in PLAN.nodes}, dict(PLAN.edges)
        state: dict[str, Any] = {"memory": call.memory, "steps": ()}
        runtime = Runtime(context=self.context(call))
        at = PLAN.nodes[0].__name__
        while at != END:
            after = await nodes[at](state, runtime)
            state |= after.update if isinstance(after, Command) else after
            at = following.get(at) or after.goto
        return Visit(call.user, call.round, state["steps"])
