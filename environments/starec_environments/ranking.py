"""Ranking: logged choices replayed in time order. The paper's loop, and its benchmark.

Each user's log is cut to its last interactions. The last liked items are the choices to be
replayed, one a round: the user orders the true next choice among items she never touched, and then
learns what she really chose and how she liked it, and everything she did between two choices.

With `lived`, the people of a generated world go on choosing instead, by tastes that may drift; what
they chose is fixed beforehand, so it is a log like any other.

What precedes a user's first replayed choice, and the whole log of whoever takes no part, are the
training interactions: popularity and the signals on cards are taken from nothing else. Where lives
go on, these are the log as it was.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from starec_environments.continuation import live_on
from starec_environments.signals import SignalNames, Signals
from starec_sim.cards import card
from starec_sim.dataset import Dataset, Interactions
from starec_sim.errors import DataError
from starec_sim.holdout.user_logs import UserLog, by_user, stars
from starec_sim.rng import Streams
from starec_sim.settings import Settings
from starec_sim.types import (
    LIKED_ABOVE,
    Decision,
    Experience,
    Feedback,
    IntArray,
    Observation,
    Step,
    Task,
    Visit,
)


class RankingEnvironment:
    """Replays logged choices among sampled negatives."""

    task: ClassVar[Task] = "ranking"

    class Config(Settings):
        """Settings of the replay (the defaults are the protocol "starec-20")."""

        candidates: int = Field(default=20, ge=2, le=10_000)
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
        """`uniform`: items the user never touched. `shipped`: the dataset's own candidate lists,
        without the items that the user did touch (these are counted)."""
        lived: int | None = Field(default=None, ge=1)
        """Replay no log: the people of a generated world go on choosing from where theirs ends, at
        least so many items a round, the last of which they like and are asked about. Their tastes
        are those of the round, and `choices` says how many rounds there are."""
        draw: int = Field(default=0, ge=0)
        """Which draw of uniform negatives; the same number gives the same lists."""
        signals: SignalNames = Field(default=[])
        """What cards say besides attributes: any of `popularity`, `rating`, `together`."""
        informed: float = Field(default=1.0, ge=0, le=1)
        """The share of users, drawn at random, whose cards carry the signals. The others see bare
        cards, so that one policy learns to live with both."""

        @model_validator(mode="after")
        def _informed_of_something(self) -> Self:
            if self.informed < 1 and not self.signals:
                raise ValueError(
                    f"informed ({self.informed:g}) says who sees signals, and `signals` names "
                    "none: name some, or leave `informed` out"
                )
            return self

        @model_validator(mode="after")
        def _something_comes_first(self) -> Self:
            if self.lived is None and self.choices >= self.sequence:
                raise ValueError(
                    f"choices ({self.choices}) must be fewer than sequence ({self.sequence}): "
                    "something has to come before the first choice"
                )
            return self

    def __init__(self, config: Config, dataset: Dataset | None, streams: Streams) -> None:
        if dataset is None:
            raise DataError(
                "this environment needs data",
                hint="name a dataset under `data`, or pass --data synthetic",
            )
        self.config = config
        self.items = dataset.items
        self.cards = [card(item) for item in dataset.items]
        self._streams = streams
        self._round = 0
        self._left_out = {
            "too few interactions": 0,
            "too few likes": 0,
            "nothing before the first choice": 0,
            "not sampled": 0,
        }
        if config.lived is None:
            log = by_user(dataset.log)
            lives = self._replayable(dataset, log)
        else:
            onward = live_on(dataset, config.choices, config.lived, streams)
            log = by_user(onward.log)
            lives = self._going_on(dataset, log, onward.picks)
        self._lives = self._sampled(lives)
        self.users = [dataset.users[life.row] for life in self._lives]
        self._dropped = 0
        self._shipped: list[list[int]] = []
        if config.negatives == "shipped":
            self._shipped = self._shipped_lists(dataset)
        else:
            self._check_catalogue()
        training = self._training(log) if config.lived is None else dataset.log
        self.popularity: IntArray = np.bincount(training.items, minlength=len(self.items))
        self._signals = Signals(config.signals, dataset.items, len(dataset.users))
        self._signals.fit(training)
        rng = streams.stream("informed")
        self._informed = (rng.random(len(self.users)) < config.informed).tolist()

    def _replayable(self, dataset: Dataset, log: Interactions) -> list[UserLog]:
        """Return the users whose logs hold enough, and count those that are left out."""
        config = self.config
        ratings = stars(log)
        starts = np.searchsorted(log.users, np.arange(len(dataset.users) + 1)).tolist()
        lives = []
        for row in range(len(dataset.users)):
            start, end = starts[row], starts[row + 1]
            first = max(0, end - start - config.sequence)
            liked = np.flatnonzero(ratings[start + first : end] > LIKED_ABOVE)
            if end - start < config.min_interactions:
                self._left_out["too few interactions"] += 1
            elif len(liked) < config.choices:
                self._left_out["too few likes"] += 1
            elif liked[-config.choices] == 0:
                self._left_out["nothing before the first choice"] += 1
            else:
                choices = tuple((first + liked[-config.choices :]).tolist())
                mine = slice(start, end)
                lives.append(UserLog(row, start, log.items[mine], ratings[mine], first, choices))
        if not lives:
            raise DataError(
                f"no user of {dataset.name} has {config.min_interactions} interactions and, among "
                f"the last {config.sequence}, {config.choices} likes with something before them",
                hint="lower environment.min_interactions or environment.choices",
            )
        return lives

    def _going_on(self, dataset: Dataset, log: Interactions, picks: IntArray) -> list[UserLog]:
        """Return the users who go on choosing, and count those who cannot."""
        self._left_out["too few items left"] = 0  # whoever likes little has met nearly all
        ratings = stars(log)
        starts = np.searchsorted(log.users, np.arange(len(dataset.users) + 1)).tolist()
        lives = []
        for row, counts in enumerate(picks):
            mine = slice(starts[row], starts[row + 1])
            before = mine.stop - mine.start - int(counts.sum())
            if before < self.config.min_interactions:
                self._left_out["too few interactions"] += 1
            elif not counts.all():
                self._left_out["too few likes"] += 1
            elif mine.stop - mine.start > len(self.items) - (self.config.candidates - 1):
                self._left_out["too few items left"] += 1
            else:
                first = max(0, before - self.config.sequence)
                choices = tuple((before + np.cumsum(counts) - 1).tolist())
                lives.append(
                    UserLog(row, mine.start, log.items[mine], ratings[mine], first, choices)
                )
        if not lives:
            raise DataError(
                f"no user of {dataset.name} has {self.config.min_interactions} interactions and "
                f"finds something to like in each of {self.config.choices} rounds",
                hint="lower environment.min_interactions, or environment.choices",
            )
        return lives

    def _sampled(self, lives: list[UserLog]) -> list[UserLog]:
        if self.config.users is None or self.config.users >= len(lives):
            return lives
        rng = self._streams.stream("users")
        kept = np.sort(rng.choice(len(lives), self.config.users, replace=False))
        self._left_out["not sampled"] = len(lives) - self.config.users
        return [lives[index] for index in kept]

    def _check_catalogue(self) -> None:
        most = max(len(life.items) for life in self._lives)
        if len(self.items) - most < self.config.candidates - 1:
            raise DataError(
                f"a user has touched {most} of {len(self.items)} items, which leaves too few "
                f"for {self.config.candidates - 1} negatives",
                hint="lower environment.candidates",
            )

    def _shipped_lists(self, dataset: Dataset) -> list[list[int]]:
        """Return the negatives that the dataset ships for each user who takes part."""
        if not dataset.candidates:
            raise DataError(
                f"the dataset {dataset.name} ships no candidate lists",
                hint="set environment.negatives to uniform",
            )
        lists, wanted = [], self.config.candidates - 1
        for user, life in zip(self.users, self._lives, strict=True):
            shipped = list(dict.fromkeys(dataset.candidates.get(life.row, ())))
            touched = set(life.items.tolist())
            kept = [item for item in shipped if item not in touched]
            self._dropped += len(shipped) - len(kept)
            if len(kept) < wanted:
                raise DataError(
                    f"the shipped list of user {user.id} holds {len(kept)} items that she never "
                    f"touched, not {wanted}",
                    hint="lower environment.candidates",
                )
            lists.append(kept[:wanted])
        return lists

    def _training(self, log: Interactions) -> Interactions:
        """Return the log without what follows from the first choice of each user who takes part."""
        known = np.ones(len(log.users), bool)
        for life in self._lives:
            known[life.start + life.choices[0] : life.start + len(life.items)] = False
        return log.where(known)

    def describe(self) -> Mapping[str, Any]:
        """Return how many users take part, why others do not, and what cards tell."""
        facts = {
            "users": len(self.users),
            "items": len(self.items),
            "left out": self._left_out,
            "training interactions": int(self.popularity.sum()),
            "signals": list(self.config.signals),
        }
        if self.config.signals and self.config.informed < 1:
            facts["users with signals"] = sum(self._informed)
        if self.config.negatives == "shipped":
            facts["shipped candidates dropped"] = self._dropped
        return facts

    def history(self, user: int) -> tuple[Experience, ...]:
        """Return what the user lived through before her first replayed choice."""
        life = self._lives[user]
        return life.between(life.first, life.choices[0])

    def begin_round(self, round: int) -> Sequence[int]:
        """Every user makes one choice a round, until the choices are used up."""
        self._round = round
        return range(len(self._lives)) if round < self.config.choices else ()

    def observe(self, user: int, steps: Sequence[Step]) -> Observation:
        """Show the true choice among negatives, in keyed random order."""
        life = self._lives[user]
        target = int(life.items[life.choices[self._round]])
        slate = np.array([target, *self._negatives(user)])
        self._streams.stream("order", user=user, round=self._round).shuffle(slate)
        items = tuple(slate.tolist())
        if self.config.signals and self._informed[user]:
            cards = self._signals.cards(items, life.likes(life.first, self._known(life)))
        else:
            cards = tuple(self.cards[item] for item in items)
        return Observation("ranking", items, cards)

    def _known(self, life: UserLog) -> int:
        """Return the place up to which the user's life was revealed before this round."""
        return life.choices[self._round - 1] + 1 if self._round else life.choices[0]

    def _negatives(self, user: int) -> list[int]:
        if self._shipped:
            return self._shipped[user]
        count, touched = self.config.candidates - 1, set(self._lives[user].items.tolist())
        rng = self._streams.stream("negatives", user=user, round=self._round, call=self.config.draw)
        chosen: dict[int, None] = {}
        while len(chosen) < count:
            for item in rng.integers(len(self.items), size=2 * count).tolist():
                if item not in touched and len(chosen) < count:
                    chosen[item] = None
        return list(chosen)

    def respond(
        self, user: int, steps: Sequence[Step], observation: Observation, decision: Decision
    ) -> Feedback:
        """Reveal the choice, and what the user did between the last choice and this one."""
        life = self._lives[user]
        place = life.choices[self._round]
        target = int(life.items[place])
        return Feedback(
            life.between(self._known(life), place + 1),
            target=target,
            reward=reward(decision, target, len(observation.slate)),
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


def reward(decision: Decision, target: int, candidates: int) -> dict[str, float]:
    """Return the components that a ranking of so many candidates earns."""
    rank = decision.rank_of(target)
    return {
        "tier": tier(rank, candidates),
        "ndcg": 1.0 / math.log2(rank + 1) if rank else 0.0,
    }


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
