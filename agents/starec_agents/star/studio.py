"""The STAR graph for LangGraph's own tools: `langgraph dev` opens it in Studio.

The input is what a person can type, `{"user": 3}` or `{"user": 3, "round": 2}`, and plays one visit
of that user in a small generated world, without a model: the same nodes, one can step through.
No checkpointer here: the server of those tools brings its own.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import cast

from starec_agents.star.agent import StarAgent
from starec_agents.star.graph import Context, State, build_graph
from starec_sim import plugins
from starec_sim.agent import Call
from starec_sim.environment import Environment
from starec_sim.errors import ConfigError
from starec_sim.policies.gateway import Address, Gateway, Policy
from starec_sim.policies.lexical import LexicalPolicy
from starec_sim.rng import Streams
from starec_sim.types import Memory, Turn

DATA = {"use": "synthetic", "users": 50, "items": 400}
# Everybody visits in every round: whoever is typed in has something to see.
ENVIRONMENT = {"use": "feed", "recommender": "ease", "activity": 1.0}


class _Unwritten:
    """A journal that keeps nothing: LangGraph's tools keep what they show."""

    def find(self, address: Address) -> Turn | None:
        return None

    def add(self, address: Address, turn: Turn) -> None:
        pass


_STREAMS = Streams(seed=0)
_AGENT = StarAgent(StarAgent.Config())
_LEXICAL = Policy("lexical", LexicalPolicy())
_POLICIES = Gateway({"fast": _LEXICAL, "slow": _LEXICAL}, _STREAMS, _Unwritten())


async def opening(state: State) -> Context:
    """Return the context of the visit that somebody typed in.

    Raises:
        ConfigError: There is no such user or round.
    """
    user, round = state.get("user"), state.get("round", 0)
    if not isinstance(round, int) or round < 0:
        raise ConfigError(f"there is no round {round!r}", hint='type e.g. {"user": 3, "round": 0}')
    # In a thread: building a world would hold up the server's event loop.
    environment = await asyncio.to_thread(_world, round)
    if not isinstance(user, int) or not 0 <= user < len(environment.users):
        raise ConfigError(
            f"there is no user {user!r}",
            hint=f'type e.g. {{"user": 3}}; users go from 0 to {len(environment.users) - 1}',
        )
    memory = Memory(environment.history(user)[-_AGENT.history_limit :])
    person = environment.users[user]
    return _AGENT.context(Call(user, round, person, memory, environment, _POLICIES))


@lru_cache(maxsize=16)
def _world(round: int) -> Environment:
    """Return the world in a round, with nobody's visits before it."""
    dataset, data_config = plugins.configure("datasets", DATA, "data")
    environment, config = plugins.configure("environments", ENVIRONMENT, "environment")
    world = cast(Environment, environment(config, dataset(data_config).load(), _STREAMS))
    world.begin_round(round)
    return world


graph = build_graph(opening)
