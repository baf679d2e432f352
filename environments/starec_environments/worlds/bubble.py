r"""A filter bubble that can be computed: its onset, the best policy, and the rate of drift.

Each user has one favourite of K topics. A page shows n items; the share of topic k on it is its
weight, divided by the sum of all weights. With the strategy `greedy` a topic's weight is multiplied
by `growth` = g after each round in which the user read something of it; all weights begin with 1.

If she reads exactly what is of her favourite topic (`TastePolicy` does), then after t rounds

- the expected share of her favourite on a page is x_t = g^t / (g^t + K - 1): `favourite_share`;
- it reaches a share s first at round t* = ceil(log((K - 1) s / (1 - s)) / log g): `onset`.

The joy of a page with the share x of the favourite is f(x) = x/b (2 - x/b), which is greatest at
x = b, `best_share`: more of the same is dull. So no strategy has more joy than `best`, which shows
the share b in every round, and `greedy` loses what it gained once x_t > b.

With drift d, each user has another favourite in each round with probability d, each of the others
as likely. After t rounds the first favourite is the present one with probability
1/K + (1 - 1/K) (1 - d K / (K - 1))^t: `same_favourite`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from starec_sim.answers import NOTHING_YET, PromptParts, card_terms
from starec_sim.answers.tags import PREFERENCES, block
from starec_sim.policies.acting import Wish, act_on
from starec_sim.policies.text_policy import TextPolicy
from starec_sim.settings import Settings
from starec_sim.tasks import ActionKind, Task
from starec_sim.types import (
    Decision,
    Experience,
    Feedback,
    FloatArray,
    IntArray,
    Item,
    Observation,
    Step,
    User,
    Visit,
)
from starec_sim.world import World

FAVOURITE = "today you only want to read about"
"""What stands before the favourite topic in the context of a page."""
_WANTS = re.compile(rf"{FAVOURITE} (topic [A-Z])")


def favourite_share(growth: float, topics: int, rounds: int) -> float:
    """Return the expected share of the favourite on a page of `greedy` after so many rounds.

    >>> favourite_share(growth=1.5, topics=5, rounds=0)
    0.2
    """
    return growth**rounds / (growth**rounds + topics - 1)


def onset(growth: float, topics: int, share: float) -> int:
    """Return the first round, from 0, in which the expected share of the favourite is as large.

    >>> onset(growth=1.5, topics=5, share=0.8)
    7
    """
    return max(0, math.ceil(math.log((topics - 1) * share / (1 - share)) / math.log(growth)))


def joy(share: float, best_share: float) -> float:
    """Return the joy of a page with a share of the favourite: at most 1, at `best_share`.

    >>> joy(0.5, best_share=0.5), joy(1.0, best_share=0.5)
    (1.0, 0.0)
    """
    return share / best_share * (2 - share / best_share)


def same_favourite(drift: float, topics: int, rounds: int) -> float:
    """Return the probability that the first favourite is the favourite after so many rounds.

    >>> round(same_favourite(drift=0.1, topics=5, rounds=1), 6)
    0.9
    """
    return 1 / topics + (1 - 1 / topics) * (1 - drift * topics / (topics - 1)) ** rounds


class Bubble(World):
    """A world with provable facts: a filter bubble of known onset, the best policy, drift."""

    class Config(Settings):
        """Settings of the world."""

        users: int = Field(default=50, ge=1, le=100_000)
        """Users; all of them visit in every round."""
        topics: int = Field(default=5, ge=2, le=20)
        """K: topics, each user has one favourite."""
        page_size: int = Field(default=10, ge=2, le=100)
        """n: items on a page, at least one for each topic."""
        strategy: Literal["greedy", "best", "uniform"] = "greedy"
        """How topics share a page: by weights that grow, by `best_share`, or equally."""
        growth: float = Field(default=1.5, gt=1, le=10)
        """g: what a weight is multiplied by after a round in which its topic was read."""
        best_share: float = Field(default=0.6, gt=0, le=1)
        """b: the share of the favourite that is enjoyed most."""
        bubble: float = Field(default=0.8, gt=0, lt=1)
        """The share of the favourite from which on a page is called a bubble."""
        drift: float = Field(default=0.0, ge=0, le=1)
        """d: probability with which a user has another favourite in the next round."""

        @model_validator(mode="after")
        def _page_has_room(self) -> Self:
            if self.page_size < self.topics:
                raise ValueError(
                    f"a page of {self.page_size} items has no room for {self.topics} topics; "
                    "set page_size to at least topics"
                )
            return self

    task = Task(
        "bubble",
        scene="You open a page of short articles. It says what you want to read about today.",
        actions=(ActionKind("read", past="read"),),
    )
    own_metrics = ("favourite_share", "in_bubble", "joy", "same_favourite", "true_to_taste")
    reward_names = ("joy",)

    def set_up(self) -> None:
        """Make as many items of each topic as a page has places, and users with favourites."""
        config = self.config
        self.users = [User(f"user-{n + 1}") for n in range(config.users)]
        self.items = [
            Item(f"{topic}-{n + 1}", f"Article {n + 1}", {"topic": (_topic(topic),)})
            for topic in range(config.topics)
            for n in range(config.page_size)
        ]
        self.first = np.array(
            [
                self.streams.stream("favourite", user=user).integers(config.topics)
                for user in range(config.users)
            ]
        )
        self.kept = {
            "favourite": self.first.copy(),
            "weights": np.ones((config.users, config.topics)),
        }

    def shares(self, user: int) -> FloatArray:
        """Return the expected share of each topic on the user's page, shape (topics,)."""
        topics, favourite = self.config.topics, int(self.kept["favourite"][user])
        if self.config.strategy == "best":
            rest = (1 - self.config.best_share) / (topics - 1)
            return np.asarray(
                np.where(np.arange(topics) == favourite, self.config.best_share, rest)
            )
        weights = self.kept["weights"][user]
        if self.config.strategy == "uniform":
            weights = np.ones(topics)
        return np.asarray(weights / weights.sum())

    def counts(self, user: int) -> IntArray:
        """Return how many items of each topic the page has: expected are n times the shares.

        Systematic sampling: n equally spaced points fall on the shares, laid end to end. So each
        count is the expected one, rounded up or down.
        """
        n = self.config.page_size
        start = self.streams.stream("page", user=user, round=self.round).random()
        ends = np.cumsum(self.shares(user)) * n
        ends[-1] = n
        below = np.ceil(ends - start)  # points start, start + 1, ... that lie below each end
        counts: IntArray = np.diff(below, prepend=0).astype(np.int64)
        return counts

    def offer(self, user: int, steps: Sequence[Step]) -> Sequence[int]:
        """Show items of the topics in random order."""
        n = self.config.page_size
        page = [
            topic * n + place
            for topic, count in enumerate(self.counts(user).tolist())
            for place in range(count)
        ]
        rng = self.streams.stream("order", user=user, round=self.round)
        shuffled: list[int] = rng.permutation(page).tolist()
        return shuffled

    def context(self, user: int, steps: Sequence[Step]) -> str:
        """Tell the user what her favourite is in this round."""
        return f"{FAVOURITE} {_topic(int(self.kept['favourite'][user]))}"

    def _is_favourite(self, user: int, item: int) -> bool:
        return bool(item // self.config.page_size == self.kept["favourite"][user])

    def _share(self, user: int, slate: Sequence[int]) -> float:
        return sum(self._is_favourite(user, item) for item in slate) / len(slate)

    def react(
        self, user: int, steps: Sequence[Step], shown: Observation, decision: Decision
    ) -> Feedback:
        """She likes what is of her favourite topic; the joy of a page follows from its share."""
        lived = tuple(
            Experience(item, None, "world", action="read", like=self._is_favourite(user, item))
            for item in decision.chosen
        )
        enjoyed = joy(self._share(user, shown.slate), self.config.best_share)
        return Feedback(lived, reward={"joy": enjoyed}, ending="done")

    def after_round(self, visits: Sequence[Visit]) -> Mapping[str, float]:
        """Let weights grow, measure the round, and let favourites drift."""
        steps = [(visit.user, step) for visit in visits for step in visit.steps]
        shares = [self._share(user, step.observation.slate) for user, step in steps]
        true = [
            (item in step.decision.chosen) == self._is_favourite(user, item)
            for user, step in steps
            for item in step.observation.slate
        ]
        for user, step in steps:
            for topic in {item // self.config.page_size for item in step.decision.chosen}:
                self.kept["weights"][user, topic] *= self.config.growth
        # Only ratios of weights count. The greatest is 1, so that none becomes infinite.
        self.kept["weights"] /= self.kept["weights"].max(axis=1, keepdims=True)
        figures = {
            "favourite_share": _mean(shares),
            "in_bubble": _mean([share >= self.config.bubble for share in shares]),
            "joy": _mean([joy(share, self.config.best_share) for share in shares]),
            "same_favourite": _mean((self.kept["favourite"] == self.first).tolist()),
            "true_to_taste": _mean(true),
        }
        self._drift()
        return figures

    def _drift(self) -> None:
        for user in range(len(self.users)):
            rng = self.streams.stream("drift", user=user, round=self.round)
            if rng.random() < self.config.drift:
                step = int(rng.integers(1, self.config.topics))
                moved = (int(self.kept["favourite"][user]) + step) % self.config.topics
                self.kept["favourite"][user] = moved


class TastePolicy(TextPolicy):
    """Reads exactly what is of the topic that the page says the user wants."""

    @property
    def _llm_type(self) -> str:
        return "bubble-taste"

    def answer(self, prompt: PromptParts) -> str:
        """Read what is of the wanted topic; keep no summary."""
        if prompt.asks == "reflection":
            return block(PREFERENCES, NOTHING_YET)
        wanted = _WANTS.search(prompt.text)
        topic = wanted[1] if wanted else ""
        wishes = [
            Wish(label, 1.0, 5, topic in card_terms(card)) for label, card in prompt.candidates
        ]
        return act_on(wishes, prompt.acts)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def _topic(number: int) -> str:
    return f"topic {chr(ord('A') + number)}"
