"""A dataset: users, a catalogue, a log, and true ratings if they are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from starec_sim.errors import DataError
from starec_sim.types import FloatArray, IntArray, Item, User


class Interactions(NamedTuple):
    """A log of what users did, as parallel arrays of one length."""

    users: IntArray
    items: IntArray
    ratings: FloatArray
    """Stars 1.0 to 5.0, or from 0 on where the data has such; NaN for an item that was consumed
    without a rating."""
    times: IntArray
    """Seconds since the epoch, or any other number that orders the log."""

    def where(self, mask: np.ndarray[Any, Any]) -> Interactions:
        """Return the rows that a boolean mask or an index array selects."""
        return Interactions(
            self.users[mask], self.items[mask], self.ratings[mask], self.times[mask]
        )

    @classmethod
    def empty(cls) -> Interactions:
        """Return a log without rows."""
        none = np.zeros(0, np.int64)
        return cls(none, none, np.zeros(0), none)

    @classmethod
    def concatenate(cls, *logs: Interactions) -> Interactions:
        """Return the rows of all logs, one after the other."""
        return cls(
            np.concatenate([log.users for log in logs]),
            np.concatenate([log.items for log in logs]),
            np.concatenate([log.ratings for log in logs]),
            np.concatenate([log.times for log in logs]),
        )


class GroundTruth(Protocol):
    """The true ratings of a generated dataset: of any item by any user in any round."""

    @property
    def source(self) -> str:
        """The value of `Experience.source` for these ratings."""
        ...

    def ratings(self, user: int, items: IntArray, round: int) -> FloatArray:
        """Return the stars (0 to 5) that the user would truly give to each of the items.

        A pure function: the same arguments give the same numbers, in any order of calls.
        """
        ...


@runtime_checkable
class ChoiceTruth(GroundTruth, Protocol):
    """A world that also knows the choice probabilities of its users. An optional ability."""

    def appeal(self, user: int, items: IntArray, round: int) -> FloatArray:
        """Return the log-odds, up to a constant, with which the user chooses each item next.

        A pure function, as `ratings` is. A choice by these odds is the item with the largest
        `appeal + g`, where g is drawn from the standard Gumbel distribution for each item.
        """
        ...


@dataclass(frozen=True)
class Dataset:
    """Users, catalogue and log. The log holds rows: indices into `users` and `items`."""

    name: str
    users: tuple[User, ...]
    items: tuple[Item, ...]
    log: Interactions
    """Sorted by (time, original order)."""
    world: GroundTruth | None = None
    """The true ratings; None for real data."""
    candidates: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """Candidate items by user, if the data ships candidate lists (AgentCF)."""
    notes: Mapping[str, int] = field(default_factory=dict)
    """How often the reader left out or filled in something, by reason."""
    files: Mapping[str, str] = field(default_factory=dict)
    """What was read of each file of the data, or that it was not read."""


def required(dataset: Dataset | None) -> Dataset:
    """Return the dataset, for an environment that needs one.

    Raises:
        DataError: The dataset is None.
    """
    if dataset is None:
        raise DataError(
            "this environment needs data",
            hint="name a dataset under `data`, or pass --data synthetic",
        )
    return dataset
