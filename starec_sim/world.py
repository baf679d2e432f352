"""A base class for environments. The smallest one has three methods.

    class Coffee(World):
        task = Task("coffee", (ActionKind("order", Amount(1, 3, unit="cups")),))

        def set_up(self) -> None:
            self.users = [User("ann"), User("bob")]
            self.items = [Item("1", "Espresso", {"kind": ("hot",)}), Item("2", "Iced tea")]

        def offer(self, user: int, steps: Sequence[Step]) -> Sequence[int]:
            return range(len(self.items))

        def react(
            self, user: int, steps: Sequence[Step], shown: Observation, decision: Decision
        ) -> Feedback:
            cups = sum(action.value or 0 for action in decision.actions if action.done)
            return Feedback((), reward={"cups": cups}, ending="done")

The rest has a default that can be replaced: who visits (`visitors`), what else she knows
(`context`), what a round changes (`after_round`). `starec_sim.environment.Environment` is the whole
protocol, for whoever needs it.
"""

from __future__ import annotations

import json
import operator
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from starec_sim.cards import card
from starec_sim.dataset import Dataset
from starec_sim.errors import ConfigError
from starec_sim.rng import Streams
from starec_sim.settings import Settings
from starec_sim.tasks import FEED, Task
from starec_sim.types import (
    Decision,
    Experience,
    Feedback,
    IntArray,
    Item,
    Observation,
    Step,
    User,
    Visit,
)

_JSON = "json:"
_SHOWN = 60
"""Characters of a value that a message repeats."""


class World(ABC):
    """An environment with defaults for everything but its users, its items and its rules.

    Within a round nothing changes: `offer`, `context` and `react` only read. What must outlast a
    round, and a resume, is kept in `self.kept`, and changes in `after_round`. Random numbers come
    from `self.streams.stream(purpose, user=user, round=self.round)`.

    Args:
        config: An instance of `Config`.
        dataset: The experiment's dataset; None without one.
        streams: The random streams of the trial.
    """

    class Config(Settings):
        """Settings of the environment; a subclass adds fields to its own `Config(Settings)`."""

    task: ClassVar[Task] = FEED
    """What users are asked. `observe` shows it with each slate."""
    own_metrics: ClassVar[Sequence[str]] = ()
    """The names of the figures that `after_round` returns."""
    reward_names: ClassVar[tuple[str, ...]] = ()
    """The components of the reward that `react` returns, if a training is to check their names."""
    written_methods: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "begin_round": "visitors",
            "observe": "offer",
            "observe.cards": "item_card",
            "observe.context": "context",
            "respond": "react",
            "end_round": "after_round",
        }
    )
    """By method of the protocol, or part of what it returns: the method that a subclass writes in
    its place. Messages name that one."""

    def __init__(self, config: Any, dataset: Dataset | None, streams: Streams) -> None:
        self.config, self.streams = config, streams
        self._dataset, self._reads_dataset = dataset, False
        self.users: Sequence[User] = []
        self.items: Sequence[Item] = []
        self.round = 0
        """The round that is played, from 0."""
        self.kept: dict[str, Any] = {}
        """What changes from round to round: JSON values, and arrays of numbers or texts."""
        self.set_up()
        if dataset is not None and not self._reads_dataset:
            raise ConfigError(
                f"data: {type(self).__name__} makes its own users and items, so the data "
                f'"{dataset.name}" would be ignored',
                hint="remove `data` or --data (data=None in Python); a World that needs it reads "
                "self.dataset in set_up",
            )
        # What is no Item is refused by name when the environment is checked.
        self.cards: list[str] = [
            card(item) if isinstance(item, Item) else "" for item in self.items
        ]
        self.popularity: IntArray = np.zeros(len(self.items), np.int64)

    @property
    def dataset(self) -> Dataset | None:
        """The experiment's dataset; None without one. `set_up` reads it, or it is refused."""
        self._reads_dataset = True
        return self._dataset

    @abstractmethod
    def set_up(self) -> None:
        """Set `self.users`, `self.items`, and what `self.kept` begins with."""

    @abstractmethod
    def offer(self, user: int, steps: Sequence[Step]) -> Sequence[int]:
        """Return the items that a user is shown next, in order.

        Args:
            user: Her row.
            steps: Her visit so far.
        """

    @abstractmethod
    def react(
        self, user: int, steps: Sequence[Step], shown: Observation, decision: Decision
    ) -> Feedback:
        """Return what follows from a decision. `Feedback.ending` ends the visit.

        Args:
            user: Her row.
            steps: Her visit before this step.
            shown: What she was shown.
            decision: What she did.
        """

    def visitors(self, round: int) -> Sequence[int]:
        """Return the rows of the users who visit in a round, ascending; all of them."""
        return range(len(self.users))

    def context(self, user: int, steps: Sequence[Step]) -> str:
        """Return what else the user knows at this moment: `budget: 12.50`. Nothing by default."""
        return ""

    def item_card(self, item: int, user: int) -> str:
        """Return the card of an item as a user sees it now; its title and attributes."""
        return self.cards[item]

    def after_round(self, visits: Sequence[Visit]) -> Mapping[str, float]:
        """Change `self.kept` by what all users did, and return figures of the round; none."""
        return {}

    # What follows is the protocol `starec_sim.environment.Environment`.

    def describe(self) -> Mapping[str, Any]:
        """Return the number of users and items, and the task."""
        return {"users": len(self.users), "items": len(self.items), "task": self.task.name}

    def history(self, user: int) -> tuple[Experience, ...]:
        """Return what the user experienced before the simulation; nothing."""
        return ()

    def begin_round(self, round: int) -> Sequence[int]:
        """Begin a round and return its visitors."""
        self.round = round
        return self.visitors(round)

    def observe(self, user: int, steps: Sequence[Step]) -> Observation:
        """Show what `offer` returns."""
        slate = _rows(self.offer(user, steps), len(self.items))
        cards = tuple(self.item_card(item, user) for item in slate)
        return Observation(self.task, slate, cards, len(steps) + 1, self.context(user, steps))

    def respond(
        self, user: int, steps: Sequence[Step], observation: Observation, decision: Decision
    ) -> Feedback:
        """Return what `react` returns."""
        return self.react(user, steps, observation, decision)

    def end_round(self, visits: Sequence[Visit]) -> Mapping[str, float]:
        """Apply a round: see `after_round`."""
        return self.after_round(visits)

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return `self.kept`: copies of arrays, and JSON values as text."""
        kept = self.kept.items()
        arrays = {name: each.copy() for name, each in kept if isinstance(each, np.ndarray)}
        values = {
            _JSON + name: np.array(_json_text(name, each))
            for name, each in kept
            if name not in arrays
        }
        return {**arrays, **values}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Set `self.kept` to what `state` returned."""
        self.kept = {
            name.removeprefix(_JSON): (
                json.loads(str(each)) if name.startswith(_JSON) else each.copy()
            )
            for name, each in state.items()
        }


def _rows(offered: Sequence[int], items: int) -> tuple[int, ...]:
    try:
        rows = tuple(offered)
        if any(isinstance(row, bool) for row in rows):
            raise TypeError
        rows = tuple(operator.index(row) for row in rows)
    except TypeError:
        raise TypeError(
            f"offer returned {_short(offered)}; it must return rows of items, as [0, 3]"
        ) from None
    for row in rows:
        if not 0 <= row < items:
            raise ValueError(
                f"offer returned item {row}; there are {items} items, rows 0 to {items - 1}"
            )
    return rows


def _json_text(name: str, value: Any) -> str:
    """Return a kept value as JSON.

    Raises:
        TypeError: It is no JSON value, so a resume would have another one.
    """
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(
            f'self.kept["{name}"] is {_short(value)}, which holds what JSON has not ({error}); '
            "keep texts, finite numbers, lists and dicts, or an array"
        ) from None
    if _has_other_keys(value):
        raise TypeError(
            f'self.kept["{name}"] is {_short(value)}, with keys that are no texts; a resume would '
            "find texts in their place: write str(key), or keep a list"
        )
    return text


def _has_other_keys(value: Any) -> bool:
    if isinstance(value, dict):
        return not all(isinstance(key, str) and not _has_other_keys(value[key]) for key in value)
    return isinstance(value, list | tuple) and any(map(_has_other_keys, value))


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
