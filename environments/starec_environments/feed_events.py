"""What a schedule can make happen in a feed: items are boosted or removed, users get a message."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, model_validator

from starec_sim.errors import ConfigError, did_you_mean
from starec_sim.settings import Settings
from starec_sim.types import FloatArray, IntArray, Item, User


class ChosenItems(Settings):
    """Items, by their ids or by a value of an attribute."""

    items: tuple[str, ...] = ()
    """Ids of items."""
    attribute: str | None = None
    value: str | None = None
    """All items that have this value of the attribute."""

    @model_validator(mode="after")
    def _one_choice(self) -> Self:
        named = (self.attribute is not None, self.value is not None)
        if named not in ((True, True), (False, False)) or bool(self.items) == named[0]:
            raise ValueError("name items by their ids, or an attribute and its value")
        return self


class Boost(ChosenItems):
    """Items stand before all others, in the recommender's order."""

    places: int | None = Field(default=None, ge=1)
    """At most so many of them in a visit; the others stay where they are. All when empty."""


class Remove(ChosenItems):
    """Items are shown no more."""


class Announcement(Settings):
    """Users read a text before each page."""

    text: str = Field(min_length=1, max_length=2000)
    profile: dict[str, str] = Field(default={})
    """Only users with all of these values in their profile; everybody when empty."""


EVENTS: Mapping[str, type[BaseModel]] = {"boost": Boost, "remove": Remove, "message": Announcement}


class _Boosted(NamedTuple):
    chosen: NDArray[np.bool_]
    places: int | None


class FeedEvents:
    """The events that happened in a feed, and what they do. They hold until they are ended.

    Args:
        items: The catalogue.
        users: All users.
    """

    def __init__(self, items: Sequence[Item], users: Sequence[User]) -> None:
        self._items, self._users = items, users
        self._forget()

    def _forget(self) -> None:
        self._happened: list[tuple[str, dict[str, Any]]] = []
        self._removed = np.zeros(len(self._items), np.bool_)
        self._boosted: list[_Boosted] = []
        self._messages: list[list[str]] = [[] for _ in self._users]

    @property
    def changes_slates(self) -> bool:
        """Whether items are boosted or removed."""
        return bool(self._boosted) or bool(self._removed.any())

    def apply(self, event: str, settings: BaseModel) -> None:
        """Let an event happen.

        Raises:
            ConfigError: It names items or users that are not there.
        """
        if isinstance(settings, Announcement):
            self._send(settings)
        elif isinstance(settings, Boost):
            self._boosted.append(_Boosted(self._rows(event, settings), settings.places))
        elif isinstance(settings, Remove):
            self._removed |= self._rows(event, settings)
        self._happened.append((event, settings.model_dump(mode="json")))

    def end(self, event: str, settings: BaseModel) -> None:
        """End the first event that happened with these settings; all others hold."""
        happened = list(self._happened)
        happened.remove((event, settings.model_dump(mode="json")))
        self._repeat(happened)

    def arranged(self, items: IntArray, scores: FloatArray) -> tuple[IntArray, FloatArray]:
        """Return the items of a visit and their scores with boosted items first, none removed."""
        kept = ~self._removed[items]
        items, scores = items[kept], scores[kept]
        for chosen, places in self._boosted:
            first = chosen[items]
            if places is not None:
                first &= np.cumsum(first) <= places
            order = np.argsort(~first, kind="stable")
            items, scores = items[order], scores[order]
        return items, scores

    def message(self, user: int) -> str:
        """Return what a user reads before a page; empty if nothing."""
        return "\n".join(self._messages[user])

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return the events that happened; nothing before the first."""
        if not self._happened:
            return {}
        return {"events": np.array(json.dumps(self._happened, ensure_ascii=False))}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Let the events of a state happen, and no others."""
        self._repeat(json.loads(str(state.get("events", "[]"))))

    def _repeat(self, happened: Sequence[tuple[str, dict[str, Any]]]) -> None:
        self._forget()
        for event, values in happened:
            self.apply(event, EVENTS[event].model_validate(values))

    def _send(self, message: Announcement) -> None:
        wanted = message.profile.items()
        rows = [row for row, user in enumerate(self._users) if wanted <= user.profile.items()]
        if not rows:
            known = sorted({f"{k}={v}" for user in self._users for k, v in user.profile.items()})
            asked = ", ".join(f"{key}={value}" for key, value in wanted)
            raise ConfigError(
                f"the event message: no user has the profile {asked}",
                hint=did_you_mean(asked, known),
            )
        for row in rows:
            self._messages[row].append(message.text)

    def _rows(self, event: str, chosen: ChosenItems) -> NDArray[np.bool_]:
        """Return which items are chosen, shape (items,)."""
        if not chosen.items:
            name, value = str(chosen.attribute), str(chosen.value)
            found = np.array([value in item.attributes.get(name, ()) for item in self._items])
            if not found.any():
                known = {each for item in self._items for each in item.attributes.get(name, ())}
                names = {each for item in self._items for each in item.attributes}
                raise ConfigError(
                    f"the event {event}: no item has {name}={value}",
                    hint=did_you_mean(value, sorted(known))
                    if known
                    else f"{did_you_mean(name, sorted(names))}",
                )
            return found
        ids = {item.id: row for row, item in enumerate(self._items)}
        found = np.zeros(len(self._items), np.bool_)
        for item in chosen.items:
            if item not in ids:
                raise ConfigError(
                    f'the event {event}: there is no item "{item}"', hint=did_you_mean(item, ids)
                )
            found[ids[item]] = True
        return found
