"""A column of ratings becomes stars. What its numbers mean is judged, and asked for where unclear.

See docs/decisions/0025-what-the-numbers-of-a-rating-column-mean.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from starec_environments.datasets.clean_text import NO_VALUE
from starec_environments.datasets.columns import Columns
from starec_environments.datasets.faults import Faults, Mask
from starec_environments.datasets.settings import RatingSettings
from starec_sim.errors import DataError
from starec_sim.types import LIKED_ABOVE, FloatArray

JUDGED_FROM = 10
"""Ratings. Fewer of them may be equal by chance."""
LOWEST, HIGHEST = 0.5, 5.0
"""Stars. Between 0.5 and 1 there are no others."""
LIKED_STARS, OTHER_STARS = 4.0, 2.0
"""What a like and anything else become where the ratings are no stars."""
LOWEST_LIKE = 3.5
"""The fewest stars, in halves, that are a like."""
SENTINELS = (-1.0, 0.0, 99.0, -99.0)
"""Numbers that often say that there is no rating."""
SCALES = ((0, 1), (1, 10), (0, 100), (-10, 10))
"""Scales other than stars, as examples for a hint: the first that holds all numbers."""
LEAST_SPREAD = 0.1
"""The share of a `rating_scale` that the numbers of a file must cover."""


class RatingColumn(NamedTuple):
    """Which column has the ratings, and how to name another in the settings."""

    name: str | None
    """None when there is none."""
    key: str = ""
    """The setting that names it, e.g. `columns.rating`; empty when the format names it."""


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
        unrated |= blank if value == "blank" else numbers == value
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
    if scale is not None:
        _check_scale(table, numbers, rated, scale)
        if liked_from is None and not _is_of_stars(scale):
            _check_spread(table, given, scale)
        stars = given if _is_of_stars(scale) else _mapped(given, scale)
    elif (problem := _not_stars(table, numbers, rated, column)) is None:
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
        DataError: Nothing would be a like.
    """
    _check_likes(given, liked_from, path)
    liked = given >= liked_from
    return np.where(liked, stars.clip(min=LOWEST_LIKE), stars.clip(max=LIKED_ABOVE))


def _check_likes(given: FloatArray, liked_from: float, path: Path) -> None:
    if not (given >= liked_from).any():
        raise DataError(
            f"{path}: no rating is {liked_from:g} or more, so nothing would be a like; the largest "
            f"is {given.max():g}",
            hint="data.liked_from is a number of the file's own scale",
        )


def _is_of_stars(scale: tuple[float, float]) -> bool:
    return scale[0] in (0.0, 0.5, 1.0) and scale[1] == HIGHEST


def _mapped(given: FloatArray, scale: tuple[float, float]) -> FloatArray:
    return 1.0 + 4.0 * (given - scale[0]) / (scale[1] - scale[0])


def _check_scale(
    table: Columns, numbers: FloatArray, rated: Mask, scale: tuple[float, float]
) -> None:
    outside = rated & ((numbers < scale[0]) | (numbers > scale[1]))
    if outside.any():
        bad = int(np.argmax(outside))
        raise DataError(
            f"{table.at(bad)}: the rating {numbers[bad]:g} is not within {scale[0]:g} to "
            f"{scale[1]:g}, the `rating_scale` ({_share(outside, rated)} are not)",
            hint=f"--set data.unrated={numbers[bad]:g} if this says that there is no rating; "
            "otherwise set the scale that users rated on",
        )


def _check_spread(table: Columns, given: FloatArray, scale: tuple[float, float]) -> None:
    """Refuse a scale of which the file uses nearly nothing: all ratings would be alike."""
    low, high = float(given.min()), float(given.max())
    if len(given) >= JUDGED_FROM and high - low < LEAST_SPREAD * (scale[1] - scale[0]):
        raise DataError(
            f"{table.path}: the ratings go from {low:g} to {high:g}, and `rating_scale` from "
            f"{scale[0]:g} to {scale[1]:g}: as stars nearly all would be alike",
            hint="name the ends of the scale that users rated on, or set data.liked_from=N, from "
            "which on a number of the file is a like",
        )


def _not_stars(
    table: Columns, numbers: FloatArray, rated: Mask, column: RatingColumn
) -> DataError | None:
    """Return why ratings are not clearly stars, as an error that asks what they mean; else None."""
    given = numbers[rated]
    low, high = float(given.min()), float(given.max())
    as_choices = f"--set data.{column.key}=null takes every row as a choice without a rating"
    where = f'{table.path}, column "{column.name}"'
    two_valued = bool(((given == low) | (given == high)).all())
    if low == high and (len(given) >= JUDGED_FROM or not LOWEST <= low <= HIGHEST):
        return DataError(
            f"{where}: every rating is {low:g} ({len(given)} of them), and a constant says nothing "
            "about what users like",
            hint=f"{as_choices}; --set data.liked_from={low:g} takes each as a like",
        )
    if two_valued and (len(given) >= JUDGED_FROM or low < 1):
        counts = (
            f"{low:g} ({int((given == low).sum())}) and {high:g} ({int((given == high).sum())})"
        )
        return DataError(
            f"{where}: the ratings have two values, {counts}; are they likes and dislikes, stars, "
            "or clicks?",
            hint=f"--set data.liked_from={high:g} if {high:g} is a like and {low:g} is none; "
            f"--set data.unrated={low:g} if {low:g} says that there is no rating; "
            f"{as_choices}" + _stars_hint(low, high),
        )
    if len(given) >= JUDGED_FROM and low >= 1 and high <= LIKED_ABOVE:
        return DataError(
            f"{where}: the ratings go from {low:g} to {high:g}; as stars of 1 to 5 none is above "
            f"{LIKED_ABOVE:g}, so that nobody likes anything",
            hint=f"--set 'data.rating_scale=[{low:g}, {high:g}]' if users rated from {low:g} to "
            f"{high:g}; --set data.liked_from={high:g} if {high:g} is a like; "
            "--set 'data.rating_scale=[1, 5]' if they are stars",
        )
    outside = rated & ((numbers > HIGHEST) | (numbers < LOWEST))
    outside |= rated & (numbers > LOWEST) & (numbers < 1)
    if not outside.any():
        return None
    bad = int(np.argmax(outside))
    return DataError(
        f"{table.at(bad)}: the rating {numbers[bad]:g} is not within 1 to 5 stars "
        f"({_share(outside, rated)} are not)",
        hint=_scale_hint(numbers[rated], numbers[outside], as_choices),
    )


def _stars_hint(low: float, high: float) -> str:
    if low >= LOWEST and high <= HIGHEST:
        return "; --set 'data.rating_scale=[1, 5]' if they are stars"
    return ""


def _scale_hint(given: FloatArray, outside: FloatArray, as_choices: str) -> str:
    """Return what the numbers may mean, and the setting for each meaning."""
    odd = [value for value in SENTINELS if value in outside]
    rest = given[~np.isin(given, odd)]
    hints = [
        f"--set data.unrated={value:g} if {value:g} says that there is no rating" for value in odd
    ]
    if len(rest) and not LOWEST <= rest.min() <= rest.max() <= HIGHEST:
        low, high = next(
            (scale for scale in SCALES if scale[0] <= rest.min() and rest.max() <= scale[1]),
            SCALES[0],
        )
        hints.append(
            f"--set 'data.rating_scale=[{low}, {high}]' if users rated from {low} to {high} (name "
            "the ends of the scale, not the smallest and largest number of the file)"
        )
        hints.append(f"--set data.liked_from=N if they are counts, such as plays; {as_choices}")
    elif 0.0 in odd:
        hints.append("--set 'data.rating_scale=[0, 5]' if 0 stars is the worst rating")
    return "; ".join(hints)


def _share(part: Mask, whole: Mask) -> str:
    return f"{int(part.sum())} of {int(whole.sum())} ratings"


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
