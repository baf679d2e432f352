"""The users of a feed whose recommender is a program outside of it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from starec_sim import plugins
from starec_sim.boundary import watched_calls
from starec_sim.build import build_agent, build_policy, load_dataset
from starec_sim.environment import Environment
from starec_sim.errors import ConfigError, RunError
from starec_sim.executors.tracing import tracing
from starec_sim.interop.outside_recommender import OutsideRecommender
from starec_sim.measure import RoundMetrics
from starec_sim.policies.gateway import Gateway
from starec_sim.policies.gateway.turn_store import NoStore
from starec_sim.rng import Streams
from starec_sim.runs.facts import Facts
from starec_sim.runs.trial_state import TrialState
from starec_sim.simulation import Simulation
from starec_sim.types import FloatArray, IntArray, Item, Visit

T = TypeVar("T")
REWARDS = ("engagement", "satisfaction", "retention")
"""Of one user in one round. `engagement` and `satisfaction` are those of the feed, summed over the
pages of her visit; `retention` is 1 if she visits. All are 0 in a round without a visit."""
_OUTSIDE = f"{OutsideRecommender.__module__}:{OutsideRecommender.__name__}"


class FeedSettings(NamedTuple):
    """What the users of a feed are made from; each part is written as in an experiment."""

    data: Any
    feed: Mapping[str, Any]
    """Settings of the environment `feed`, without its recommender and the number of users."""
    agent: Any
    policy: Any
    """Of both nodes."""


class UserRound(NamedTuple):
    """What one user did in one round."""

    visit: Visit | None
    rewards: Mapping[str, float]
    """By the names in `REWARDS`."""
    replaced: int
    """Items that she was shown in place of others, which were asked for and could not be shown."""


class FeedPopulation:
    """A sample of users in a feed, played round by round.

    Args:
        settings: What they are made from.
        n_users: How many.

    Raises:
        StarecError: A part cannot be built.
    """

    def __init__(self, settings: FeedSettings, n_users: int) -> None:
        taken = sorted({"use", "users", "recommender", "refit_every"} & set(settings.feed))
        if taken:
            raise ConfigError(
                f"feed.{taken[0]}: this key is set here: the recommender is outside, it is told of "
                f"every round, and an episode has {n_users} users",
                hint=f"leave out {', '.join(taken)}",
            )
        self.n_users = n_users
        self.dataset = load_dataset(plugins.as_spec(settings.data, "data"))
        feed = {
            "use": "feed",
            **settings.feed,
            "users": n_users,
            "recommender": _OUTSIDE,
            "refit_every": 1,
        }
        self._plugin = plugins.configure("environments", feed, "feed")
        self.agent = build_agent(plugins.as_spec(settings.agent, "agent"))
        self._policy = build_policy(plugins.as_spec(settings.policy, "policy"), "policy")
        self._thread = _LoopThread()
        self._simulation: Simulation
        self.environment: Environment
        self.begin(0)
        try:
            self._thread.run(self._policy.open())
        except BaseException:
            self.close()
            raise

    @property
    def slate_size(self) -> int:
        """How many items a user is prepared for a visit: all pages that it can have."""
        config = self._plugin.config
        return min(int(config.page_size * config.pages), len(self.dataset.items))

    @property
    def recommender(self) -> OutsideRecommender:
        """The recommender of the feed."""
        return self.environment.recommender.plugin  # type: ignore[attr-defined, no-any-return]

    def begin(self, seed: int) -> None:
        """Draw new users, at the beginning of round 0."""
        streams = Streams(seed)
        self.environment = self._plugin.build(self.dataset, streams)
        if len(self.environment.users) < self.n_users:
            raise ConfigError(
                f"{self.n_users} users are asked for, and {self.dataset.name} has "
                f"{len(self.environment.users)} with a log that is long enough",
                hint="lower num_envs or feed.min_interactions, or use more data",
            )
        gateway = Gateway({"fast": self._policy, "slow": self._policy}, streams, NoStore())
        state = TrialState(0, "", {}, {}, None)
        self._simulation = Simulation(self.agent, self.environment, gateway, _NoRecord(), state)
        self.shown: IntArray = np.zeros((self.n_users, len(self.dataset.items)), np.int64)

    def play(self, scores: FloatArray) -> list[UserRound]:
        """Play a round in which users are shown the items with the highest scores.

        Args:
            scores: Shape (users, items).
        """
        self.recommender.scores = scores
        visits = {visit.user: visit for visit in self._thread.run(self._play())}
        return [self._round(visits.get(user), scores[user]) for user in range(self.n_users)]

    async def _play(self) -> Sequence[Visit]:
        with watched_calls():  # one block around both: each starts a thread
            played = await self._simulation.play_round()
            self._simulation.commit(played)
        return played.visits

    def _round(self, visit: Visit | None, scores: FloatArray) -> UserRound:
        if visit is None:
            return UserRound(None, dict.fromkeys(REWARDS, 0.0), 0)
        rewards = {"engagement": 0.0, "satisfaction": 0.0, "retention": 1.0}
        shown = [item for step in visit.steps for item in step.observation.slate]
        for step in visit.steps:
            for name, value in step.feedback.reward.items():
                rewards[name] += value
        self.shown[visit.user, shown] += 1
        first = np.argsort(-scores, kind="stable")[: len(shown)]
        wanted = first[scores[first] > scores.min()].tolist()
        return UserRound(visit, rewards, len(shown) - len(set(wanted) & set(shown)))

    def close(self) -> None:
        """Close the connections of the policy."""
        self._thread.close(self._policy.close())


class _NoRecord:
    """Keeps nothing of the rounds of a simulation; implements `RoundRecorder`."""

    keeps_facts = False

    def flush(self) -> None:
        """Do nothing."""

    def take(self, visit: Visit) -> Visit:
        """Return the visit."""
        return visit

    def commit_round(
        self,
        round: int,
        visits: Sequence[Visit],
        measured: RoundMetrics,
        environment_state: Mapping[str, NDArray[Any]],
        digest: str,
        facts: Sequence[Sequence[Facts]] = (),
        items: Sequence[Item] = (),
    ) -> str:
        """Return no digest."""
        return ""


class _LoopThread:
    """One event loop for all rounds, in a thread of its own: notebooks have a loop that runs.

    Connections of a policy belong to a loop, so a new loop for each round would lose them.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="starec-feed")
        self._runner: asyncio.Runner | None = asyncio.Runner()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end and return its result.

        Raises:
            RunError: The loop has ended.
        """
        if self._runner is None:
            coroutine.close()
            raise RunError("this environment is closed", hint="make a new one")
        return self._thread.submit(self._run, coroutine).result()

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        assert self._runner is not None
        with tracing(False):
            return self._runner.run(coroutine)

    def close(self, last: Coroutine[Any, Any, None]) -> None:
        """Run a last coroutine and end loop and thread; a second call does nothing."""
        if self._runner is None:
            last.close()
            return
        self.run(last)
        self._thread.submit(self._runner.close).result()
        self._runner = None
        self._thread.shutdown()
