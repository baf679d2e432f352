"""A column of ratings becomes stars. What its numbers mean is judged, and asked for where unclear.

See docs/decisions/0025-what-the-numbers-of-a-rating-column-mean.md.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from starec_environments.datasets.clean_text import NO_VALUE
from starec_environments.datasets.columns import Columns
from starec_environments.datasets.faults import Faults, Mask
from starec_environments.datasets.rating_questions import (
    JUDGED_FROM,
    RatingColumn,
    check_any_like,
    check_files_alike,
    check_scale,
    check_spread,
    is_of_stars,
    not_stars,
    strays,
)
from starec_environments.datasets.settings import RatingSettings
from starec_sim.errors import DataError, DataWarning
from starec_sim.types import LIKED_ABOVE, FloatArray

LIKED_STARS, OTHER_STARS = 4.0, 2.0
"""What a like and anything else become where the ratings are no stars."""
LOWEST_LIKE = 3.5
"""The fewest stars, in halves, that are a like."""


def read_ratings(
    table: Columns, column: RatingColumn, meaning: RatingSettings, faults: Faults, decimal: str
) -> FloatArray:
    """Return a column as stars; NaN where there is no rating.

    Args:
        table: The log.
        column: The column.
        meaning: The settings that say what the numbers mean.
        faults: What to do with cells that are no number.
        decimal: What stands before a fraction.

    Raises:
        DataError: A rating is no finite number, or the settings do not say what they mean.
    """
    if column.name is None:
        _refuse_meanings(meaning, column)
        return np.full(len(table), np.nan)
    numbers, blank = _numbers(table, column.name, decimal)
    unrated = np.zeros(len(numbers), np.bool_)
    for value in meaning.unrated:
        found = blank if value == "blank" else numbers == value
        if not found.any():
            shown = value if isinstance(value, str) else f"{value:g}"
            warnings.warn(
                f"{table.path}: data.unrated names {shown}, and no row of column "
                f'"{column.name}" holds it',
                DataWarning,
                stacklevel=2,
            )
        unrated |= found
    faults.found_rows(
        table,
        blank & ~unrated,
        column.name,
        "the rating is blank",
        "--set data.unrated=blank takes such rows as choices without a rating",
    )
    key = column.key
    hint = f"name the right column, or none: --set data.{key}=NAME (or =null)" if key else ""
    if decimal == "." and any("," in str(cell) for cell in table.columns[column.name][:100]):
        hint = "--set 'data.decimal=\",\"' if a comma stands before the fraction"
    wrong = ~np.isfinite(numbers) & ~blank & ~unrated
    faults.found_rows(table, wrong, column.name, 'the rating "{}" is not a number', hint)
    rated = ~(unrated | blank | wrong)
    rated &= ~strays(table, numbers, rated, column, meaning, faults)
    stars = np.full(len(table), np.nan)
    if rated.any():
        stars[rated] = _stars(table, numbers, rated, column, meaning)
    return stars


def _refuse_meanings(meaning: RatingSettings, column: RatingColumn) -> None:
    """Raise DataError if settings say what ratings mean, where there are none."""
    given = [
        name
        for name in ("rating_scale", "liked_from", "unrated")
        if getattr(meaning, name) not in (None, ())
    ]
    if given:
        raise DataError(
            f"data.{given[0]} says what ratings mean, and the log has no column of ratings",
            hint=f"name it, --set data.{column.key}=NAME, or leave out data.{given[0]}"
            if column.key
            else f"leave out data.{given[0]}",
        )


def _stars(
    table: Columns,
    numbers: FloatArray,
    rated: Mask,
    column: RatingColumn,
    meaning: RatingSettings,
) -> FloatArray:
    """Return the stars of the rows that are rated."""
    given, scale, liked_from = numbers[rated], meaning.rating_scale, meaning.liked_from
    if liked_from is not None:
        _check_likes(given, liked_from, table.path)
    elif scale is None:
        check_files_alike(table, numbers, rated, column)
    if scale is not None:
        check_scale(table, numbers, rated, scale)
        stars = given if is_of_stars(scale) else _mapped(given, scale)
        if liked_from is None:
            if not is_of_stars(scale):
                check_spread(table, given, scale)
            check_any_like(table, given, stars, scale)
    elif (problem := not_stars(table, numbers, rated, column)) is None:
        stars = given
    elif liked_from is None:
        raise problem
    else:
        return np.where(given >= liked_from, LIKED_STARS, OTHER_STARS)
    return stars if liked_from is None else with_threshold(stars, given, liked_from, table.path)


def with_threshold(
    stars: FloatArray, given: FloatArray, liked_from: float, path: Path
) -> FloatArray:
    """Return stars that are a like exactly where the given rating is `liked_from` or more.

    Those on the wrong side of 3 stars are moved to the nearest half star on the right side.

    Raises:
        DataError: Nothing would be a like, or everything.
    """
    _check_likes(given, liked_from, path)
    liked = given >= liked_from
    return np.where(liked, stars.clip(min=LOWEST_LIKE), stars.clip(max=LIKED_ABOVE))


def _check_likes(given: FloatArray, liked_from: float, path: Path) -> None:
    """Refuse a threshold that tells nothing apart; of ratings that are all equal, all may be likes.

    Raises:
        DataError: Nothing would be a like, or everything.
    """
    given = given[~np.isnan(given)]
    if not (given >= liked_from).any():
        raise DataError(
            f"{path}: no rating is {liked_from:g} or more, so nothing would be a like; the largest "
            f"is {given.max():g}",
            hint="data.liked_from is a number of the file's own scale",
        )
    low, high = given.min(), given.max()
    if len(given) >= JUDGED_FROM and liked_from <= low < high:
        raise DataError(
            f"{path}: all {len(given)} ratings are {liked_from:g} or more, so everything would be "
            f"a like; they go from {low:g} to {high:g}",
            hint="data.liked_from is a number of the file's own scale above the smallest; if every "
            "row is a choice, read no ratings, e.g. --set data.columns.rating=null",
        )


def _mapped(given: FloatArray, scale: tuple[float, float]) -> FloatArray:
    return 1.0 + 4.0 * (given - scale[0]) / (scale[1] - scale[0])


def _numbers(table: Columns, name: str, decimal: str) -> tuple[FloatArray, Mask]:
    """Return a column as numbers, NaN where a cell is none, and which cells are blank."""
    column = table.column(name)
    if decimal == ",":
        column = [str(cell).replace(",", ".") for cell in column]
    try:
        numbers = np.fromiter(map(float, column), np.float64, len(column))
    except (ValueError, TypeError):
        numbers = np.fromiter(map(_number, column), np.float64, len(column))
    if not np.isnan(numbers).any():
        return numbers, np.zeros(len(numbers), np.bool_)
    return numbers, blank_cells(column)


def blank_cells(column: Sequence[Any]) -> Mask:
    """Return which cells of a column are empty, None or NaN."""
    return np.fromiter(map(_is_blank, column), np.bool_, len(column))


_BLANK = frozenset({"", "na", *map(str.lower, NO_VALUE)})


def _is_blank(cell: Any) -> bool:
    if isinstance(cell, str):
        return cell.strip().lower() in _BLANK
    return cell is None or bool(cell != cell)


def _number(cell: Any) -> float:
    try:
        return float(cell)
    except (ValueError, TypeError):
        return np.nan
