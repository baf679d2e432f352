"""The STAR user as one LangGraph graph: perceive, fast, respond, gate, slow, remember.

    perceive -> fast -> respond -> gate -+-> slow -+-> remember -+-> END
       ^                                 |         |             |
       |                                 +---------+             |
       +------------------------ next page ----------------------+

The graph is compiled once and shared by all users; one invocation is one visit, and the pages of a
visit loop inside it. What nodes need and do not own comes through `Runtime[Context]`. Source:
STARec (arXiv 2508.18812); fast and slow thinking, memory update and reflection as in its section 3.
`starec_agents.star.studio` is the same graph for LangGraph's own tools.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal, Protocol

from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command
from typing_extensions import TypedDict  # that of `typing` has no JSON schema before Python 3.12

from starec_agents.star.forms import Form
from starec_agents.star.gate import Gate
from starec_agents.star.parsing import Findings, read_decision, read_summary
from starec_agents.star.prompting import Prompts
from starec_sim.agent import Call
from starec_sim.types import (
    Decision,
    Feedback,
    Memory,
    Messages,
    Node,
    Observation,
    Step,
    Turn,
    Verdict,
)


@dataclass(frozen=True)
class Context:
    """What the nodes of one visit work with."""

    call: Call
    prompts: Prompts
    gate: Gate
    history_limit: int


class State(TypedDict):
    """A visit in the making. `memory` and `steps` last; the rest belongs to the current step."""

    memory: Memory
    steps: tuple[Step, ...]
    observation: Observation
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
    """A node of the graph."""

    __name__: str

    async def __call__(self, state: State, runtime: Runtime[Context]) -> Any:
        """Return an update, or a command with one."""
        ...


async def perceive(state: State, runtime: Runtime[Context]) -> Update:
    """Look at what is shown and recall what is known: the prompt's parts."""
    call, prompts = runtime.context.call, runtime.context.prompts
    observation = call.environment.observe(call.user, state["steps"])
    messages = prompts.decide(
        call.person, state["memory"], observation, call.environment.cards, form_of(call, "fast")
    )
    return {"observation": observation, "messages": messages, "turns": ()}


async def fast(state: State, runtime: Runtime[Context]) -> Update:
    """Answer fast: a short reasoning, then a ranking or an action for each item."""
    asked, observation = state["messages"], state["observation"]
    form = form_of(runtime.context.call, "fast")
    turn = await ask(runtime.context, state, "fast", asked)
    decision, findings = read_decision(turn.completion, observation, form)
    turns: tuple[Turn, ...] = (replace(turn, error=str(findings)),)
    if mendable(turn, findings):
        repair = runtime.context.prompts.repair(asked, turn.completion, str(findings))
        turn = await ask(runtime.context, state, "fast", repair, attempt=1)
        second, findings = read_decision(turn.completion, observation, form)
        turns += (replace(turn, error=str(findings)),)
        decision = replace(better(decision, second), repaired=True)
    return {"decision": decision, "turns": turns}


async def respond(state: State, runtime: Runtime[Context]) -> Update:
    """Let the world answer."""
    call = runtime.context.call
    feedback = call.environment.respond(
        call.user, state["steps"], state["observation"], state["decision"]
    )
    return {"feedback": feedback}


async def gate(state: State, runtime: Runtime[Context]) -> Command[Literal["slow", "remember"]]:
    """Judge whether this is worth a second thought."""
    memory = state["memory"]
    verdict = runtime.context.gate.judge(
        state["observation"], state["decision"], state["feedback"], memory.steps + 1
    )
    update = {"verdict": verdict, "summary": memory.summary}
    return Command(update=update, goto="slow" if verdict.slow else "remember")


async def slow(state: State, runtime: Runtime[Context]) -> Update:
    """Think slowly: compare prediction and feedback, rewrite the preference summary."""
    prompts, form = runtime.context.prompts, form_of(runtime.context.call, "slow")
    asked = prompts.reflect(
        state["memory"],
        state["observation"],
        state["decision"],
        state["feedback"],
        runtime.context.call.environment.cards,
        form,
    )
    turn = await ask(runtime.context, state, "slow", asked)
    summary, findings = read_summary(turn.completion, prompts.summary_words, form)
    turns = (*state["turns"], replace(turn, error=str(findings)))
    if mendable(turn, findings):
        repair = prompts.repair(asked, turn.completion, str(findings))
        turn = await ask(runtime.context, state, "slow", repair, attempt=1)
        second, findings = read_summary(turn.completion, prompts.summary_words, form)
        summary = second or summary
        turns += (replace(turn, error=str(findings)),)
    # An answer without a summary changes nothing in memory; the turn's error says so.
    return {"summary": summary or state["summary"], "turns": turns}


async def remember(
    state: State, runtime: Runtime[Context]
) -> Command[Literal["perceive", "__end__"]]:
    """Write the step into memory, and turn the page or leave."""
    return turn_the_page(state, runtime.context)


@cache
def build_graph(
    around: Callable[[NodeFunction], NodeFunction] | None = None,
    state: type[State] = State,
    start: type | None = None,
) -> Graph:
    """Compile the graph, once for all users.

    `gate` and `remember` route by `Command`: conditional edges cost 15 % more a page (measured).

    Args:
        around: Makes each node's function from ours, where invocations bring no `Context`.
        state: What the nodes get, when that is more than ours need.
        start: What an invocation brings; the state when empty.
    """
    context = Context if around is None else None
    builder = StateGraph(state, context_schema=context, input_schema=start or state)
    nodes: tuple[NodeFunction, ...] = (perceive, fast, respond, gate, slow, remember)
    for node in nodes:
        function = node if around is None else around(node)
        builder.add_node(node.__name__, function, input_schema=state)
    builder.add_edge(START, "perceive")
    builder.add_edge("perceive", "fast")
    builder.add_edge("fast", "respond")
    builder.add_edge("respond", "gate")
    builder.add_edge("slow", "remember")
    return builder.compile(name="star")


def form_of(call: Call, node: Node) -> Form:
    """Return the form in which the policy of a node is to answer."""
    # Policies of somebody else's making may know nothing of forms: tags are for everybody.
    structured = getattr(call.policies, "structured", None)
    return "json" if structured is not None and structured(node) else "tags"


async def ask(
    context: Context,
    state: State,
    node: Node,
    messages: Messages,
    attempt: int = 0,
    prompt: str = "",
    count: int = 0,
) -> Turn:
    """Ask the policy of a node, with the schema of the answer where it can be held to one.

    Args:
        context: Of the visit.
        state: Of the visit.
        node: Whose policy is asked.
        messages: The question.
        attempt: Counts the questions of this node in this step.
        prompt: The template of the question; that of the step's task or of reflection when empty.
        count: How many labels there are to name; those of the slate when 0.
    """
    call = context.call
    options: dict[str, Any] = {}
    if form_of(call, node) == "json":
        name = prompt or ("reflect" if node == "slow" else state["observation"].task)
        options["schema"] = context.prompts.schema(name, count or len(state["observation"].slate))
    return await call.policies.ask(
        call.key(len(state["steps"]), node, attempt), messages, **options
    )


def turn_the_page(
    state: State, context: Context, notes: Mapping[int, str] | None = None
) -> Command[Literal["perceive", "__end__"]]:
    """Return the command that ends a step: it stands in memory, and the next one begins if any.

    Args:
        state: Of the visit.
        context: Of the visit.
        notes: What was written about items in this step.
    """
    memory = state["memory"].after_step(
        state["feedback"].experiences, state["summary"], context.history_limit
    )
    step = Step(
        state["observation"],
        state["decision"],
        state["feedback"],
        state["verdict"],
        state["turns"],
        memory,
        notes or {},
    )
    update = {"memory": memory, "steps": (*state["steps"], step)}
    return Command(update=update, goto="__end__" if state["feedback"].ending else "perceive")


def mendable(turn: Turn, findings: Findings) -> bool:
    """Return whether a question that says what is wrong with an answer could mend it.

    A call that came to nothing, retries included, has no answer to be mended.
    """
    return bool(findings.counts) and not turn.failure


def better(first: Decision, second: Decision) -> Decision:
    """Return the repaired decision unless it is worse than what it repairs."""
    return second if sum(second.flaws.values()) <= sum(first.flaws.values()) else first
