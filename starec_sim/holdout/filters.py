"""Cuts of a dataset that a protocol makes before the evaluation, with counts after each.

Papers that "filter users and items with fewer than 10 interactions" do it in different ways: some
count once, some until nothing changes, some only count likes. So each cut is a function from
dataset to dataset, and a `Funnel` keeps the counts after each.

Dropped items are not in the dataset any more, so no negative is drawn from them. The rows of the
other users and items are renumbered; their ids do not change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from starec_sim.dataset import Dataset
from starec_sim.errors import DataError
from starec_sim.holdout.subset import part
from starec_sim.rng import Streams
from starec_sim.settings import Settings
from starec_sim.types import LIKED_ABOVE, FloatArray, IntArray


class Cuts(Settings):
    """The cuts of a protocol, in the order in which they are made. The defaults cut nothing."""

    liked_only: bool = False
    """Drop interactions that are not likes, before the other cuts."""
    min_of_user: int = Field(default=0, ge=0)
    """Users with fewer interactions are dropped."""
    min_of_item: int = Field(default=0, ge=0)
    """Items with fewer interactions are dropped, with these interactions."""
    iterated: bool = False
    """Whether both cuts are repeated until nothing is dropped (a k-core). Else interactions are
    counted once, before both cuts, and a user or item that stays may have fewer afterwards."""
    min_likes: int = Field(default=0, ge=0)
    """Users with fewer likes are dropped."""
    users: int | None = Field(default=None, ge=1)
    """Size of a random sample of users; all users when empty."""
    last: int | None = Field(default=None, ge=1)
    """Number of last interactions of each user that are kept; all when empty."""
    met_only: bool = False
    """Whether items without an interaction are dropped from the catalogue."""


@dataclass(frozen=True, slots=True)
class Count:
    """The counts of a dataset after a cut."""

    cut: str
    """The cut in words."""
    users: int
    """Users with an interaction."""
    items: int
    """Items with an interaction."""
    catalogue: int
    """All items, with or without an interaction."""
    interactions: int

    @property
    def sparsity(self) -> float:
        """Share of the (user, item) pairs without an interaction; NaN without pairs."""
        cells = self.users * self.items
        return 1.0 - self.interactions / cells if cells else float("nan")


@dataclass(frozen=True, slots=True)
class Funnel:
    """A dataset after some cuts, and its counts after each of them."""

    dataset: Dataset
    counts: tuple[Count, ...]
    """The first is the dataset as it was read."""

    def then(self, cut: str, dataset: Dataset) -> Funnel:
        """Return the funnel with one more cut.

        Args:
            cut: The cut in words.
            dataset: The dataset after it.

        Raises:
            DataError: No interaction is left; the message has the counts before the cut.
        """
        count = counted(cut, dataset)
        if not count.interactions:
            before = self.counts[-1]
            raise DataError(
                f"{dataset.name}: no interaction is left after the cut to {cut}; before it were "
                f"{before.interactions:,} of {before.users:,} users and {before.items:,} items",
                hint="lower the bound in the protocol, or take another dataset",
            )
        return Funnel(dataset, (*self.counts, count))


def cut(dataset: Dataset, cuts: Cuts, seed: int = 0) -> Funnel:
    """Make all cuts, in the order of the fields of `Cuts`.

    Args:
        dataset: The dataset as it was read.
        cuts: The cuts of the protocol.
        seed: Decides which users are sampled.

    Raises:
        DataError: Nothing is left after a cut, or there are too few users for the sample.
    """
    funnel = Funnel(dataset, (counted("as read", dataset),))
    if cuts.liked_only:
        funnel = funnel.then(f"ratings above {LIKED_ABOVE:g}", liked(dataset))
    if cuts.min_of_user or cuts.min_of_item:
        bounds = [
            f"{bound} of each {whose}"
            for whose, bound in (("user", cuts.min_of_user), ("item", cuts.min_of_item))
            if bound
        ]
        kept, passes = at_least(
            funnel.dataset, cuts.min_of_user, cuts.min_of_item, iterated=cuts.iterated
        )
        how = f"{passes} passes" if cuts.iterated else "counted once"
        funnel = funnel.then(f"at least {', '.join(bounds)} ({how})", kept)
    if cuts.min_likes:
        kept = with_likes(funnel.dataset, cuts.min_likes)
        funnel = funnel.then(f"users with at least {cuts.min_likes} likes", kept)
    if cuts.users is not None:
        kept = sample(funnel.dataset, cuts.users, seed)
        funnel = funnel.then(f"{cuts.users:,} users, sampled", kept)
    if cuts.last is not None:
        funnel = funnel.then(f"the last {cuts.last} of each user", last(funnel.dataset, cuts.last))
    if cuts.met_only:
        funnel = funnel.then("items that somebody met", met(funnel.dataset))
    return funnel


def counted(cut: str, dataset: Dataset) -> Count:
    """Return the counts of a dataset after a cut."""
    log = dataset.log
    users, items = len(np.unique(log.users)), len(np.unique(log.items))
    return Count(cut, users, items, len(dataset.items), len(log.users))


def is_liked(ratings: FloatArray) -> NDArray[np.bool_]:
    """Return a mask of the ratings that are likes; NaN (consumed without a rating) is a like."""
    return np.asarray(np.isnan(ratings) | (ratings > LIKED_ABOVE))


def liked(dataset: Dataset) -> Dataset:
    """Drop the interactions that are not likes; users and catalogue stay."""
    return replace(dataset, log=dataset.log.where(is_liked(dataset.log.ratings)))


def at_least(
    dataset: Dataset, of_user: int, of_item: int, *, iterated: bool = False
) -> tuple[Dataset, int]:
    """Drop users and items with too few interactions.

    Args:
        dataset: The dataset.
        of_user: The least number of interactions of a user.
        of_item: The least number of interactions of an item.
        iterated: Whether to repeat until all remaining users and items have enough (the k-core of
            Seidman, 1983, if both bounds are k).

    Returns:
        The smaller dataset, and the number of passes.
    """
    log, passes = dataset.log, 0
    users, items = np.ones(len(dataset.users), bool), np.ones(len(dataset.items), bool)
    while True:
        passes += 1
        users &= np.bincount(log.users, minlength=len(users)) >= of_user
        items &= np.bincount(log.items, minlength=len(items)) >= of_item
        kept = users[log.users] & items[log.items]
        log = log.where(kept)
        if not iterated or kept.all():
            return part(replace(dataset, log=log), users, items), passes


def with_likes(dataset: Dataset, likes: int) -> Dataset:
    """Drop users with fewer than `likes` likes."""
    mine = dataset.log.users[is_liked(dataset.log.ratings)]
    return part(dataset, np.bincount(mine, minlength=len(dataset.users)) >= likes)


def sample(dataset: Dataset, users: int, seed: int) -> Dataset:
    """Keep a random sample of users, in their order. A larger sample contains the smaller ones.

    Raises:
        DataError: There are fewer users.
    """
    (rows,) = split(dataset, {"sample": users}, seed).values()
    return part(dataset, np.isin(np.arange(len(dataset.users)), rows))


def split(dataset: Dataset, sizes: Mapping[str, int], seed: int) -> Mapping[str, IntArray]:
    """Draw groups of users at random, without common users, e.g. for training and test.

    Args:
        dataset: The dataset; only users with an interaction are drawn.
        sizes: Number of users by name of the group.
        seed: The same seed gives the same groups. The first group does not change with the others.

    Returns:
        Rows of the users of each group, ascending.

    Raises:
        DataError: There are fewer users than the groups need.
    """
    present, wanted = np.unique(dataset.log.users), sum(sizes.values())
    if wanted > len(present):
        groups = " + ".join(f"{size:,} ({name})" for name, size in sizes.items())
        raise DataError(
            f"{dataset.name} has {len(present):,} users with an interaction here; "
            f"{groups} were to be drawn",
            hint="ask for fewer, or lower the other bounds of the protocol",
        )
    drawn = Streams(seed).stream("users").permutation(present)
    ends = np.cumsum(list(sizes.values()))
    groups_of = np.split(drawn[:wanted], ends[:-1])
    return {name: np.sort(rows) for name, rows in zip(sizes, groups_of, strict=True)}


def last(dataset: Dataset, n: int) -> Dataset:
    """Keep the last `n` interactions of each user; users and catalogue stay."""
    users = dataset.log.users
    order = np.argsort(
        users, kind="stable"
    )  # the log is sorted by time, and stays so within a user
    ends = np.searchsorted(users[order], np.arange(len(dataset.users)), side="right")
    from_end = ends[users[order]] - np.arange(len(users))
    kept = np.zeros(len(users), bool)
    kept[order] = from_end <= n
    return replace(dataset, log=dataset.log.where(kept))


def met(dataset: Dataset) -> Dataset:
    """Drop items without an interaction, except those in shipped candidate lists."""
    counts = np.bincount(dataset.log.items, minlength=len(dataset.items))
    for candidates in dataset.candidates.values():
        counts[list(candidates)] += 1
    return part(dataset, items=counts > 0)
