"""The recommender is trained: a feed as a Gymnasium environment, with one user an episode.

    gymnasium.make("starec_sim.interop.feed_env:starec/Feed-v0")        # the action is a slate
    gymnasium.make("starec_sim.interop.feed_env:starec/FeedScores-v0")  # a score of every item

A step is a round. The action says what the user is shown if she visits in it; whether she does
follows from how her last visits went. The observation holds what a recommender of a feed knows: her
profile, what she was shown, what she watched, and the stars that she said. It holds no stars that
only the reward tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, FiniteFloat

from starec_sim.dataset import Dataset, Interactions
from starec_sim.errors import ConfigError, did_you_mean
from starec_sim.interop.feed_population import REWARDS, FeedPopulation, FeedSettings, UserRound
from starec_sim.settings import Settings, hinting, validate
from starec_sim.types import FloatArray

QUICK_AGENT = "starec_sim.interop.quick_agent:QuickAgent"
DATA: Mapping[str, Any] = {"use": "synthetic", "users": 200, "items": 200, "interactions": 30}
FEED_DEFAULTS: Mapping[str, Any] = {"page_size": 5, "pages": 2}
Actions = Literal["slate", "scores"]
Features = dict[str, Any]
"""Arrays by name."""


class FeedEnv(gymnasium.Env[Features, NDArray[Any]]):
    """One user in a feed; the agent is the recommender.

    Args:
        actions: `slate` for items, best first, for all pages of a visit: where an item stands twice
            or may not be shown again, the next allowed one of the catalogue stands in for it.
            `scores` for a number for each item: the highest are shown.
        data: The dataset, as `data` of an experiment.
        feed: Settings of the environment `feed`.
        agent: Who answers as the user, as `agent` of an experiment.
        policy: The policy of the agent, as in an experiment; an agent without prompts asks none.
        reward: A name of `REWARDS`, or a weight for each of several.
        rounds: Steps of an episode.

    Raises:
        StarecError: A part cannot be built; the message names the key.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - as the base class has it

    @hinting("change that argument of gymnasium.make(...)")
    def __init__(
        self,
        actions: Actions = "slate",
        data: Any = DATA,
        feed: Mapping[str, Any] = FEED_DEFAULTS,
        agent: Any = QUICK_AGENT,
        policy: Any = "lexical",
        reward: str | Mapping[str, float] = "satisfaction",
        rounds: int = 20,
    ) -> None:
        episode = {"actions": actions, "reward": reward, "rounds": rounds}
        self._episode = validate(EpisodeSettings, episode, "")
        self.population = FeedPopulation(FeedSettings(data, feed, agent, policy), 1)
        self._features = FeedFeatures(self.population, actions, rounds)
        self.observation_space = self._features.observations
        self.action_space = self._features.actions
        self.item_features = item_features(self.population.dataset)
        self._round = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Features, dict[str, Any]]:
        """Begin an episode with a new user, drawn by the seed."""
        super().reset(seed=seed)
        self.population.begin(int(self.np_random.integers(2**31)))
        self._round = 0
        return self._features.of(0, 0, False), {"user": self.population.environment.users[0].id}

    def step(self, action: NDArray[Any]) -> tuple[Features, float, bool, bool, dict[str, Any]]:
        """Play a round."""
        scores = self._features.scores(np.asarray(action)[None])
        (played,) = self.population.play(scores)
        self._round += 1
        features = self._features.of(0, self._round, played.visit is not None)
        reward = weighted(self._episode.reward, played)
        return features, reward, False, self._round >= self._episode.rounds, told(played)

    def close(self) -> None:
        """Close the connections of the policy."""
        self.population.close()


def _weights(reward: object) -> object:
    """Return the weight of each component of the reward; a name alone has the weight 1."""
    weights = {reward: 1.0} if isinstance(reward, str) else reward
    for name in weights if isinstance(weights, Mapping) else ():
        if name not in REWARDS:
            raise ValueError(f'there is no "{name}"; {did_you_mean(str(name), REWARDS)}')
    return weights


class EpisodeSettings(Settings):
    """What is done, for how long, and for what reward; see `FeedEnv`."""

    actions: Actions
    reward: Annotated[dict[str, FiniteFloat], BeforeValidator(_weights)]
    """The weight of each component."""
    rounds: int = Field(ge=1)
    num_envs: int = Field(default=1, ge=1)
    """Users of a vector."""


class FeedFeatures:
    """The spaces of a feed, and what a recommender may know of its users.

    Args:
        population: The users.
        actions: What an action is.
        rounds: Rounds of an episode.
    """

    def __init__(self, population: FeedPopulation, actions: Actions, rounds: int) -> None:
        self._population, self._rounds = population, rounds
        n_items = len(population.dataset.items)
        self.slates = actions == "slate"
        self.actions: spaces.Space[Any] = (
            spaces.MultiDiscrete([n_items] * population.slate_size)
            if self.slates
            else spaces.Box(-1.0, 1.0, (n_items,), np.float32)
        )
        self._profile = _Profile(population.dataset)
        known: dict[str, spaces.Space[Any]] = {
            "consumed": spaces.Box(0, 1, (n_items,), np.float32),
            "stars": spaces.Box(0, 5, (n_items,), np.float32),
            "shown": spaces.Box(0, rounds, (n_items,), np.float32),
            "round": spaces.Box(0, 1, (1,), np.float32),
            "visited": spaces.Box(0, 1, (1,), np.float32),
        }
        if self._profile.sizes:
            known["profile"] = spaces.MultiDiscrete(self._profile.sizes)
        self.observations = spaces.Dict(known)

    def of(self, user: int, round: int, visited: bool) -> Features:
        """Return what is known of a user before a round.

        Args:
            user: Her row.
            round: The round that comes, from 0.
            visited: Whether she visited in the one before.
        """
        population = self._population
        log = population.recommender.log
        hers: Interactions = log.where(log.users == user)
        consumed, stars = np.zeros((2, len(population.dataset.items)), np.float32)
        consumed[hers.items] = 1.0
        stars[hers.items] = np.nan_to_num(hers.ratings)
        known = {
            "consumed": consumed,
            "stars": stars,
            "shown": population.shown[user].astype(np.float32),
            "round": np.array([min(1.0, round / self._rounds)], np.float32),
            "visited": np.array([visited], np.float32),
        }
        if self._profile.sizes:
            known["profile"] = self._profile.of(population.environment.users[user].profile)
        return known

    def scores(self, actions: NDArray[Any]) -> FloatArray:
        """Return the scores of all items that actions mean.

        Args:
            actions: One for each user.
        """
        if not self.slates and actions.dtype.kind in "fiu":
            actions = actions.astype(np.float32)
        wanted = (self._population.n_users, *(self.actions.shape or ()))
        if actions.shape != wanted or not all(each in self.actions for each in actions):
            raise ConfigError(
                f"the action {np.array2string(actions, threshold=8)} of shape {actions.shape} is "
                f"none: it must be in {self.actions}",
                hint="env.action_space.sample() is one",
            )
        if not self.slates:
            return actions.astype(np.float64)
        n_places = actions.shape[1]
        scores = np.zeros((len(actions), len(self._population.dataset.items)))
        for place in reversed(range(n_places)):  # the first place of an item counts
            scores[np.arange(len(actions)), actions[:, place]] = n_places - place
        return scores


class _Profile:
    """The public profile of users as numbers: the place of each value among all values."""

    def __init__(self, dataset: Dataset) -> None:
        fields = sorted({key for user in dataset.users for key in user.profile})
        self._values = {
            field: sorted({user.profile.get(field, "") for user in dataset.users})
            for field in fields
        }
        self.sizes = [len(values) for values in self._values.values()]

    def of(self, profile: Mapping[str, str]) -> NDArray[np.int64]:
        return np.array(
            [values.index(profile.get(field, "")) for field, values in self._values.items()]
        )


class ItemFeatures(NamedTuple):
    """The attributes of all items as numbers."""

    names: tuple[tuple[str, str], ...]
    """Attribute and value of each column."""
    matrix: NDArray[np.float32]
    """Shape (items, columns): 1 where the item has the value."""


def item_features(dataset: Dataset) -> ItemFeatures:
    """Return the attributes of the catalogue."""
    names: dict[tuple[str, str], int] = {}
    cells = [
        (row, names.setdefault((attribute, value), len(names)))
        for row, item in enumerate(dataset.items)
        for attribute, values in item.attributes.items()
        for value in values
    ]
    matrix = np.zeros((len(dataset.items), len(names)), np.float32)
    for row, column in cells:
        matrix[row, column] = 1.0
    return ItemFeatures(tuple(names), matrix)


def weighted(weights: Mapping[str, float], played: UserRound) -> float:
    """Return the reward of a round."""
    return float(sum(weight * played.rewards[name] for name, weight in weights.items()))


def told(played: UserRound) -> dict[str, Any]:
    """Return what is said of a round besides observation and reward."""
    visit = played.visit
    steps = visit.steps if visit else ()
    return {
        "rewards": dict(played.rewards),
        "shown": tuple(item for step in steps for item in step.observation.slate),
        "watched": tuple(item for step in steps for item in step.decision.chosen),
        "ending": steps[-1].feedback.ending if steps else "",
        "replaced": played.replaced,
    }


def _register() -> None:
    for name, actions in (("Feed", "slate"), ("FeedScores", "scores")):
        gymnasium.register(
            f"starec/{name}-v0",
            entry_point="starec_sim.interop.feed_env:FeedEnv",
            vector_entry_point="starec_sim.interop.feed_vector_env:FeedVectorEnv",
            kwargs={"actions": actions},
        )


_register()
