"""Ranking: logged choices replayed in time order. The paper's loop, and its benchmark.

Each user's log is cut to its last interactions. The last liked items are the choices to be
replayed, one a round: the user orders the true next choice among items she never touched, and then
learns what she really chose and how she liked it, and everything she did between two choices.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from starec_sim.cards import card
from starec_sim.dataset import Dataset
from starec_sim.errors import DataError
from starec_sim.rng import Streams
from starec_sim.types import (
    LIKED_ABOVE,
    Decision,
    Experience,
    Feedback,
    IntArray,
    Observation,
    Step,
    Visit,
)
from starec_sim.validation import Settings

UNRATED_STARS = 4.0
"""What an item that was consumed without a rating counts as: a like."""


class RankingEnvironment:
    """Replays logged choices among sampled negatives."""

    class Config(Settings):
        """Settings of the replay (the defaults are the protocol "starec-20")."""

        candidates: int = Field(default=20, ge=2)
        """The true choice and `candidates - 1` negatives."""
        choices: int = Field(default=10, ge=1)
        """How many choices of each user are replayed: her last ones, one a round."""
        sequence: int = Field(default=40, ge=2)
        """Interactions of each user that count: her last ones."""
        min_interactions: int = Field(default=10, ge=2)
        """Users with a shorter log are left out (and counted)."""
        users: int | None = Field(default=None, ge=1)
        """A random sample of so many users; all when empty."""
        negatives: Literal["uniform", "shipped"] = "uniform"
        """`uniform`: items the user never touched. `shipped`: the dataset's own candidate lists."""
        draw: int = Field(default=0, ge=0)
        """Which draw of negatives; the same number gives the same lists."""

    def __init__(self, config: Config, dataset: Dataset, streams: Streams) -> None:
        self.config = config
        self.items = dataset.items
        self._streams = streams
        self._shipped = dataset.candidates
        if config.negatives == "shipped" and not dataset.candidates:
            raise DataError(
                f"the dataset {dataset.name} ships no candidate lists",
                hint="set environment.negatives to uniform",
            )
        self.cards = [card(item) for item in dataset.items]
        self._left_out = {"too few interactions": 0, "too few likes": 0, "not sampled": 0}
        self._lives: list[_Life] = self._replayable(dataset)
        self.users = [dataset.users[life.row] for life in self._lives]
        before = np.concatenate([life.items[: life.choices[0]] for life in self._lives])
        self.popularity: IntArray = np.bincount(before, minlength=len(self.items))
        self._round = 0

    def _replayable(self, dataset: Dataset) -> list[_Life]:
        """Return the users whose logs hold enough, and count those that are left out."""
        config, log = self.config, dataset.log
        ratings = np.where(np.isnan(log.ratings), UNRATED_STARS, log.ratings)
        by_user = np.argsort(log.users, kind="stable")
        starts = np.searchsorted(log.users[by_user], np.arange(len(dataset.users) + 1))
        lives = []
        for row in range(len(dataset.users)):
            mine = by_user[starts[row] : starts[row + 1]]
            if len(mine) < config.min_interactions:
                self._left_out["too few interactions"] += 1
                continue
            touched = frozenset(log.items[mine].tolist())
            mine = mine[-config.sequence :]
            choices = np.flatnonzero(ratings[mine] > LIKED_ABOVE)[-config.choices :]
            if len(choices) < config.choices or choices[0] == 0:
                self._left_out["too few likes"] += 1
                continue
            lives.append(_Life(row, log.items[mine], ratings[mine], choices, touched))
        if not lives:
            raise DataError(
                f"no user of {dataset.name} has {config.min_interactions} interactions with "
                f"{config.choices} likes and something before them",
                hint="lower environment.min_interactions or environment.choices",
            )
        if config.users is not None and config.users < len(lives):
            rng = self._streams.stream("users")
            kept = np.sort(rng.choice(len(lives), config.users, replace=False))
            self._left_out["not sampled"] = len(lives) - config.users
            lives = [lives[index] for index in kept]
        most = max(len(life.touched) for life in lives)
        if len(dataset.items) - most < config.candidates:
            raise DataError(
                f"a user has touched {most} of {len(dataset.items)} items, which leaves too few "
                f"for {config.candidates} candidates",
                hint="lower environment.candidates",
            )
        return lives

    def describe(self) -> Mapping[str, Any]:
        """Return how many users take part and why others do not."""
        return {"users": len(self.users), "items": len(self.items), "left out": self._left_out}

    def history(self, user: int) -> tuple[Experience, ...]:
        """Return what the user lived through before her first replayed choice."""
        return self._lives[user].between(0, self._lives[user].choices[0])

    def begin_round(self, round: int) -> Sequence[int]:
        """Every user makes one choice a round, until the choices are used up."""
        self._round = round
        return range(len(self._lives)) if round < self.config.choices else ()

    def observe(self, user: int, steps: Sequence[Step]) -> Observation:
        """Show the true choice among negatives, in keyed random order."""
        life = self._lives[user]
        target = int(life.items[life.choices[self._round]])
        slate = np.array([target, *self._negatives(user, target)])
        self._streams.stream("order", user=user, round=self._round).shuffle(slate)
        return Observation(
            "ranking", tuple(slate.tolist()), tuple(self.cards[item] for item in slate)
        )

    def _negatives(self, user: int, target: int) -> list[int]:
        count, life = self.config.candidates - 1, self._lives[user]
        if self.config.negatives == "shipped":
            shipped = [item for item in self._shipped.get(life.row, ()) if item != target][:count]
            if len(shipped) < count:
                raise DataError(
                    f"the shipped list of user {self.users[user].id} holds {len(shipped)} items "
                    f"besides the choice, not {count}",
                    hint="lower environment.candidates",
                )
            return shipped
        rng = self._streams.stream("negatives", user=user, round=self._round, call=self.config.draw)
        chosen: dict[int, None] = {}
        while len(chosen) < count:
            for item in rng.integers(len(self.items), size=2 * count).tolist():
                if item not in life.touched and len(chosen) < count:
                    chosen[item] = None
        return list(chosen)

    def respond(
        self, user: int, steps: Sequence[Step], observation: Observation, decision: Decision
    ) -> Feedback:
        """Reveal the choice, and what the user did between the last choice and this one."""
        life = self._lives[user]
        place = life.choices[self._round]
        previous = life.choices[self._round - 1] + 1 if self._round else place
        target = int(life.items[place])
        rank = decision.rank_of(target)
        return Feedback(
            life.between(previous, place + 1),
            target=target,
            reward={
                "tier": tier(rank, len(observation.slate)),
                "ndcg": 1.0 / math.log2(rank + 1) if rank else 0.0,
            },
            ending="done",
        )

    def end_round(self, visits: Sequence[Visit]) -> Mapping[str, float]:
        """Nothing a user does changes a log that was written long ago."""
        return {}

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return nothing: the round alone says where the replay stands."""
        return {}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Do nothing, see `state`."""


class _Life:
    """One user's log, cut to the interactions that count."""

    __slots__ = ("choices", "items", "ratings", "row", "touched")

    def __init__(
        self,
        row: int,
        items: IntArray,
        ratings: NDArray[np.float64],
        choices: IntArray,
        touched: frozenset[int],
    ) -> None:
        self.row, self.items, self.ratings = row, items, ratings
        self.choices, self.touched = choices, touched

    def between(self, start: int, stop: int) -> tuple[Experience, ...]:
        return tuple(
            Experience(int(item), float(rating), "logged")
            for item, rating in zip(self.items[start:stop], self.ratings[start:stop], strict=True)
        )


def tier(rank: int | None, candidates: int) -> float:
    """Return the paper's reward of a ranking, from the rank of the one true item.

    With 20 candidates: 1 -> +1, 2-5 -> +0.5, 6-10 -> 0, 11-20 -> -0.5, missing -> -1. For other
    counts the bounds are a quarter and a half of the list, rounded up.

    >>> [tier(rank, 20) for rank in (1, 5, 6, 11, None)]
    [1.0, 0.5, 0.0, -0.5, -1.0]
    """
    if rank is None:
        return -1.0
    if rank == 1:
        return 1.0
    if rank <= math.ceil(candidates / 4):
        return 0.5
    return 0.0 if rank <= math.ceil(candidates / 2) else -0.5
