"""Who is typed, and where she stands: at the beginning of a round of a run, or of a new world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from starec_agents.base import GraphAgent
from starec_agents.studio.panel import StudioPanel, spec
from starec_sim.agent import Call, first_memory
from starec_sim.boundary import checked_agent
from starec_sim.build import build_agent, build_environment, build_policy, load_dataset
from starec_sim.environment import Environment
from starec_sim.errors import ConfigError, RunError
from starec_sim.policies.gateway import Gateway
from starec_sim.policies.gateway.turn_store import NoStore
from starec_sim.reopen import ReopenedRound, reopen
from starec_sim.rng import Streams
from starec_sim.runs import folder as run_folder

SEED = 0
EXAMPLE = '{"user": "u1"} or {"run": "runs/...", "user": "u1", "round": 1}'
"""What can be typed."""


@dataclass
class Start:
    """The input that is typed."""

    user: int | str
    """The user's id as text, e.g. "u36", or her row in the dataset as a whole number from 0."""
    round: int = 1
    """From 1. She stands at its beginning."""
    run: str | None = None
    """A recorded run: its folder, or its name in `runs`. Without one she is new."""
    arm: str | None = None
    """An arm of the run; its first one when empty."""
    seed: int | None = None
    """A seed of the run; its first one when empty."""

    def __str__(self) -> str:
        """Return who is meant, in words."""
        parts = (f"run {self.run}" if self.run else "", f"arm {self.arm}" if self.arm else "")
        seed = "" if self.seed is None else f"seed {self.seed}"
        return ", ".join(
            part for part in (*parts, seed, f"user {self.user}", f"round {self.round}") if part
        )


def typed_start(typed: Mapping[str, Any]) -> Start:
    """Return the input, of which only the user has no default.

    Raises:
        ConfigError: No user is named.
    """
    if typed.get("user") is None:
        raise ConfigError(
            "the input does not say who visits",
            hint=f"type e.g. {EXAMPLE}",
        )
    return Start(**{each.name: typed[each.name] for each in fields(Start) if each.name in typed})


class Opening(NamedTuple):
    """A visit that can begin."""

    call: Call
    agent: GraphAgent
    how: str
    """In words, where memory, world and answers are from."""


def open_visit(agent_name: str, start: Start, panel: StudioPanel) -> Opening:
    """Return the visit that was typed.

    Raises:
        StarecError: There is no such user, round or run, or a setting is wrong.
    """
    if start.run is None:
        return _new(agent_name, start, panel)
    return _recorded(agent_name, start, panel)


def _recorded(agent_name: str, start: Start, panel: StudioPanel) -> Opening:
    folder = run_folder.find(str(start.run), Path("runs"))
    opened = _reopened(str(folder.resolve()), start.round - 1, start.arm, start.seed)
    agent = checked_agent(opened.agent).plugin
    if not isinstance(agent, GraphAgent) or agent.name != agent_name:
        name = getattr(agent, "name", type(agent).__name__)
        raise RunError(
            f"the users of {folder} are played by the agent {name}, not by {agent_name}",
            hint=f"open it in the graph {name}",
        )
    user_id = start.user
    if isinstance(user_id, int):
        _check_row(user_id, opened.environment)
        user_id = opened.environment.users[user_id].id
    call, answers = opened.call(user_id), "hers on record; other questions go to the run's policies"
    if panel.policy:
        call, answers = replace(call, policies=_gateway(panel.policy, opened.trial.seed)), "new"
    how = (
        f"{folder.name}, arm {opened.trial.arm}, seed {opened.trial.seed}, user {user_id}, round "
        f"{start.round}; world and memory: {opened.how}; answers: {answers}"
    )
    return Opening(call, agent, how)


def _new(agent_name: str, start: Start, panel: StudioPanel) -> Opening:
    if start.round < 1:
        raise RunError(f"there is no round {start.round}", hint="rounds count from 1")
    if start.arm is not None or start.seed is not None:
        raise RunError("an arm or a seed is one of a run", hint='type {"run": "...", ...} as well')
    environment = _environment(panel.dataset, panel.environment, start.round - 1)
    user = _row(start.user, environment)
    agent = _agent(agent_name)
    memory = first_memory(environment, agent, user)
    policies = _gateway(panel.policy or "lexical", SEED)
    person = environment.users[user]
    call = Call(user, start.round - 1, person, memory, environment, policies)
    how = f"a new world; round {start.round} begins without the visits of earlier rounds"
    return Opening(call, agent, how)


def _row(user: int | str, environment: Environment) -> int:
    if isinstance(user, int):
        _check_row(user, environment)
        return user
    for row, person in enumerate(environment.users):
        if person.id == user:
            return row
    first = ", ".join(person.id for person in environment.users[:5])
    raise ConfigError(f'no user has the id "{user}"; the first are {first}', hint='"user": "ID"')


def _check_row(user: int, environment: Environment) -> None:
    last = len(environment.users) - 1
    if not 0 <= user <= last:
        raise ConfigError(
            f"there is no user at row {user}; rows go from 0 to {last}",
            hint='type e.g. {"user": 3}, or an id as text',
        )


@lru_cache(maxsize=8)
def _reopened(folder: str, round: int, arm: str | None, seed: int | None) -> ReopenedRound:
    return reopen(Path(folder), round, arm, seed)


@lru_cache(maxsize=16)
def _environment(dataset: str, environment: str, round: int) -> Environment:
    """Return the environment at the beginning of a round, without the visits of earlier rounds."""
    data = load_dataset(spec(dataset, "dataset"))
    built = build_environment(spec(environment, "environment"), data, SEED)
    built.begin_round(round)
    return built


@lru_cache(maxsize=8)
def _agent(name: str) -> GraphAgent:
    agent = checked_agent(build_agent({"use": name})).plugin
    assert isinstance(agent, GraphAgent)
    return agent


@lru_cache(maxsize=8)
def _gateway(policy: str, seed: int) -> Gateway:
    """Return the policy of the panel, for both nodes."""
    built = build_policy(spec(policy, "policy"), "policy")
    return Gateway({"fast": built, "slow": built}, Streams(seed), NoStore())
