"""A small environment, in which agents are checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from starec_sim.cards import card
from starec_sim.rng import Streams
from starec_sim.tasks import Task
from starec_sim.types import (
    Decision,
    Experience,
    Feedback,
    Item,
    Observation,
    Step,
    User,
    Visit,
)

USERS, ITEMS, SHOWN, PAGES = 4, 24, 5, 2
_GENRES = ("Crime", "Poetry", "Travel")


class SmallWorld:
    """Readers and books: two pages a visit, and each reader likes one genre.

    Args:
        task: What it asks for.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.users = [User(f"reader-{n}", {"age": str(20 + n)}) for n in range(USERS)]
        self.items = [
            Item(f"b{n}", f"Book {n}", {"genre": (_GENRES[n % 3],)}) for n in range(ITEMS)
        ]
        self.cards = [card(item) for item in self.items]
        self.popularity = np.ones(ITEMS, np.int64)
        self._round = 0

    def describe(self) -> Mapping[str, Any]:
        """Return nothing."""
        return {}

    def history(self, user: int) -> tuple[Experience, ...]:
        """Return a few books that a reader knows."""
        return tuple(
            Experience(item, _stars(user, item), "world") for item in range(3 * user, ITEMS, 7)
        )

    def begin_round(self, round: int) -> Sequence[int]:
        """Let everybody visit."""
        self._round = round
        return range(USERS)

    def observe(self, user: int, steps: Sequence[Step]) -> Observation:
        """Return some books."""
        rng = Streams(0).stream("books", user=user, round=self._round, call=len(steps))
        slate = tuple(rng.choice(ITEMS, SHOWN, replace=False).tolist())
        return Observation(self.task, slate, tuple(self.cards[i] for i in slate), len(steps) + 1)

    def respond(
        self, user: int, steps: Sequence[Step], observation: Observation, decision: Decision
    ) -> Feedback:
        """Return how a reader liked what she did something with."""
        ending = "done" if decision.leave or len(steps) + 1 >= PAGES else ""
        if not self.task.ranks:
            done = [action.item for action in decision.actions if action.done]
            lived = tuple(Experience(item, _stars(user, item), "world") for item in done)
            return Feedback(lived, reward={"satisfaction": 0.5}, ending=ending)
        target = max(observation.slate, key=lambda item: _stars(user, item))
        chosen = (Experience(target, _stars(user, target), "world"),)
        return Feedback(chosen, target, {"tier": 0.5, "ndcg": 0.5}, ending)

    def end_round(self, visits: Sequence[Visit]) -> Mapping[str, float]:
        """Change nothing."""
        return {}

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return nothing: nothing changes."""
        return {}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore nothing."""


def _stars(user: int, item: int) -> float:
    return 5.0 if item % 3 == user % 3 else 2.0
