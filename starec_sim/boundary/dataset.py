"""A reader whose dataset is checked."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from starec_sim.boundary.call import PluginBoundary, complete
from starec_sim.boundary.catalogue import checked_items, checked_users
from starec_sim.boundary.values import (
    BrokenContract,
    instance,
    mapping,
    rows,
    shown,
    text,
    whole_number,
    with_parts,
)
from starec_sim.boundary.watch import watched_calls
from starec_sim.dataset import Dataset, Interactions
from starec_sim.types import STAR_RANGE

OWN = "np.random.default_rng(seed), with a seed from the settings"


class CheckedReader:
    """Calls the reader of a dataset and checks what it returns.

    Args:
        plugin: The reader.

    Raises:
        ContractError: It lacks the method `load`.
    """

    def __init__(self, plugin: Any) -> None:
        self.plugin = plugin
        """The reader itself."""
        self._boundary = PluginBoundary("dataset", plugin, OWN)
        self._boundary.check("", partial(complete, plugin, ("load",)))

    def load(self) -> Dataset:
        """Return the dataset."""
        with watched_calls():
            return self._boundary.call("load", (), checked_dataset, random=True)


def checked_dataset(value: Any) -> Dataset:
    """Return a dataset whose log fits its users and items.

    Args:
        value: What `load` returned.
    """
    dataset = instance(value, Dataset)
    users, items = checked_users(dataset.users), checked_items(dataset.items)
    check_log(dataset.log, users, items)
    if not isinstance(dataset.candidates, Mapping):
        raise BrokenContract(
            f"the candidates are {shown(dataset.candidates)}; they must be a dict of items by user"
        )
    return with_parts(
        dataset,
        name=text(dataset.name, "the name"),
        users=tuple(dataset.users),
        items=tuple(dataset.items),
        candidates={
            _user(user, users): rows(given, items, f"the candidates of user {shown(user)}", "item")
            for user, given in dataset.candidates.items()
        },
        notes=mapping(dataset.notes, "the notes", whole_number),
        files=mapping(dataset.files, "the files", text),
    )


def _user(user: Any, users: int) -> int:
    (plain,) = rows((user,), users, "the candidates", "user")
    return plain


def check_log(log: Any, users: int, items: int) -> None:
    """Refuse a log whose rows, ratings or order are wrong.

    Args:
        log: The log of a dataset.
        users: How many users there are.
        items: How many items there are.
    """
    if not isinstance(log, Interactions):
        raise BrokenContract(f"the log is {shown(log)}; it must be Interactions")
    for name, column in zip(log._fields, log, strict=True):
        if not isinstance(column, np.ndarray) or column.ndim != 1:
            raise BrokenContract(f"log.{name} is {shown(column)}; it must be an array")
        if len(column) != len(log.users):
            raise BrokenContract(
                f"log.{name} has {len(column)} entries and log.users {len(log.users)}"
            )
        kinds = "iuf" if name in ("ratings", "times") else "iu"
        if len(column) and column.dtype.kind not in kinds:
            raise BrokenContract(f"log.{name} is {shown(column)}; it must hold numbers")
    if not len(log.users):
        return
    for name, column, count in (("users", log.users, users), ("items", log.items, items)):
        outside = (column < 0) | (column >= count)
        if outside.any():
            row = int(np.flatnonzero(outside)[0])
            raise BrokenContract(
                f"log.{name}[{row}] is {column[row]}; there are {count} {name}, rows 0 to "
                f"{count - 1}"
            )
    wrong = ~np.isnan(log.ratings) & ~(
        (log.ratings >= STAR_RANGE[0]) & (log.ratings <= STAR_RANGE[1])
    )
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise BrokenContract(
            f"log.ratings[{row}] is {log.ratings[row]:g} ({int(wrong.sum())} of {len(wrong)} are "
            "no stars from 0 to 5)",
            "map the scale of the data to stars; NaN where an item was consumed without a rating",
        )
    if not np.all(np.diff(log.times) >= 0):
        row = int(np.flatnonzero(~(np.diff(log.times) >= 0))[0]) + 1
        raise BrokenContract(
            f"the log is not sorted by time: log.times[{row}] is {log.times[row]}, after "
            f"{log.times[row - 1]}",
            'sort it: order = np.argsort(times, kind="stable"), then log.where(order)',
        )
