"""Many users of one feed at once, as a vector environment of Gymnasium.

    gymnasium.make_vec(
        "starec_sim.interop.feed_env:starec/Feed-v0",
        num_envs=64,
        vectorization_mode="vector_entry_point",
        agent="star",
        policy="nano",
    )

All users of a round are answered together, so a language model gets them as one batch. They know
nothing of each other. Their episodes begin and end together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array
from numpy.typing import NDArray

from starec_sim.errors import ConfigError
from starec_sim.interop.feed_env import (
    DATA,
    FEED_DEFAULTS,
    QUICK_AGENT,
    Actions,
    EpisodeSettings,
    Features,
    FeedFeatures,
    item_features,
    told,
    weighted,
)
from starec_sim.interop.feed_population import FeedPopulation, FeedSettings
from starec_sim.settings import hinting, validate

Played = tuple[Features, NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]


class FeedVectorEnv(VectorEnv[Features, NDArray[Any], NDArray[Any]]):
    """Users of one feed; arguments are those of `FeedEnv`, and `num_envs` users."""

    metadata: dict[str, Any] = {  # noqa: RUF012 - as the base class has it
        "render_modes": [],
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    @hinting("change that argument of gymnasium.make_vec(...)")
    def __init__(
        self,
        num_envs: int = 1,
        actions: Actions = "slate",
        data: Any = DATA,
        feed: Mapping[str, Any] = FEED_DEFAULTS,
        agent: Any = QUICK_AGENT,
        policy: Any = "lexical",
        reward: str | Mapping[str, float] = "satisfaction",
        *,
        rounds: int = 20,
    ) -> None:
        episode = {"actions": actions, "reward": reward, "rounds": rounds, "num_envs": num_envs}
        self._episode = validate(EpisodeSettings, episode, "")
        self.num_envs = num_envs
        self.population = FeedPopulation(FeedSettings(data, feed, agent, policy), num_envs)
        self._features = FeedFeatures(self.population, actions, rounds)
        self.single_observation_space = self._features.observations
        self.single_action_space = self._features.actions
        self.observation_space: spaces.Space[Any] = batch_space(
            self.single_observation_space, num_envs
        )
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.item_features = item_features(self.population.dataset)
        self._round = 0

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Features, dict[str, Any]]:
        """Begin an episode of all users, who are drawn together by one seed."""
        if seed is not None and not isinstance(seed, int):
            raise ConfigError(
                f"reset(seed={seed!r}): the users are drawn together, by one seed",
                hint="pass one whole number",
            )
        super().reset(seed=seed)
        return self._begin()

    def _begin(self) -> tuple[Features, dict[str, Any]]:
        self.population.begin(int(self.np_random.integers(2**31)))
        self._round = 0
        users = np.array([user.id for user in self.population.environment.users], dtype=object)
        return self._known([False] * self.num_envs), {"user": users}

    def step(self, actions: NDArray[Any]) -> Played:
        """Play a round of all users; the step after the last round begins the next episode."""
        none = np.zeros(self.num_envs, np.bool_)
        if self._round >= self._episode.rounds:
            known, info = self._begin()
            return known, np.zeros(self.num_envs), none, none.copy(), info
        played = self.population.play(self._features.scores(np.asarray(actions)))
        self._round += 1
        rewards = np.array([weighted(self._episode.reward, each) for each in played])
        infos: dict[str, Any] = {}
        for number, each in enumerate(played):
            infos = self._add_info(infos, told(each), number)
        ended = np.full(self.num_envs, self._round >= self._episode.rounds)
        visited = [each.visit is not None for each in played]
        return self._known(visited), rewards, none, ended, infos

    def _known(self, visited: Sequence[bool]) -> Features:
        rows = [self._features.of(n, self._round, came) for n, came in enumerate(visited)]
        out = create_empty_array(self.single_observation_space, self.num_envs, fn=np.zeros)
        known: Features = concatenate(self.single_observation_space, rows, out)  # type: ignore[assignment, arg-type]
        return known

    def close_extras(self, **kwargs: Any) -> None:
        """Close the connections of the policy."""
        self.population.close()
