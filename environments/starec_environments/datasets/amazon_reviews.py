"""The log of ratings in a file of Amazon Reviews: whole reviews, or ratings only."""

from __future__ import annotations

import itertools
import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from itertools import compress
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np

from starec_environments.datasets.amazon_files import ASIN, parsed
from starec_environments.datasets.columns import Columns
from starec_environments.datasets.faults import Faults
from starec_environments.datasets.ids import has_controls
from starec_environments.datasets.line_reader import read_lines
from starec_environments.datasets.ratings import blank_cells
from starec_environments.datasets.times import FAR, far_from_others
from starec_sim.errors import DataError

Column = Literal["user", "item", "rating", "time"]
COLUMNS: tuple[Column, ...] = get_args(Column)

OLD = {"user": "reviewerID", "item": "asin", "rating": "overall", "time": "unixReviewTime"}
"""The keys of 2014 and 2018."""
NEW = {"user": "user_id", "item": "parent_asin", "rating": "rating", "time": "timestamp"}
"""The keys of 2023."""
LOOKED_AT = 1_000
"""Lines from which the order of columns is recognised."""
LATEST = 2**53


class _Row(NamedTuple):
    line: int
    user: object
    item: object
    rating: object
    time: object


def read_reviews(
    path: Path,
    item: str,
    columns: Sequence[Column] | None,
    unrated: Sequence[float | str],
    faults: Faults,
) -> tuple[Columns, array[float], array[int]]:
    """Return the log of a file, its ratings and its times. Texts of reviews are not kept.

    Args:
        path: Reviews (.json, .jsonl) or ratings only (.csv), plain or packed.
        item: The key that names the item in the edition of 2023.
        columns: The fields of a .csv without a header; when empty, they are recognised.
        unrated: Values that say that there is no rating, perhaps `blank`; their ratings are NaN.
        faults: What to do with bad lines.

    Raises:
        DataError: The file cannot be read, a line is bad and that is an error, or all are.
    """
    rows = (
        _ratings(path, columns, faults) if ".csv" in path.suffixes else _reviews(path, item, faults)
    )
    users: list[str] = []
    items: list[str] = []
    lines, times, ratings = array("q"), array("q"), array("d")
    # An id occurs in many lines; one text of it is kept.
    once: dict[str, str] = {}
    for row in rows:
        if reason := _wrong_id(row.user):
            faults.found(row.line, f"the user id {reason}", row.user)
        elif reason := _wrong_id(row.item):
            faults.found(row.line, f"the item id {reason}", row.item)
        elif (stars := _stars(row.rating, unrated)) is None:
            faults.found(row.line, "the rating is not 1 to 5 stars", row.rating)
        elif math.isnan(time := _number(row.time)) or not 0 <= time <= LATEST:
            faults.found(row.line, "the time is no time", row.time)
        else:
            user, met = str(row.user).strip(), str(row.item).strip()
            users.append(once.setdefault(user, user))
            items.append(once.setdefault(met, met))
            ratings.append(stars)
            times.append(int(time))
            lines.append(row.line)
    if not users:
        raise _no_reviews(path, faults)
    seen = np.array(times)
    far = far_from_others(seen, np.zeros(len(seen), bool))
    table = Columns(path, {"user": users, "item": items, "time": times}, lines)
    faults.found_rows(table, far, "time", FAR)
    if far.any():
        near = (~far).tolist()
        users, items = list(compress(users, near)), list(compress(items, near))
        lines, times = array("q", compress(lines, near)), array("q", compress(times, near))
        ratings = array("d", compress(ratings, near))
    return Columns(path, {"user": users, "item": items}, lines), ratings, times


def _no_reviews(path: Path, faults: Faults) -> DataError:
    if not faults.first:
        return DataError(f"{path} is empty", hint="check that the download is complete")
    reason = min(faults.first, key=lambda reason: faults.first[reason])
    return DataError(
        f"{path}: none of its lines is a review; line {faults.first[reason]} of {reason}",
        hint="check that this is a file of Amazon reviews or ratings",
    )


def _reviews(path: Path, item: str, faults: Faults) -> Iterator[_Row]:
    for number, line in read_lines(path):
        record = parsed(line)
        if record is None:
            faults.found(number, "this is no JSON object", line.decode("utf-8", "replace"))
            continue
        keys: Mapping[str, str] = OLD if "reviewerID" in record else {**NEW, "item": item}
        if missing := [key for key in keys.values() if key not in record]:
            faults.found(number, f"there is no {missing[0]}")
            continue
        yield _Row(number, *(record[keys[column]] for column in COLUMNS))


def _ratings(path: Path, columns: Sequence[Column] | None, faults: Faults) -> Iterator[_Row]:
    lines = (
        (number, line.decode("utf-8", "replace").split(",")) for number, line in read_lines(path)
    )
    head = list(itertools.islice(lines, LOOKED_AT))
    width = 4
    if head and "user_id" in head[0][1]:
        (number, header), *head = head
        if missing := set(NEW.values()) - set(header):
            raise DataError(
                f"{path}, line {number}: there is no column {min(missing)}",
                hint=f"the columns are {', '.join(header)}",
            )
        indices, width = [header.index(NEW[column]) for column in COLUMNS], len(header)
    else:
        order = columns or _order(path, [fields for _, fields in head])
        indices = [order.index(column) for column in COLUMNS]
    for number, fields in itertools.chain(head, lines):
        if len(fields) != width:
            faults.found(number, f"{len(fields)} fields where {width} were expected")
        else:
            yield _Row(number, *(fields[index] for index in indices))


def _order(path: Path, rows: Sequence[Sequence[str]]) -> tuple[Column, ...]:
    """Return the order of columns: 2014 has the user first, 2018 the item.

    The ids tell which is which: that of an item has ten characters.
    """
    whole = [fields for fields in rows if len(fields) == 4]
    first, second = (all(ASIN.fullmatch(fields[n]) for fields in whole) for n in (0, 1))
    if first == second and whole:
        raise DataError(
            f"{path}: its first lines do not tell which column is the user and which the item",
            hint="set `columns: [user, item, rating, time]` (2014) or "
            "`columns: [item, user, rating, time]` (2018)",
        )
    return ("item", "user", "rating", "time") if first else ("user", "item", "rating", "time")


def _wrong_id(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        return "is missing"
    return "holds control characters" if has_controls(value) else ""


def _stars(rating: object, unrated: Sequence[float | str]) -> float | None:
    """Return a rating; NaN if it says that there is none, and None if it is not 1 to 5 stars."""
    stars = _number(rating)
    if unrated and (
        stars in unrated
        or ("blank" in unrated and math.isnan(stars) and bool(blank_cells([rating])[0]))
    ):
        return math.nan
    return stars if 1.0 <= stars <= 5.0 else None


def _number(value: object) -> float:
    """Return a number or text as a number; NaN when it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan
