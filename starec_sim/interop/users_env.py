"""The users are trained: an environment of ours as a parallel environment of PettingZoo.

    UsersEnv(environment={"use": "feed", "users": 20}, data="synthetic")
    UsersEnv(environment="docs/examples/coffee_shop.py:CoffeeShop", reward="bill", actions="text")

Each user is an agent, `user_0`, `user_1`, ... A step is one page of all users whose visits go on.
When all visits of a round have ended the round is applied, and the next one begins. A user who does
not visit, or has left, is `present: 0` until then, and what she does is ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from gymnasium import spaces
from gymnasium.utils import seeding
from numpy.typing import NDArray
from pettingzoo import ParallelEnv
from pydantic import Field

from starec_sim import plugins
from starec_sim.agent import Call, OpenAgent, UnaskedPolicies, open_agent
from starec_sim.build import build_agent, load_dataset
from starec_sim.environment import Environment, NamedRewards
from starec_sim.errors import ConfigError, did_you_mean
from starec_sim.interop.user_actions import UserActions, one_task
from starec_sim.rng import Streams
from starec_sim.settings import Settings, hinting, validate
from starec_sim.types import (
    Decision,
    Experience,
    Feedback,
    Memory,
    Observation,
    Step,
    Verdict,
    Visit,
)
from starec_sim.world import World

Features = dict[str, NDArray[Any]]
_LONGEST_TEXT = 20_000
_PRINTABLE = "".join(map(chr, range(32, 127))) + "\n"
_LEFT_OUT: Any = "None for a World, else synthetic"
_OUTSIDE = Verdict(False, "the user is outside")


class UsersEnvSettings(Settings):
    """What is done and seen, for how long, and for what reward; see `UsersEnv`."""

    actions: Literal["numbers", "text"]
    reward: str
    rounds: int = Field(ge=1)
    history: int = Field(ge=1)


class UsersEnv(ParallelEnv):  # type: ignore[type-arg, misc, unused-ignore]
    """The users of an environment; each of them is an agent.

    Args:
        environment: As `environment` of an experiment.
        data: As `data` of an experiment; None for an environment that needs none. Left out, it is
            None for a `World`, which makes its own users and items, and else `synthetic`.
        actions: `numbers` for the space of `UserActions`; `text` for the answer of a language
            model, read as in a run. The question is then in `infos[agent]["messages"]`, and
            what is wrong with the answer before it in `infos[agent]["malformed"]`.
        agent: Whose prompts `text` uses. Only its fast node is asked: no summary is written.
        reward: The component of the environment's reward.
        rounds: Rounds of an episode.
        history: Experiences that an observation holds.

    Raises:
        StarecError: A part cannot be built; the message names the key.
    """

    metadata: dict[str, Any] = {"name": "starec_users_v0", "render_modes": []}  # noqa: RUF012

    @hinting("change that argument of UsersEnv(...)")
    def __init__(
        self,
        environment: Any = "feed",
        data: Any = _LEFT_OUT,
        actions: Literal["numbers", "text"] = "numbers",
        agent: Any = "star",
        reward: str = "satisfaction",
        rounds: int = 5,
        history: int = 20,
    ) -> None:
        asked = {"actions": actions, "reward": reward, "rounds": rounds, "history": history}
        validate(UsersEnvSettings, asked, "")
        self._plugin = plugins.configure(
            "environments", plugins.as_spec(environment, "environment"), "environment"
        )
        if data is _LEFT_OUT:
            data = None if issubclass(self._plugin.type, World) else "synthetic"
        self._dataset = None if data is None else load_dataset(plugins.as_spec(data, "data"))
        self._agent = _agent_of(agent) if actions == "text" else None
        self._reward, self._rounds, self._history = reward, rounds, history
        self._random, _ = seeding.np_random(0)
        self._begin(0)
        if isinstance(self._world, NamedRewards) and self._world.reward_names:
            self._check_reward(self._world.reward_names)
        self._n_items = len(self._world.items)
        self._places = max((len(shown.slate) for shown in self._shown.values()), default=1)
        self._numbers: UserActions | None = None
        if self._agent is None:
            self._numbers = UserActions(one_task(list(self._shown.values())), self._places)
        self.possible_agents = [f"user_{row}" for row in range(len(self._world.users))]
        self.agents: list[str] = []
        self._row = {agent: row for row, agent in enumerate(self.possible_agents)}
        self._observation_spaces = {each: self._new_observation_space() for each in self._row}
        self._action_spaces = {each: self._new_action_space() for each in self._row}

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """Return the space of what a user sees."""
        return self._observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """Return the space of what a user can do."""
        return self._action_spaces[agent]

    def _new_observation_space(self) -> spaces.Space[Any]:
        items = self._n_items + 1
        parts: dict[str, spaces.Space[Any]] = {
            "present": spaces.Box(0, 1, (1,), np.float32),
            "page": spaces.Box(0, np.inf, (1,), np.float32),
            "slate": spaces.MultiDiscrete([items] * self._places),
            "history_items": spaces.MultiDiscrete([items] * self._history),
            "history_stars": spaces.Box(0, 5, (self._history,), np.float32),
            "history_liked": spaces.MultiDiscrete([3] * self._history),
        }
        return spaces.Dict(parts)

    def _new_action_space(self) -> spaces.Space[Any]:
        if self._numbers is None:
            return spaces.Text(_LONGEST_TEXT, charset=_PRINTABLE)
        return self._numbers.space()

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Features], dict[str, dict[str, Any]]]:
        """Begin an episode in round 0 of a new environment."""
        if seed is not None:
            self._random, _ = seeding.np_random(seed)
        self._begin(int(self._random.integers(2**31)))
        self.agents = list(self.possible_agents) if self._shown else []
        return self._observations(), self._infos()

    def _begin(self, seed: int) -> None:
        self._world: Environment = self._plugin.build(self._dataset, Streams(seed))
        self._memories: dict[int, Memory] = {}
        self._round = -1
        self._malformed: dict[int, str] = {}
        """What is wrong with the answers of the latest step, by user."""
        self._steps: dict[int, tuple[Step, ...]] = {}
        self._shown: dict[int, Observation] = {}
        self._advance()

    def _advance(self) -> None:
        """End the round and begin the next one that has visitors, unless the episode ends."""
        while not self._shown and self._round < self._rounds:
            if self._round >= 0:
                visits = [Visit(user, self._round, self._steps[user]) for user in self._steps]
                self._world.end_round(visits)
            self._round += 1
            if self._round < self._rounds:
                self._steps = dict.fromkeys(self._world.begin_round(self._round), ())
                self._shown = {user: self._world.observe(user, ()) for user in self._steps}

    def step(self, actions: Mapping[str, Any]) -> tuple[Any, Any, Any, Any, Any]:
        """Play one page of all users whose visits go on."""
        rewards = dict.fromkeys(self.agents, 0.0)
        self._malformed = {}
        for user, shown in list(self._shown.items()):
            agent = self.possible_agents[user]
            feedback = self._play(user, shown, actions.get(agent))
            rewards[agent] = self._reward_of(feedback)
        self._advance()
        ended = not self._shown
        terminations = dict.fromkeys(self.agents, False)
        truncations = dict.fromkeys(self.agents, ended)
        observations, infos = self._observations(), self._infos()
        if ended:
            self.agents = []
        return observations, rewards, terminations, truncations, infos

    def _play(self, user: int, shown: Observation, action: Any) -> Feedback:
        """Play one page of one user, and show the next one."""
        before = self._steps[user]
        decision = self._decision(user, shown, action)
        feedback = self._world.respond(user, before, shown, decision)
        memory = self._memory(user).after_step(feedback.experiences, "", self._limit)
        self._memories[user] = memory
        steps = (*before, Step(shown, decision, feedback, _OUTSIDE, (), memory))
        self._steps[user] = steps
        if feedback.ending:
            del self._shown[user]
        else:
            self._shown[user] = self._world.observe(user, steps)
        return feedback

    def _decision(self, user: int, shown: Observation, action: Any) -> Decision:
        agent = self.possible_agents[user]
        if action is None:
            raise ConfigError(
                f"step: {agent} is shown page {shown.page} and has no action",
                hint="pass an action for every agent whose observation says `present: 1`",
            )
        if self._numbers is not None:
            if action not in self._action_spaces[agent]:
                raise ConfigError(
                    f"step: the action of {agent} is {action!r}, which is not in "
                    f"{self._action_spaces[agent]}",
                    hint=f"env.action_space({agent!r}).sample() is one",
                )
            return self._numbers.decision(action, shown)
        if not isinstance(action, str):
            raise ConfigError(
                f"step: the action of {agent} is {action!r}, not a text",
                hint="pass the answer to infos[agent]['messages'], or use actions='numbers'",
            )
        assert self._agent is not None
        decision, problem = self._agent.decision(self._call(user), action, shown)
        self._malformed[user] = problem
        return decision

    def _call(self, user: int) -> Call:
        person, memory = self._world.users[user], self._memory(user)
        return Call(
            user, self._round, person, memory, self._world, UnaskedPolicies("the users are outside")
        )

    @property
    def _limit(self) -> int:
        return self._history if self._agent is None else self._agent.history_limit

    def _memory(self, user: int) -> Memory:
        if user not in self._memories:
            self._memories[user] = Memory(self._world.history(user)[-self._limit :])
        return self._memories[user]

    def _reward_of(self, feedback: Feedback) -> float:
        self._check_reward(tuple(feedback.reward))
        return float(feedback.reward[self._reward])

    def _check_reward(self, names: tuple[str, ...]) -> None:
        if self._reward not in names:
            raise ConfigError(
                f'reward: the environment reports no "{self._reward}"; '
                f"{did_you_mean(self._reward, names)}",
                hint=f"write one of {', '.join(names) or 'those that its feedback has'}",
            )

    def _observations(self) -> dict[str, Features]:
        return {agent: self._features(self._row[agent]) for agent in self.agents}

    def _features(self, user: int) -> Features:
        shown = self._shown.get(user)
        slate = shown.slate if shown else ()
        if len(slate) > self._places or max(slate, default=0) >= self._n_items:
            raise ConfigError(
                f"environment: the slate {slate} does not fit; the spaces are made for the first "
                f"round, with {self._n_items} items and slates of {self._places} at most",
                hint="let the first round have all items, and the longest slate",
            )
        lived = self._memory(user).history[-self._history :]
        rows, items = np.zeros(self._places, np.int64), np.zeros(self._history, np.int64)
        rows[: len(slate)] = np.array(slate, np.int64) + 1
        items[: len(lived)] = [each.item + 1 for each in lived]
        stars, liked = np.zeros(self._history, np.float32), np.zeros(self._history, np.int64)
        stars[: len(lived)] = [each.rating or 0.0 for each in lived]
        liked[: len(lived)] = [_liked(each) for each in lived]
        return {
            "present": np.array([shown is not None], np.float32),
            "page": np.array([shown.page if shown else 0], np.float32),
            "slate": rows,
            "history_items": items,
            "history_stars": stars,
            "history_liked": liked,
        }

    def _infos(self) -> dict[str, dict[str, Any]]:
        return {agent: self._info(self._row[agent]) for agent in self.agents}

    def _info(self, user: int) -> dict[str, Any]:
        """Return the id of a user, and what she is shown as text."""
        shown = self._shown.get(user)
        info: dict[str, Any] = {"user": self._world.users[user].id, "round": self._round}
        if self._agent is not None:
            info["malformed"] = self._malformed.get(user, "")
        if shown is not None:
            info |= {"task": shown.task.name, "cards": shown.cards, "context": shown.context}
            if self._agent is not None:
                info["messages"] = self._agent.question(self._call(user), shown)
        return info


def _liked(lived: Experience) -> int:
    """Return 2 for a like, 1 for a dislike, and 0 where nobody knows."""
    known = lived.rating is not None or lived.like is not None
    return 1 + lived.liked if known else 0


def _agent_of(value: Any) -> OpenAgent:
    spec = plugins.as_spec(value, "agent")
    return open_agent(build_agent(spec), spec["use"])
