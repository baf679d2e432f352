"""The STAR graph for LangGraph's own tools: `langgraph dev` opens it in Studio.

The input is typed, `{"user": 3}` or `{"user": 3, "round": 2}`. It plays one visit of that user on a
small generated dataset, without a model. The nodes are those of every run. One can
step through them, edit the state, and play the rest again from there.

The graph has no checkpointer: the server of those tools brings its own.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import lru_cache, wraps
from typing import Any, NotRequired, cast, get_type_hints

from langgraph.runtime import Runtime
from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python

from starec_agents.base import NodeFunction, State
from starec_agents.star.agent import StarAgent
from starec_agents.star.graph import StarContext, build_graph
from starec_sim.agent import Call
from starec_sim.build import build_environment, load_dataset
from starec_sim.environment import Environment
from starec_sim.policies.gateway import Gateway, Policy
from starec_sim.policies.lexical import LexicalPolicy
from starec_sim.rng import Streams
from starec_sim.types import CallKey, Memory, Turn

# Tastes drift, so that later rounds differ.
DATA = {"use": "synthetic", "users": 50, "items": 400, "drift": {"per_round": 0.25}}
# Every user visits in every round, so that any user can be typed.
ENVIRONMENT = {"use": "feed", "recommender": "ease", "activity": 1.0}
SEED = 0


@dataclass
class Start:
    """The input that is typed."""

    user: int
    """Row of the user, from 0."""
    round: int = 0


class TypedState(State):
    """The state of a visit, with what was typed."""

    user: int
    round: NotRequired[int]
    playing: str
    """The user and the round that memory and steps belong to: a thread may play several visits."""


def _with_visit(node: NodeFunction) -> NodeFunction:
    """Give a node the context of the visit that was typed."""

    @wraps(node)
    async def play(state: State, runtime: Runtime[StarContext]) -> Any:
        known = _restored(cast(dict[str, Any], state))
        call = await _call(known.get("user"), known.get("round", 0))
        opening = {}
        if node.__name__ == "perceive" and _over(known, call):
            visit = f"user {call.user}, round {call.round}"
            opening = {"playing": visit, "memory": call.memory, "steps": ()}
        context = runtime.override(context=_AGENT.context(call))
        update = await node(cast(State, known | opening), context)
        return opening | update if opening else update

    return play


def _over(state: dict[str, Any], call: Call) -> bool:
    """Return whether a thread holds no visit, a finished one, or one of another user or round."""
    if state.get("playing") != f"user {call.user}, round {call.round}":
        return True
    return bool(state["steps"] and state["steps"][-1].feedback.ending)


def _restored(state: dict[str, Any]) -> dict[str, Any]:
    """Return the state with its own types: a checkpoint loses tuples, an edit loses all types."""
    return {
        name: _KINDS[name].validate_python(to_jsonable_python(value))
        for name, value in state.items()
    }


async def _call(user: Any, round: Any) -> Call:
    # LangGraph's server shows the messages of Python's own errors only.
    if not isinstance(round, int) or round < 0:
        raise ValueError(f'there is no round {round!r}; type e.g. {{"user": 3, "round": 0}}')
    # In a thread, because building an environment would block the event loop of the server.
    environment = await asyncio.to_thread(_environment, round)
    last = len(environment.users) - 1
    if not isinstance(user, int) or not 0 <= user <= last:
        raise ValueError(f'there is no user {user!r}; type e.g. {{"user": 3}}, from 0 to {last}')
    memory = Memory(environment.history(user)[-_AGENT.history_limit :])
    return Call(user, round, environment.users[user], memory, environment, _POLICIES)


@lru_cache(maxsize=16)
def _environment(round: int) -> Environment:
    """Return the environment at the beginning of a round, without the visits of earlier rounds."""
    environment = build_environment(ENVIRONMENT, load_dataset(DATA), SEED)
    environment.begin_round(round)
    return environment


class _NoStore:
    """A store of turns that keeps nothing: the tools of LangGraph keep what they show."""

    def find(self, key: CallKey) -> Turn | None:
        return None

    def add(self, key: CallKey, turn: Turn) -> None:
        pass


_KINDS = {name: TypeAdapter(kind) for name, kind in get_type_hints(TypedState).items()}
_AGENT = StarAgent(StarAgent.Config())
_LEXICAL = Policy("lexical", LexicalPolicy())
_POLICIES = Gateway({"fast": _LEXICAL, "slow": _LEXICAL}, Streams(SEED), _NoStore())

graph = build_graph(_with_visit, TypedState, Start)
