"""Replay of logged users: one choice a round, ranked among negatives.

Each round asks a user for one choice of her log. She ranks the item that she really chose among
items that she never touched. Then she learns what she chose and how she liked it, and everything
that she did since the choice before. `ranking` and `holdout` are environments of this kind.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from starec_environments.signals import SignalNames, Signals
from starec_sim.cards import card
from starec_sim.dataset import Dataset, Interactions
from starec_sim.holdout.user_logs import UserLog
from starec_sim.tasks import RANKING, Task
from starec_sim.types import (
    Decision,
    Experience,
    Feedback,
    IntArray,
    Observation,
    Step,
    Visit,
)


class Replay(NamedTuple):
    """The log of one user, and which of its choices are replayed."""

    log: UserLog
    choices: tuple[int, ...]
    """Positions of the replayed choices in the log, ascending."""
    end: int
    """The position up to which the log is known after the last choice."""

    def known(self, number: int) -> int:
        """Return the position up to which the log is known before choice `number`, from 0.

        `len(choices)` stands for the end of the replay.
        """
        if number >= len(self.choices):
            return self.end
        return self.choices[number - 1] + 1 if number else self.choices[0]

    def target(self, number: int) -> int:
        """Return the item that the user chose."""
        return int(self.log.items[self.choices[number]])


class ReplayEnvironment(ABC):
    """The base of environments that replay logs.

    A subclass says which choice is asked for in a round and among which items. Nothing that a user
    does changes a log, so there is no state besides the number of the round.

    Args:
        dataset: The catalogue, and all users.
        replays: Of the users who take part.
        training: The interactions from which popularity and signals are taken; users are counted
            as in the dataset.
        signals: What cards say besides attributes.
    """

    task: ClassVar[Task] = RANKING
    own_metrics: ClassVar[tuple[str, ...]] = ()
    reward_names: ClassVar[tuple[str, ...]] = ("tier", "ndcg")

    def __init__(
        self,
        dataset: Dataset,
        replays: Sequence[Replay],
        training: Interactions,
        signals: SignalNames,
    ) -> None:
        self.users = [dataset.users[replay.log.row] for replay in replays]
        self.items = dataset.items
        self.cards = [card(item) for item in dataset.items]
        self.popularity: IntArray = np.bincount(training.items, minlength=len(dataset.items))
        self._replays = replays
        self._round = 0
        self._signals = Signals(signals, dataset.items, len(dataset.users)) if signals else None
        if self._signals is not None:
            self._signals.fit(training)

    @abstractmethod
    def _number(self, user: int) -> int:
        """Return which of her choices a user is asked for in this round, from 0."""

    @abstractmethod
    def _slate(self, user: int) -> tuple[int, ...]:
        """Return the replayed choice of this round among negatives, in the order shown."""

    def _sees_signals(self, user: int) -> bool:
        """Return whether the cards that a user sees carry the signals."""
        return True

    def history(self, user: int) -> tuple[Experience, ...]:
        """Return what the user experienced before her first replayed choice."""
        replay = self._replays[user]
        return replay.log.between(replay.log.first, replay.known(0))

    def observe(self, user: int, steps: Sequence[Step]) -> Observation:
        """Show the replayed choice among negatives."""
        return self._show(user, self._slate(user), len(steps) + 1)

    def _show(self, user: int, items: tuple[int, ...], page: int) -> Observation:
        replay = self._replays[user]
        if self._signals is not None and self._sees_signals(user):
            known = replay.known(self._number(user))
            likes = replay.log.likes(replay.log.first, known)
            met = replay.log.items[replay.log.first : known]
            cards = self._signals.cards(items, likes, met)
        else:
            cards = tuple(self.cards[item] for item in items)
        return Observation(RANKING, items, cards, page)

    def respond(
        self, user: int, steps: Sequence[Step], observation: Observation, decision: Decision
    ) -> Feedback:
        """Reveal the choice, and what the user did since the choice before."""
        replay, number = self._replays[user], self._number(user)
        target = replay.target(number)
        return Feedback(
            replay.log.between(replay.known(number), replay.known(number + 1)),
            target=target,
            reward=reward(decision, target, len(observation.slate)),
            ending="done",
        )

    def slate_facts(
        self, user: int, steps: Sequence[Step], observation: Observation
    ) -> Mapping[str, Sequence[float | None]]:
        """Return the logged stars of each candidate; None for one that she never touched.

        A generated world could rate all of them. To ask it costs three percent of a step.
        """
        log = self._replays[user].log
        truth: list[float | None] = [None] * len(observation.slate)
        places, positions = np.nonzero(np.array(observation.slate)[:, None] == log.items)
        for place, position in zip(places.tolist(), positions.tolist(), strict=True):
            truth[place] = float(log.ratings[position])
        return {"truth": truth}

    def end_round(self, visits: Sequence[Visit]) -> Mapping[str, float]:
        """Change nothing: what users do has no effect on their logs."""
        return {}

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return nothing: the number of the round says where the replay is."""
        return {}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Do nothing, see `state`."""
        return


def reward(decision: Decision, target: int, candidates: int) -> dict[str, float]:
    """Return the components of the reward that a ranking of so many candidates earns.

    `tier` is the reward of the paper, see `tier`. `ndcg` is 1 / log2(rank + 1) of the one relevant
    item, 0 where the ranking lacks it.
    """
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
