"""The AgentCF user as one LangGraph graph.

    perceive -> fast -> respond -> compare -> choose -> rewrite_user -> rewrite_item -> remember
       ^                              |         ^ |                        ^  |            ^ |
       |                              |         | +--- right once more ----+  |            | |
       |                              |         +-------- next round ---------+            | |
       |                              +--------- nothing was revealed ---------------------+ |
       +---------------------------- next page, or the end ---------------------------------+

Zhang et al. (2024), "AgentCF: Collaborative learning with autonomous language agents for
recommender systems" (arXiv 2310.09233). The user first ranks the candidates, as any agent does.
Then she learns from a pair: the item that was really chosen, and one other candidate. Forward: she
says which of the two she would choose. Backward: her self-introduction is rewritten, then the note
about the chosen item, which all users read. This repeats for `rounds` rounds. In a later round, a
user who is right has only the note rewritten, and the learning ends there.

Two things differ from the code of the authors. Theirs matches titles loosely; here labels are read
strictly, and an answer that cannot be read counts as wrong. Theirs draws the other item from the
catalogue by popularity; here it is the wrong candidate that the user ranked highest, so that it
follows from what is recorded.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from langgraph.runtime import Runtime
from langgraph.types import Command

from starec_agents.agentcf.prompting import DESCRIPTION_WORDS, CFPrompts, with_notes
from starec_agents.base import (
    Asked,
    Context,
    Graph,
    GraphPlan,
    State,
    Update,
    ask_for_decision,
    ask_for_text,
    compile_graph,
    end_step,
    fast,
    form_of,
    respond,
)
from starec_agents.base.prompting import only_rankings
from starec_sim.answers.tags import DESCRIPTION
from starec_sim.tasks import RANKING
from starec_sim.types import Observation, Step, Verdict


@dataclass(frozen=True)
class CFContext(Context):
    """What the nodes of one visit work with."""

    prompts: CFPrompts
    rounds: int
    """How often the user chooses from the pair and learns from it."""


class CFState(State):
    """A visit as it is played, with what this method keeps of the current step."""

    notes: Mapping[int, str]
    """What the user wrote about items in this step."""
    pair: Observation
    """The chosen item and one other candidate, in shown order; the cards without notes."""
    done: int
    """Rounds of learning that are over."""
    right: bool
    """Whether the user said that she would choose the item that she really chose."""


async def perceive(state: CFState, runtime: Runtime[CFContext]) -> Update:
    """Observe what is shown, and write the prompt: the cards carry what users wrote about items."""
    call, prompts = runtime.context.call, runtime.context.prompts
    observation = call.environment.observe(call.user, state["steps"])
    only_rankings(observation, "agentcf")
    step: Update = {"observation": observation, "notes": {}, "turns": (), "done": 0}
    step["messages"] = prompts.decide(
        call.person,
        state["memory"],
        with_notes(observation, _notes(runtime.context, state["steps"], {})),
        call.environment.cards,
        form_of(call, "fast"),
    )
    return step


async def compare(
    state: CFState, runtime: Runtime[CFContext]
) -> Command[Literal["choose", "remember"]]:
    """Pair the chosen item with the wrong candidate that the user ranked highest."""
    target, shown = state["feedback"].target, state["observation"]
    update: Update = {"summary": state["memory"].summary}
    others = [item for item in state["decision"].ranking if item != target]
    if not others or target not in {
        experience.item for experience in state["feedback"].experiences
    }:
        update["verdict"] = Verdict(False, "nothing was revealed")
        return Command(update=update, goto="remember")
    two = [place for place, item in enumerate(shown.slate) if item in (target, others[0])]
    update["pair"] = Observation(
        RANKING,
        tuple(shown.slate[place] for place in two),
        tuple(shown.cards[place] for place in two),
    )
    return Command(update=update, goto="choose")


async def choose(
    state: CFState, runtime: Runtime[CFContext]
) -> Command[Literal["rewrite_user", "rewrite_item"]]:
    """Forward: say which item of the pair she would choose."""
    context, target = runtime.context, state["feedback"].target
    form, pair = form_of(context.call, "fast"), _pair(context, state)
    messages = context.prompts.choose(context.call, state["summary"], pair, form)
    asked = Asked("fast", "choose", messages, len(pair.slate))
    decision, turns = await ask_for_decision(context, state, asked, pair)
    right = decision.read == len(pair.slate) and decision.ranking[0] == target
    update: Update = {"right": right, "turns": turns}
    if not state["done"]:
        outcome = "right" if right else "wrong"
        update["verdict"] = Verdict(True, f"her choice of two was {outcome}")
    return Command(
        update=update, goto="rewrite_item" if right and state["done"] else "rewrite_user"
    )


async def rewrite_user(state: CFState, runtime: Runtime[CFContext]) -> Update:
    """Backward, first half: rewrite the self-introduction."""
    context, feedback = runtime.context, state["feedback"]
    form, pair = form_of(context.call, "slow"), _pair(context, state)
    cards = list(pair.cards)
    if pair.slate[0] != feedback.target:
        cards.reverse()
    chosen = next(each for each in feedback.experiences if each.item == feedback.target)
    messages = context.prompts.rewrite_user(
        context.call, state["summary"], cards, state["right"], chosen, form
    )
    asked = Asked("slow", "reflect", messages, words=context.prompts.summary_words)
    written, turns = await ask_for_text(context, state, asked)
    # An answer without a summary changes nothing in memory; the turn's error says so.
    return {"summary": written or state["summary"], "turns": turns}


async def rewrite_item(
    state: CFState, runtime: Runtime[CFContext]
) -> Command[Literal["choose", "remember"]]:
    """Backward, second half: rewrite the note about the chosen item."""
    context, target = runtime.context, state["feedback"].target
    assert target is not None  # without a target, `compare` goes to `remember`
    form = form_of(context.call, "slow")
    note = _notes(context, state["steps"], state["notes"]).get(target, "")
    card = state["pair"].cards[state["pair"].slate.index(target)]
    messages = context.prompts.rewrite_item(
        context.call, state["summary"], card, note, state["right"], form
    )
    asked = Asked("slow", "describe", messages, words=DESCRIPTION_WORDS)
    written, turns = await ask_for_text(context, state, asked, DESCRIPTION)
    update: Update = {"turns": turns, "done": state["done"] + 1}
    if written:
        update["notes"] = {**state["notes"], target: written}
    over = update["done"] == context.rounds or (state["right"] and state["done"] > 0)
    return Command(update=update, goto="remember" if over else "choose")


async def remember(
    state: CFState, runtime: Runtime[CFContext]
) -> Command[Literal["perceive", "__end__"]]:
    """Write the step into memory, and turn the page or leave."""
    return end_step(state, runtime.context, state["notes"])


PLAN = GraphPlan(
    "agentcf",
    (perceive, fast, respond, compare, choose, rewrite_user, rewrite_item, remember),
    (
        ("perceive", "fast"),
        ("fast", "respond"),
        ("respond", "compare"),
        ("rewrite_user", "rewrite_item"),
    ),
    CFState,
    CFContext,
    asking=(fast, choose, rewrite_user, rewrite_item),
)


def build_graph() -> Graph:
    """Return the compiled graph, which all users share."""
    return compile_graph(PLAN)


def _pair(context: CFContext, state: CFState) -> Observation:
    """Return the pair; its cards carry what users wrote about the items."""
    return with_notes(state["pair"], _notes(context, state["steps"], state["notes"]))


def _notes(
    context: CFContext, steps: tuple[Step, ...], own: Mapping[int, str]
) -> Mapping[int, str]:
    """Return the note of each item: the user's own, latest first, before those of others."""
    hers = [own, *(step.notes for step in reversed(steps))]
    return ChainMap(*map(dict, (*hers, context.call.notes)))
