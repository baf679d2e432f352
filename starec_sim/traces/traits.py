"""Traits of users, put into few classes."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from starec_sim.types import User

MAX_VALUES = 12
"""Different values of a trait that are kept apart; more numbers than these become ranges."""
_RANGES = 5
OTHERS = "other values"


def trait_labels(users: Mapping[int, User], trait: str) -> dict[int, str]:
    """Return the class of each user who has a trait, by row.

    A trait with few values has a class for each. One of many numbers has five ranges with about as
    many users each. One of many texts has its most frequent values, and one class for the others.
    """
    values = {row: str(user.profile[trait]) for row, user in users.items() if trait in user.profile}
    counts: dict[str, int] = {}
    for value in values.values():
        counts[value] = counts.get(value, 0) + 1
    if len(counts) <= MAX_VALUES:
        return values
    numbers = {value: number for value in counts if (number := _number(value)) is not None}
    if len(numbers) == len(counts):
        return _ranges(values, numbers)
    kept = sorted(counts, key=lambda value: (-counts[value], value))[: MAX_VALUES - 1]
    return {row: value if value in kept else OTHERS for row, value in values.items()}


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _ranges(values: Mapping[int, str], numbers: Mapping[str, float]) -> dict[int, str]:
    column = np.array([numbers[value] for value in values.values()])
    inner = np.quantile(column, np.linspace(0, 1, _RANGES + 1)[1:-1], method="lower")
    place = np.searchsorted(np.unique(inner), column, side="left")
    names = {
        int(each): f"{column[place == each].min():g} to {column[place == each].max():g}"
        for each in np.unique(place)
    }
    return {row: names[int(each)] for row, each in zip(values, place, strict=True)}
