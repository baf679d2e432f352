"""The nodes that all agents share: perceive, answer, let the environment respond, end the step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from langgraph.runtime import Runtime
from langgraph.types import Command

from starec_agents.base.asking import Asked, ask_for_decision, form_of
from starec_agents.base.graph import Context, State, Update
from starec_sim.types import Step


async def perceive(state: State, runtime: Runtime[Context]) -> Update:
    """Observe what is shown, and write the prompt that asks for a decision."""
    call, prompts = runtime.context.call, runtime.context.prompts
    observation, cards = call.environment.observe(call.user, state["steps"]), call.environment.cards
    recalled = prompts.recalled(state["memory"], cards, observation.cards)
    messages = prompts.decide(
        call.person, state["memory"], observation, cards, form_of(call, "fast"), recalled
    )
    return {"observation": observation, "recalled": recalled, "messages": messages, "turns": ()}


async def fast(state: State, runtime: Runtime[Context]) -> Update:
    """Answer: a short reasoning, then a ranking or an action for each item."""
    observation = state["observation"]
    task, count = observation.task, len(observation.slate)
    asked = Asked("fast", task.name, state["messages"], count, task)
    decision, turns = await ask_for_decision(runtime.context, state, asked, observation)
    return {"decision": decision, "turns": turns}


async def respond(state: State, runtime: Runtime[Context]) -> Update:
    """Let the environment answer."""
    call = runtime.context.call
    feedback = call.environment.respond(
        call.user, state["steps"], state["observation"], state["decision"]
    )
    return {"feedback": feedback}


def end_step(
    state: State, context: Context, notes: Mapping[int, str] | None = None
) -> Command[Literal["perceive", "__end__"]]:
    """Return the command that ends a step: it is written into memory, and the next one begins.

    Args:
        state: Of the visit.
        context: Of the visit.
        notes: What was written about items in this step.

    Returns:
        A command that goes to `perceive`, or to the end where the feedback ends the visit.
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
        state.get("recalled", ()),
    )
    update = {"memory": memory, "steps": (*state["steps"], step)}
    return Command(update=update, goto="__end__" if state["feedback"].ending else "perceive")
