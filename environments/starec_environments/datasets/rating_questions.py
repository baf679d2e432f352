"""What is asked about a column of ratings: questions, each with the setting for each meaning.

See docs/decisions/0025-what-the-numbers-of-a-rating-column-mean.md and 0158.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from starec_environments.datasets.columns import Columns
from starec_environments.datasets.faults import Faults, Mask
from starec_environments.datasets.settings import RatingSettings
from starec_sim.errors import DataError
from starec_sim.types import LIKED_ABOVE, FloatArray

JUDGED_FROM = 10
"""Ratings. Fewer of them may be equal by chance."""
LOWEST, HIGHEST = 0.5, 5.0
"""Stars. Between 0.5 and 1 there are no others."""
SENTINELS = (-1.0, 0.0, 99.0, -99.0)
"""Numbers that often say that there is no rating."""
SCALES = ((0, 1), (0, 5), (1, 10), (0, 100), (-10, 10))
"""Scales other than stars, as examples for a hint: the first that holds all numbers."""
LEAST_SPREAD = 0.1
"""The share of a `rating_scale` that the numbers of a file must cover."""
STRAY_SHARE = 0.05
"""The largest share of ratings that may be slips of whoever wrote them, such as 50 for 5.0."""
NAMED_STRAYS = 5
"""Values of slips that a hint names."""

_NAME_THE_SCALE = (
    "name the ends of the scale that users rated on, or set data.liked_from=N, from which on a "
    "number of the file is a like"
)


class RatingColumn(NamedTuple):
    """Which column has the ratings, and how to name another in the settings."""

    name: str | None
    """None when there is none."""
    key: str = ""
    """The setting that names it, e.g. `columns.rating`; empty when the format names it."""


def strays(
    table: Columns,
    numbers: FloatArray,
    rated: Mask,
    column: RatingColumn,
    meaning: RatingSettings,
    faults: Faults,
) -> Mask:
    """Return which ratings are slips that bad lines may be: few, and far outside of the scale.

    Counts such as plays are no slips: they have numbers between.

    Raises:
        DataError: There are some, and bad lines are errors.
    """
    low, high = meaning.rating_scale or (LOWEST, HIGHEST)
    outside = rated & ((numbers < low) | (numbers > high)) & ~np.isin(numbers, SENTINELS)
    far = (numbers < 0) | (numbers >= 2 * high)
    if (
        (meaning.rating_scale is None and meaning.liked_from is not None)
        or not 0 < outside.sum() <= STRAY_SHARE * rated.sum()
        or (outside & ~far).any()
        or column.name is None
    ):
        return np.zeros(len(numbers), np.bool_)
    within = f"{low:g} to {high:g}, the `rating_scale`" if meaning.rating_scale else "1 to 5 stars"
    what = f'the rating "{{}}" is not within {within}'
    faults.found_rows(table, outside, column.name, what, _unrated_hint(numbers[outside]))
    return outside


def _unrated_hint(values: FloatArray) -> str:
    named = [f"{value:g}" for value in np.unique(values)]
    if len(named) > NAMED_STRAYS:
        return ""
    listed = ", ".join(named)
    if len(named) > 1:
        return f"--set 'data.unrated=[{listed}]' if {listed} say that there is no rating"
    return f"--set data.unrated={listed} if {listed} says that there is no rating"


def check_files_alike(
    table: Columns, numbers: FloatArray, rated: Mask, column: RatingColumn
) -> None:
    """Refuse several files of which one has one or two values, and the others have more.

    Such numbers seem to mean something else there: a test set of clicks, say.

    Raises:
        DataError: There is such a file.
    """
    if not table.further or len(np.unique(numbers[rated])) <= 2:
        return
    for path, rows in _files(table):
        given = numbers[rows][rated[rows]]
        values, counts = np.unique(given, return_counts=True)
        if len(given) < JUDGED_FROM or len(values) > 2:
            continue
        shown = " and ".join(f"{v:g} ({n})" for v, n in zip(values, counts, strict=True))
        which = "are all" if len(values) == 1 else "have two values,"
        low, high = numbers[rated].min(), numbers[rated].max()
        hints = []
        if low >= LOWEST and high <= HIGHEST:
            hints = ["--set 'data.rating_scale=[1, 5]' if the files hold stars all the same"]
        if column.key.startswith("columns."):
            other = next(each for each, _ in _files(table) if each != path)
            hints.append(f"read a file by itself, e.g. --set data.interactions={other.name}")
        hints.append(f"or write the ratings of {path.name} on the scale of the others")
        raise DataError(
            f'{path}, column "{column.name}": the ratings {which} {shown}, and those of all files '
            f"together go from {low:g} to {high:g}; do they mean the same?",
            hint="; ".join(hints),
        )


def _files(table: Columns) -> Iterator[tuple[Path, slice]]:
    """Yield each file of a table, and its rows."""
    starts = [0, *(start for start, _ in table.further), len(table)]
    paths = [table.path, *(path for _, path in table.further)]
    for path, start, end in zip(paths, starts, starts[1:], strict=False):
        yield path, slice(start, end)


def check_scale(
    table: Columns, numbers: FloatArray, rated: Mask, scale: tuple[float, float]
) -> None:
    """Refuse ratings outside of the `rating_scale`.

    Raises:
        DataError: There is one.
    """
    outside = rated & ((numbers < scale[0]) | (numbers > scale[1]))
    if outside.any():
        bad = int(np.argmax(outside))
        raise DataError(
            f"{table.at(bad)}: the rating {numbers[bad]:g} is not within {scale[0]:g} to "
            f"{scale[1]:g}, the `rating_scale` ({_share(outside, rated)} are not)",
            hint=f"--set data.unrated={numbers[bad]:g} if this says that there is no rating; "
            "otherwise set the scale that users rated on",
        )


def check_spread(table: Columns, given: FloatArray, scale: tuple[float, float]) -> None:
    """Refuse a scale of which the file uses nearly nothing: all ratings would be alike."""
    low, high = float(given.min()), float(given.max())
    if len(given) >= JUDGED_FROM and high - low < LEAST_SPREAD * (scale[1] - scale[0]):
        raise DataError(
            f"{table.path}: the ratings go from {low:g} to {high:g}, and `rating_scale` from "
            f"{scale[0]:g} to {scale[1]:g}: as stars nearly all would be alike",
            hint=_NAME_THE_SCALE,
        )


def check_any_like(
    table: Columns, given: FloatArray, stars: FloatArray, scale: tuple[float, float]
) -> None:
    """Refuse a `rating_scale` on which nobody likes anything.

    Raises:
        DataError: No rating is above 3 stars.
    """
    if len(given) >= JUDGED_FROM and not (stars > LIKED_ABOVE).any():
        low, high = float(given.min()), float(given.max())
        raise DataError(
            f"{table.path}: with the `rating_scale` of {scale[0]:g} to {scale[1]:g} none of "
            f"{len(given)} ratings is above {LIKED_ABOVE:g} stars, so that nobody likes anything; "
            f"they go from {low:g} to {high:g}",
            hint=_NAME_THE_SCALE,
        )


def not_stars(
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
    outside = rated & ((numbers > HIGHEST) | (numbers < LOWEST))
    outside |= rated & (numbers > LOWEST) & (numbers < 1)
    if not outside.any():
        if len(given) < JUDGED_FROM or high > LIKED_ABOVE:
            return None
        return DataError(
            f"{where}: the ratings go from {low:g} to {high:g}; as stars of 1 to 5 none is above "
            f"{LIKED_ABOVE:g}, so that nobody likes anything",
            hint=f"--set 'data.rating_scale=[{low:g}, {high:g}]' if users rated from {low:g} to "
            f"{high:g}; --set data.liked_from={high:g} if {high:g} is a like",
        )
    bad = int(np.argmax(outside))
    return DataError(
        f"{table.at(bad)}: the rating {numbers[bad]:g} is not within 1 to 5 stars "
        f"({_share(outside, rated)} are not)",
        hint=_scale_hint(numbers[rated], numbers[outside], as_choices),
    )


def _stars_hint(low: float, high: float) -> str:
    if low >= LOWEST and LIKED_ABOVE < high <= HIGHEST:
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
        slips = rest[(rest < LOWEST) | (rest > HIGHEST)]
        if len(slips) <= STRAY_SHARE * len(given) and (unrated := _unrated_hint(slips)):
            hints.append(unrated)
        if (scale := _likely_scale(rest)) is not None:
            low, high = scale
            hints.append(
                f"--set 'data.rating_scale=[{low}, {high}]' if users rated from {low} to {high} "
                "(name the ends of the scale, not the smallest and largest number of the file)"
            )
        hints.append(f"--set data.liked_from=N if they are counts, such as plays; {as_choices}")
    elif 0.0 in odd:
        if len(rest) and rest.max() <= LIKED_ABOVE:
            most = f"{rest.max():g}"
            hints.append(f"--set 'data.rating_scale=[0, {most}]' if users rated from 0 to {most}")
        else:
            hints.append("--set 'data.rating_scale=[0, 5]' if 0 stars is the worst rating")
    return "; ".join(hints)


def _likely_scale(given: FloatArray) -> tuple[int, int] | None:
    """Return a scale that holds all numbers, and whose upper half is not nearly empty."""
    most = float(np.quantile(given, 1 - STRAY_SHARE))
    for low, high in SCALES:
        if low <= given.min() and given.max() <= high and most > (low + high) / 2:
            return low, high
    return None


def _share(part: Mask, whole: Mask) -> str:
    return f"{int(part.sum())} of {int(whole.sum())} ratings"


def is_of_stars(scale: tuple[float, float]) -> bool:
    """Return whether the numbers of a scale are stars, which stay as they are."""
    return scale[0] in (0.0, 0.5, 1.0) and scale[1] == HIGHEST
