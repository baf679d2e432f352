"""Return the part of a dataset with some of its users and items."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from starec_sim.dataset import ChoiceTruth, Dataset, GroundTruth, Interactions
from starec_sim.types import FloatArray, IntArray


def part(
    dataset: Dataset,
    users: NDArray[np.bool_] | None = None,
    items: NDArray[np.bool_] | None = None,
) -> Dataset:
    """Return a dataset with some of the users and items, whose rows are renumbered.

    Args:
        dataset: The whole dataset.
        users: Mask of the users who stay, shape (users,); None for all.
        items: Mask of the items that stay, shape (items,); None for all.
    """
    kept_users, kept_items = _kept(users, len(dataset.users)), _kept(items, len(dataset.items))
    user_row, item_row = _rows(kept_users, dataset.users), _rows(kept_items, dataset.items)
    log = dataset.log
    log = log.where((user_row[log.users] >= 0) & (item_row[log.items] >= 0))
    return replace(
        dataset,
        users=tuple(dataset.users[row] for row in kept_users.tolist()),
        items=tuple(dataset.items[row] for row in kept_items.tolist()),
        log=Interactions(user_row[log.users], item_row[log.items], log.ratings, log.times),
        world=_truth_of_part(dataset.world, kept_users, kept_items),
        candidates={
            int(user_row[user]): tuple(
                int(item_row[item]) for item in candidates if item_row[item] >= 0
            )
            for user, candidates in dataset.candidates.items()
            if user_row[user] >= 0
        },
    )


@dataclass(frozen=True)
class _TruthOfPart:
    """The true ratings of some users and items of a world."""

    whole: GroundTruth
    users: IntArray
    items: IntArray

    @property
    def source(self) -> str:
        return self.whole.source

    def ratings(self, user: int, items: IntArray, round: int) -> FloatArray:
        return self.whole.ratings(int(self.users[user]), self.items[items], round)


@dataclass(frozen=True)
class _ChoicesOfPart(_TruthOfPart):
    """The same for a world that also knows the choice probabilities of its users."""

    whole: ChoiceTruth

    def appeal(self, user: int, items: IntArray, round: int) -> FloatArray:
        return self.whole.appeal(int(self.users[user]), self.items[items], round)


def _truth_of_part(
    world: GroundTruth | None, users: IntArray, items: IntArray
) -> GroundTruth | None:
    if isinstance(world, ChoiceTruth):
        return _ChoicesOfPart(world, users, items)
    return None if world is None else _TruthOfPart(world, users, items)


def _kept(mask: NDArray[np.bool_] | None, count: int) -> IntArray:
    return np.arange(count) if mask is None else np.flatnonzero(mask)


def _rows(kept: IntArray, whole: tuple[Any, ...]) -> IntArray:
    """Return the new row of each old row; -1 for dropped ones."""
    rows = np.full(len(whole), -1)
    rows[kept] = np.arange(len(kept))
    return rows
