"""Checks of users and items: what an environment and a dataset have in common."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from starec_sim.boundary.values import (
    BrokenContract,
    as_array,
    finite_number,
    is_plain_text,
    mapping,
    sequence,
    shown,
    text,
)
from starec_sim.types import Item, User

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ATTRIBUTES = 'attributes are texts by name, e.g. {"genre": ("Crime",)}'


class Size(NamedTuple):
    """How many users and items there are."""

    users: int
    items: int


def checked_users(users: Any) -> int:
    """Return how many users there are; each must be a `User` with an id and a profile of texts."""
    for row, user in enumerate(sequence(users, "users")):
        if not isinstance(user, User):
            raise BrokenContract(f"users[{row}] is {shown(user)}; each must be a User")
        text(user.id, f"users[{row}].id")
        if user.profile or type(user.profile) is not dict:
            mapping(user.profile, f"users[{row}].profile", text)
    if not len(users):
        raise BrokenContract("there are no users", "at least one user must be able to visit")
    _check_ids("users", [user.id for user in users])
    return len(users)


def checked_items(items: Any) -> int:
    """Return how many items there are; each must be an `Item` whose attributes are texts."""
    for row, item in enumerate(sequence(items, "items")):
        if not isinstance(item, Item):
            raise BrokenContract(f"items[{row}] is {shown(item)}; each must be an Item")
        text(item.id, f"items[{row}].id")
        text(item.title, f"items[{row}].title")
        if not isinstance(item.attributes, Mapping):
            raise BrokenContract(
                f"items[{row}].attributes is {shown(item.attributes)}; it must be a dict",
                _ATTRIBUTES,
            )
        for name, values in item.attributes.items():
            if isinstance(values, str):
                raise BrokenContract(
                    f"items[{row}].attributes[{name!r}] is the text {shown(values)}, whose letters "
                    "would be taken for values",
                    f"write ({values!r},), a tuple of one text",
                )
            if not isinstance(name, str) or not isinstance(values, Sequence):
                raise BrokenContract(
                    f"items[{row}].attributes[{shown(name)}] is {shown(values)}; it must be a "
                    "tuple of texts",
                    _ATTRIBUTES,
                )
            if not all(map(is_plain_text, values)):
                for value in (name, *values):
                    text(value, f"a value in items[{row}].attributes[{shown(name)}]")
        if item.numbers or type(item.numbers) is not dict:
            mapping(item.numbers, f"items[{row}].numbers", finite_number)
        for name in item.numbers:
            if name in item.attributes:
                raise BrokenContract(
                    f"items[{row}] has the attribute and the number {shown(name)}",
                    "give one of them another name",
                )
    if not len(items):
        raise BrokenContract("there are no items", "a catalogue has at least one item")
    _check_ids("items", [item.id for item in items])
    return len(items)


def _check_ids(what: str, ids: Sequence[str]) -> None:
    """Refuse ids that name two rows, and ids with line breaks or other control characters."""
    rows: dict[str, int] = {}
    for row, name in enumerate(ids):
        first = rows.setdefault(name, row)
        if first != row:
            raise BrokenContract(
                f"{what}[{first}] and {what}[{row}] have the same id {shown(name)}",
                "an id names one row: `show` and exported files find users and items by it",
            )
        if _CONTROL.search(name):
            raise BrokenContract(
                f"{what}[{row}] has the id {shown(name)}, which holds a control character",
                "an id may hold anything but line breaks and control characters",
            )


def checked_catalogue(environment: Any) -> Size:
    """Return the size of an environment, whose cards and popularity must fit its items."""
    size = Size(checked_users(environment.users), checked_items(environment.items))
    cards = sequence(environment.cards, "cards")
    if len(cards) != size.items:
        raise BrokenContract(f"there are {len(cards)} cards for {size.items} items")
    for row, card in enumerate(cards):
        text(card, f"cards[{row}]")
    popularity = as_array(environment.popularity, "popularity")
    if popularity.shape != (size.items,):
        raise BrokenContract(
            f"popularity has the shape {popularity.shape}; it must have one number for each of "
            f"the {size.items} items"
        )
    if popularity.dtype.kind not in "biuf" or not np.all(np.isfinite(popularity)):
        raise BrokenContract(
            "popularity holds what is no finite number; it counts how often each item was consumed"
        )
    if (popularity < 0).any():
        raise BrokenContract(f"popularity holds {popularity.min()}; no count is negative")
    return size


def grown_size(environment: Any, before: Size, ids: list[str]) -> Size:
    """Return the size of an environment with a growing catalogue, whose rows all stay.

    Args:
        environment: One with the ability `GrowingCatalogue`.
        before: Its size when it was last checked.
        ids: The ids of its items then; new ones are appended.
    """
    items = environment.items
    for row, known in enumerate(ids):
        if row >= len(items) or items[row].id != known:
            now = f"is {shown(items[row].id)} now" if row < len(items) else "is gone"
            raise BrokenContract(
                f"items[{row}] was {shown(known)} and {now}; a row never changes its item",
                "append to items, and keep the row of an item that is gone",
            )
    lengths = (len(items), len(environment.cards), len(environment.popularity))
    if lengths == (before.items,) * 3 and len(environment.users) == before.users:
        return before
    size = checked_catalogue(environment)
    if size.users != before.users:
        raise BrokenContract(
            f"there were {before.users} users, and now there are {size.users}",
            "hold all users from the start; one who joins later visits later",
        )
    ids.extend(item.id for item in items[len(ids) :])
    return size


def checked_live(value: Any, items: int) -> NDArray[np.bool_]:
    """Return which items can be shown."""
    live = as_array(value, "what was returned")
    if live.shape != (items,) or live.dtype != np.bool_:
        raise BrokenContract(
            f"returned {shown(value)}; it must return a truth value for each of {items} items"
        )
    return live


def same_size(environment: Any, size: Size) -> None:
    """Refuse an environment whose users, items, cards or popularity changed in number."""
    for name, count in (
        ("users", size.users),
        ("items", size.items),
        ("cards", size.items),
        ("popularity", size.items),
    ):
        now = len(getattr(environment, name))
        if now != count:
            raise BrokenContract(
                f"{name} had {count} entries when the environment was built and has {now} now",
                "users and items are fixed: hold all of them from the start, and show an item "
                "only from the round on in which it appears; or write a method `live` "
                "(starec_sim.environment.GrowingCatalogue), and items may be appended",
            )
