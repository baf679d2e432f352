"""What items are worth to users, learned from how items with the same attributes turned out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from starec_sim.policies.term_weights import PRIOR_MET, PRIOR_STARS
from starec_sim.types import Experience, FloatArray, IntArray, Item

_LIKED, _DISLIKED = 4.0, 2.0
"""The stars of an experience that says only whether she liked it."""
_MOST_VALUES = 500
"""Attributes with more different values (titles, a cast) say little: few items share one."""


class Attributes:
    """The attribute values of a catalogue, numbered.

    Args:
        items: The catalogue.
    """

    def __init__(self, items: Sequence[Item]) -> None:
        different: defaultdict[str, set[str]] = defaultdict(set)
        for item in items:
            for name, values in item.attributes.items():
                different[name].update(values)
        used = sorted(name for name, values in different.items() if len(values) <= _MOST_VALUES)
        pairs = ((name, value) for name in used for value in sorted(different[name]))
        numbers = {pair: number for number, pair in enumerate(pairs)}
        self.items = len(items)
        """How many items there are."""
        self.count = len(numbers)
        """How many values there are."""
        of_items = [
            [numbers[name, value] for name in used for value in item.attributes.get(name, ())]
            for item in items
        ]
        self._counts = np.array([len(values) for values in of_items], np.int64)
        self._starts = np.concatenate([[0], np.cumsum(self._counts)])
        self._values = np.array([number for values in of_items for number in values], np.int64)

    def of(self, items: IntArray) -> tuple[IntArray, IntArray]:
        """Return the values of items, one after the other, and for each the place of its item."""
        counts = self._counts[items]
        places = np.repeat(np.arange(len(items)), counts)
        first = np.repeat(np.cumsum(counts) - counts, counts)
        at = np.repeat(self._starts[items], counts) + np.arange(len(places)) - first
        return self._values[at], places

    def sums(self, users: int, of: IntArray, items: IntArray, weights: FloatArray) -> FloatArray:
        """Return for each user and value the sum of the weights of the items that have it.

        Args:
            users: How many users there are.
            of: The user of each item.
            items: Items of all users.
            weights: One for each item.
        """
        values, places = self.of(items)
        cells = of[places] * self.count + values
        # They are added in this order, so the sums of a user do not depend on the others.
        return _sums(cells, weights[places], users * self.count).reshape(users, self.count)

    def totals(self, table: FloatArray, slates: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return the sum of a user's row over the values of each item, and how many it has.

        Args:
            table: Shape (users, values).
            slates: Items, shape (users, places); -1 where a slate is shorter.
        """
        shown = slates.ravel()
        there = np.flatnonzero(shown >= 0)
        values, places = self.of(shown[there])
        cells = there[places]
        rows = cells // slates.shape[1]
        summed = _sums(cells, table[rows, values], len(shown)).reshape(slates.shape)
        counts = _sums(cells, np.ones(len(cells)), len(shown)).reshape(slates.shape)
        return summed, counts


def learned_worth(
    attributes: Attributes,
    histories: Sequence[Sequence[Experience]],
    slates: IntArray,
    damping: float,
) -> FloatArray:
    """Return the stars that each user expects of each item of her slate, from her history.

    An attribute value is worth the mean of the stars above what is usual for her of the items that
    had it, as if `damping` more had been usual. An item is worth what is usual and its values.

    Args:
        attributes: Of the catalogue.
        histories: What each user experienced.
        slates: Items, shape (users, places); -1 where a slate is shorter.
        damping: Meetings at which a value is trusted half.
    """
    users = len(histories)
    counts = np.array([len(history) for history in histories], np.int64)
    of = np.repeat(np.arange(users), counts)
    items = np.array([e.item for history in histories for e in history], np.int64)
    stars = np.array([_stars(e) for history in histories for e in history], np.float64)
    given = _sums(of, stars, users)
    usual = (PRIOR_STARS * PRIOR_MET + given) / (PRIOR_MET + counts)
    above = attributes.sums(users, of, items, stars - usual[of])
    met = attributes.sums(users, of, items, np.ones(len(items)))
    summed, _ = attributes.totals(above / (met + damping), slates)
    return np.clip(usual[:, None] + summed, 1.0, 5.0)


def satiation(
    attributes: Attributes, chosen: Sequence[Sequence[int]], slates: IntArray
) -> FloatArray:
    """Return how much of each item the user had in this visit.

    It is the mean, over the attribute values of the item, of the number of chosen items with it.

    Args:
        attributes: Of the catalogue.
        chosen: Items that each user chose earlier in her visit.
        slates: Items, shape (users, places); -1 where a slate is shorter.
    """
    of = np.repeat(np.arange(len(chosen)), [len(items) for items in chosen])
    items = np.array([item for each in chosen for item in each], np.int64)
    had = attributes.sums(len(chosen), of, items, np.ones(len(items)))
    summed, counts = attributes.totals(had, slates)
    mean: FloatArray = summed / np.maximum(counts, 1.0)
    return mean


def padded(slates: Sequence[Sequence[int]]) -> tuple[IntArray, NDArray[np.bool_]]:
    """Return slates as one array, -1 where a slate is shorter, and which places there are."""
    table = np.full((len(slates), max(map(len, slates))), -1, np.int64)
    for row, slate in zip(table, slates, strict=True):
        row[: len(slate)] = slate
    return table, table >= 0


def _stars(experience: Experience) -> float:
    if experience.rating is not None:
        return experience.rating
    if experience.like is None:
        return PRIOR_STARS
    return _LIKED if experience.like else _DISLIKED


def _sums(cells: IntArray, weights: FloatArray, count: int) -> FloatArray:
    """Return the sum of the weights of each cell; they are added in their order."""
    return np.asarray(np.bincount(cells, weights, minlength=count), np.float64)
