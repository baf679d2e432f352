"""What a schedule can make happen in a feed: new items, ads, boosts, other tastes, messages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, model_validator

from starec_environments.feed_slates import FeedSlates
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


class Inject(Settings):
    """A new item enters the catalogue; the recommender has never seen it."""

    id: str = Field(min_length=1)
    title: str = Field(min_length=1)
    like: str
    """The id of an item: users rate the new one as they would rate this one."""
    attributes: dict[str, tuple[str, ...]] | None = None
    """Those of the item `like` when empty."""


class Boost(ChosenItems):
    """Items stand before all others, in the recommender's order."""

    places: int | None = Field(default=None, ge=1)
    """At most so many of them in a visit; the others stay where they are. All when empty."""


class Ads(ChosenItems):
    """One of these items stands on each page of a visit and is marked, while there are any left."""

    place: int = Field(default=1, ge=1)
    """Its place on the page, from 1."""
    label: str = Field(default="sponsored", pattern=r"^[^|\s][^|\n\r]{0,39}$")
    """What its card says after `ad:`."""


class Remove(ChosenItems):
    """Items are shown no more."""


class ForUsers(Settings):
    """Users, by their profile."""

    profile: dict[str, str] = Field(default={})
    """Only users with all of these values in their profile; everybody when empty."""


class Shift(ChosenItems, ForUsers):
    """Users like items more, or less, than before."""

    stars: int = Field(ge=-4, le=4)
    """Added to the stars that they would give, within 1 and 5."""


class Announcement(ForUsers):
    """Users read a text before each page."""

    text: str = Field(min_length=1, max_length=2000)


EVENTS: Mapping[str, type[BaseModel]] = {
    **{"inject": Inject, "remove": Remove, "boost": Boost, "ads": Ads},
    **{"shift": Shift, "message": Announcement},
}


class _Boosted(NamedTuple):
    chosen: NDArray[np.bool_]
    places: int | None


class _Advertised(NamedTuple):
    chosen: NDArray[np.bool_]
    place: int
    label: str


class _Shifted(NamedTuple):
    chosen: NDArray[np.bool_]
    users: frozenset[int]
    stars: int


class FeedEvents:
    """The events that happened in a feed, and what they do. They hold until they are ended.

    Args:
        items: The catalogue of the data.
        users: All users.
    """

    def __init__(self, items: Sequence[Item], users: Sequence[User]) -> None:
        self._of_data, self._users = tuple(items), users
        self.slates = FeedSlates()
        self._let_happen([])

    @property
    def changes_slates(self) -> bool:
        """Whether items are boosted, advertised or removed."""
        return bool(self._boosted or self._advertised) or bool(self._removed.any())

    def apply(self, event: str, settings: BaseModel) -> None:
        """Let an event happen.

        Raises:
            ConfigError: It names items or users that are not there.
        """
        self._let_happen([*self._happened, (event, settings.model_dump(mode="json"))])

    def end(self, event: str, settings: BaseModel) -> None:
        """End the first event that happened with these settings; all others hold.

        The row of an item that was injected stays, and it is shown no more.
        """
        happened = list(self._happened)
        if isinstance(settings, Inject):
            removed = Remove(items=(settings.id,))
            self._let_happen([*happened, ("remove", removed.model_dump(mode="json"))])
            return
        happened.remove((event, settings.model_dump(mode="json")))
        self._let_happen(happened)

    def _let_happen(self, happened: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Let these events happen, and no others."""
        self._happened = list(happened)
        events = [(event, EVENTS[event].model_validate(values)) for event, values in happened]
        self.items = self._of_data
        """The catalogue: the items of the data, then those that were injected."""
        self._rated_as = np.arange(len(self._of_data))
        for _, settings in events:
            if isinstance(settings, Inject):
                self._add(settings)
        self._removed = np.zeros(len(self.items), np.bool_)
        self._boosted: list[_Boosted] = []
        self._advertised: list[_Advertised] = []
        self._shifted: list[_Shifted] = []
        self._messages: list[list[str]] = [[] for _ in self._users]
        for event, settings in events:
            if isinstance(settings, Announcement):
                for row in self._who(event, settings):
                    self._messages[row].append(settings.text)
            elif isinstance(settings, Boost):
                self._boosted.append(_Boosted(self._rows(event, settings), settings.places))
            elif isinstance(settings, Ads):
                chosen = self._rows(event, settings)
                self._advertised.append(_Advertised(chosen, settings.place, settings.label))
            elif isinstance(settings, Remove):
                self._removed |= self._rows(event, settings)
            elif isinstance(settings, Shift):
                users = frozenset(self._who(event, settings))
                self._shifted.append(_Shifted(self._rows(event, settings), users, settings.stars))

    def _add(self, new: Inject) -> None:
        rows = {item.id: row for row, item in enumerate(self.items)}
        if new.id in rows:
            raise ConfigError(
                f'the event inject: there is an item "{new.id}" already', hint="name another id"
            )
        like = self._row(rows, "inject", new.like)
        attributes = self.items[like].attributes if new.attributes is None else new.attributes
        numbers = self.items[like].numbers if new.attributes is None else {}
        self.items = (*self.items, Item(new.id, new.title, attributes, numbers))
        self._rated_as = np.append(self._rated_as, self._rated_as[like])

    def arranged(
        self, items: IntArray, scores: FloatArray, page_size: int, wanted: int
    ) -> tuple[IntArray, FloatArray, dict[int, str]]:
        """Return what a visit may show, its scores, and what marks the items that are ads.

        Args:
            items: All that the recommender ranked, best first.
            scores: Those of the recommender.
            page_size: Items on a page.
            wanted: Items that a visit may show.
        """
        kept = ~self._removed[items]
        items, scores, marks = items[kept], scores[kept], dict[int, str]()
        for chosen, places in self._boosted:
            first = chosen[items]
            if places is not None:
                first &= np.cumsum(first) <= places
            order = np.argsort(~first, kind="stable")
            items, scores = items[order], scores[order]
        ads: dict[int, int] = {}  # by row of `items`, the place; after the boosts, which move items
        for chosen, place, label in self._advertised:
            free = [row for row in np.flatnonzero(chosen[items]).tolist() if row not in ads]
            for page, row in enumerate(free[: -(-wanted // page_size)]):
                ads[row] = page * page_size + min(place, page_size) - 1
                marks[int(items[row])] = label
        rows = np.delete(np.arange(len(items)), [*ads]).tolist()
        for row, place in sorted(ads.items(), key=lambda ad: ad[1]):
            rows.insert(place, row)
        shown = np.array(rows[:wanted], np.int64)
        return items[shown], scores[shown], marks

    def set_slates(self, slates: Mapping[int, Sequence[int]], page_size: int) -> None:
        """Set the first page of users in the next round.

        Raises:
            ConfigError: It has another size, or holds an item that is shown no more.
        """
        for user, items in slates.items():
            who = self._users[user].id
            if len(items) != page_size:
                raise ConfigError(
                    f"slate: a page has {page_size} items, and {len(items)} are named for {who}",
                    hint=f"name {page_size} items",
                )
            if gone := [self.items[item].id for item in items if self._removed[item]]:
                raise ConfigError(
                    f'slate: {who} is to see the item "{gone[0]}", which is shown no more: '
                    "an event removed it",
                    hint="name another item, or remove the event",
                )
        self.slates.set(slates)

    def rated_as(self, items: IntArray) -> IntArray:
        """Return the items of the data as which users rate items."""
        return self._rated_as[items]

    def shifted(
        self, user: int, items: IntArray, stars: FloatArray, logged: NDArray[np.bool_]
    ) -> tuple[FloatArray, NDArray[np.bool_]]:
        """Return the stars that a user would give, and whether they are those of the log.

        Args:
            user: The user.
            items: The items.
            stars: The stars that she would give without the events.
            logged: Whether those are from the log.
        """
        logged = logged & (items < len(self._of_data))
        for chosen, users, more in self._shifted:
            if user in users:
                stars = np.where(chosen[items], np.clip(stars + more, 1.0, 5.0), stars)
                logged = logged & ~chosen[items]
        return stars, logged

    def message(self, user: int) -> str:
        """Return what a user reads before a page; empty if nothing."""
        return "\n".join(self._messages[user])

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return the events that happened and the pages that are set; nothing without any."""
        if not self._happened:
            return self.slates.state()
        events = np.array(json.dumps(self._happened, ensure_ascii=False))
        return {"events": events, **self.slates.state()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Let the events of a state happen, and no others, and set its pages."""
        self.slates.restore(state)
        happened = json.loads(str(state.get("events", "[]")))
        self._let_happen([(event, values) for event, values in happened])

    def _who(self, event: str, chosen: ForUsers) -> list[int]:
        """Return the rows of the users that are chosen."""
        wanted = chosen.profile.items()
        rows = [row for row, user in enumerate(self._users) if wanted <= user.profile.items()]
        if not rows:
            known = sorted({f"{k}={v}" for user in self._users for k, v in user.profile.items()})
            asked = ", ".join(f"{key}={value}" for key, value in wanted)
            raise ConfigError(
                f"the event {event}: no user has the profile {asked}",
                hint=did_you_mean(asked, known),
            )
        return rows

    def _rows(self, event: str, chosen: ChosenItems) -> NDArray[np.bool_]:
        """Return which items are chosen, shape (items,)."""
        if not chosen.items:
            name, value = str(chosen.attribute), str(chosen.value)
            found = np.array([value in item.attributes.get(name, ()) for item in self.items])
            if not found.any():
                known = {each for item in self.items for each in item.attributes.get(name, ())}
                names = {each for item in self.items for each in item.attributes}
                raise ConfigError(
                    f"the event {event}: no item has {name}={value}",
                    hint=did_you_mean(value, sorted(known))
                    if known
                    else f"{did_you_mean(name, sorted(names))}",
                )
            return found
        rows = {item.id: row for row, item in enumerate(self.items)}
        found = np.zeros(len(self.items), np.bool_)
        found[[self._row(rows, event, item) for item in chosen.items]] = True
        return found

    def _row(self, rows: Mapping[str, int], event: str, item: str) -> int:
        if item not in rows:
            raise ConfigError(
                f'the event {event}: there is no item "{item}"', hint=did_you_mean(item, rows)
            )
        return rows[item]
