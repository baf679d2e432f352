"""What agents of this package share: prompts from files, a LangGraph graph, ask, read and repair.

An agent is three things: templates (`Prompts`), a graph whose nodes use them, and a class that
plays a visit as one invocation of the graph (`GraphAgent`). `star`, `llmrank` and `agentcf` are
built on these and do not import each other.
"""

from starec_agents.base.agent import GraphAgent
from starec_agents.base.asking import (
    Asked,
    ask_and_repair,
    ask_for_decision,
    ask_for_text,
    form_of,
)
from starec_agents.base.graph import (
    Context,
    Graph,
    GraphPlan,
    NodeFunction,
    State,
    Update,
    compile_graph,
)
from starec_agents.base.nodes import end_step, fast, perceive, respond
from starec_agents.base.prompting import Prompts

__all__ = [
    "Asked",
    "Context",
    "Graph",
    "GraphAgent",
    "GraphPlan",
    "NodeFunction",
    "Prompts",
    "State",
    "Update",
    "ask_and_repair",
    "ask_for_decision",
    "ask_for_text",
    "compile_graph",
    "end_step",
    "fast",
    "form_of",
    "perceive",
    "respond",
]
