"""Ratings and times from columns of text or numbers, checked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from starec_environments.datasets.columns import Columns
from starec_sim.errors import DataError
from starec_sim.types import FloatArray, IntArray

LATEST = 2**62
"""Times beyond this are wrong in any unit."""


def read_ratings(table: Columns, name: str | None, scale: tuple[float, float] | None) -> FloatArray:
    """Return a column as stars, 1.0 to 5.0.

    Args:
        table: The log.
        name: The column; None when the log has no ratings, which gives NaN everywhere.
        scale: The smallest and largest rating of the data, mapped linearly to 1 and 5; None when
            the ratings are stars already.

    Raises:
        DataError: A rating is not a finite number, or outside the scale.
    """
    if name is None:
        return np.full(len(table), np.nan)
    ratings = _numbers(table, name, "rating")
    low, high = scale or (1.0, 5.0)
    outside = (ratings < low) | (ratings > high)
    if outside.any():
        bad = int(np.argmax(outside))
        raise DataError(
            f"{table.at(bad)}: the rating {ratings[bad]:g} is not within {low:g} to {high:g} "
            f"({int(outside.sum())} of {len(ratings)} ratings are not)",
            hint=f"the ratings of this file go from {ratings.min():g} to {ratings.max():g}; set "
            f"`rating_scale: [{ratings.min():g}, {ratings.max():g}]` to map them to 1 to 5 stars",
        )
    return ratings if scale is None else 1.0 + 4.0 * (ratings - low) / (high - low)


def read_times(table: Columns, name: str | None) -> IntArray:
    """Return a column as whole numbers that order the log.

    Numbers are taken as they are (fractions are cut off); dates as ISO 8601 become seconds since
    the epoch, UTC where they name no zone. Without a column, the order of the rows is the time.

    Raises:
        DataError: A time is neither a finite number nor a date, or it is negative.
    """
    if name is None:
        return np.arange(len(table), dtype=np.int64)
    column = table.column(name)
    if isinstance(column, np.ndarray) and column.dtype.kind == "M":
        times = column.astype("datetime64[s]").astype(np.int64)
    else:
        try:
            # Whole numbers first: nanoseconds do not fit into a float.
            times = np.fromiter(map(int, column), np.int64, len(column))
        except (ValueError, TypeError, OverflowError):
            times = _dates(column) if _is_date(column[0]) else _whole(table, name)
    wrong = (times < 0) | (times > LATEST)
    if wrong.any():
        bad = int(np.argmax(wrong))
        raise DataError(
            f"{table.at(bad)}: the time {column[bad]} is negative, missing or out of range",
            hint="times are numbers from 0 (seconds since the epoch) or dates from 1970 on",
        )
    return times


def _numbers(table: Columns, name: str, what: str) -> FloatArray:
    column = table.column(name)
    try:
        numbers = np.fromiter(map(float, column), np.float64, len(column))
    except (ValueError, TypeError):
        bad = next(row for row, value in enumerate(column) if not _is_number(value))
        raise DataError(
            f'{table.at(bad)}: the {what} "{column[bad]}" is not a number',
            hint=f'mend the line, or name another column than "{name}" in the settings',
        ) from None
    infinite = ~np.isfinite(numbers)
    if infinite.any():
        bad = int(np.argmax(infinite))
        raise DataError(
            f"{table.at(bad)}: the {what} is {numbers[bad]}; expected a finite number",
            hint="remove the line, or mend it",
        )
    return numbers


def _whole(table: Columns, name: str) -> IntArray:
    numbers = _numbers(table, name, "time")
    return np.clip(numbers, -1.0, 2.0 * LATEST * (1 - 2**-53)).astype(np.int64)


def _dates(column: Sequence[Any]) -> IntArray:
    """Return dates as seconds since the epoch; -1 where a text is no date."""
    return np.fromiter(map(_seconds, column), np.int64, len(column))


def _seconds(value: Any) -> int:
    if not _is_date(value):
        return -1
    moment = datetime.fromisoformat(value)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _is_date(value: Any) -> bool:
    try:
        datetime.fromisoformat(value)
    except (ValueError, TypeError):
        return False
    return True


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (ValueError, TypeError):
        return False
    return True
