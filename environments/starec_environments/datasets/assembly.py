"""From tables to a `Dataset`: ids become rows, and contradictions are errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import field_validator

from starec_environments.datasets.clean_text import (
    VALUE_LIMIT,
    plain,
    tidy,
    tidy_title,
    tidy_values,
)
from starec_environments.datasets.columns import Columns
from starec_sim.dataset import Dataset, Interactions
from starec_sim.errors import DataError
from starec_sim.settings import Settings
from starec_sim.types import FloatArray, IntArray, Item, User


class LogRules(Settings):
    """What is done with a log that contradicts the other files or itself."""

    unknown: Literal["error", "drop"] = "error"
    """Interactions of items or users that the item or user file lacks."""
    duplicates: Literal["error", "first", "last"] = "error"
    """A user who meets an item twice, or a file that describes an item or user twice: keep the
    first or the last. A user has one opinion of an item, and recommenders would count it double."""


class FileSettings(LogRules):
    """Settings of the readers of a user's own files."""

    path: Path | None = None
    """The folder with the files."""
    encoding: str = "utf-8"
    rating_scale: tuple[float, float] | None = None
    """Smallest and largest rating, mapped linearly to 1 and 5; None when they are stars already."""

    @field_validator("rating_scale")
    @classmethod
    def _scale_ascends(cls, scale: tuple[float, float] | None) -> tuple[float, float] | None:
        if scale is not None and not scale[0] < scale[1]:
            raise ValueError("the smallest rating comes first, e.g. [0.5, 5]")
        return scale


@dataclass(frozen=True, slots=True)
class ItemColumns:
    """Which columns of a table describe its items."""

    id: str
    title: str | None
    attributes: Mapping[str, str]
    """Attribute name to column."""
    separators: Mapping[str, str] = field(default_factory=dict)
    """Column to the separator of its values; a column that is not here holds one value."""


def read_items(table: Columns, described: ItemColumns, rules: LogRules) -> list[Item]:
    """Return one item for each id of a table. Without a title, the id is the title.

    Raises:
        DataError: A column is missing, an id is empty, or one occurs twice.
    """
    ids = _ids(table, described.id, "item")
    titles = table.column(described.title) if described.title is not None else None
    columns = [
        (name, table.column(column), described.separators.get(column))
        for name, column in described.attributes.items()
    ]
    items = []
    for row in _one_row_each(table, ids, "item", rules):
        values = {name: tidy_values(cells[row], separator) for name, cells, separator in columns}
        attributes = {name: found for name, found in values.items() if found}
        title = ids[row] if titles is None else plain(titles[row])
        items.append(Item(ids[row], tidy_title(title, ids[row]), attributes))
    return items


def read_users(table: Columns, id: str, profile: Mapping[str, str], rules: LogRules) -> list[User]:
    """Return one user for each id of a table.

    Args:
        table: The file.
        id: The column of ids.
        profile: Name in the profile to column.
        rules: Which row counts when an id occurs twice.

    Raises:
        DataError: A column is missing, an id is empty, or one occurs twice.
    """
    ids = _ids(table, id, "user")
    columns = [(name, table.column(column)) for name, column in profile.items()]
    users = []
    for row in _one_row_each(table, ids, "user", rules):
        cells = {name: tidy_values(column[row], None) for name, column in columns}
        users.append(
            User(ids[row], {name: ", ".join(cell) for name, cell in cells.items() if cell})
        )
    return users


@dataclass(frozen=True, slots=True)
class LogTable:
    """A table whose rows are interactions."""

    table: Columns
    ratings: FloatArray
    """Stars, one for each row of the table; NaN where there is no rating."""
    times: IntArray
    """What orders the log, one for each row of the table."""
    user: str = "user"
    """The column of user ids."""
    item: str = "item"
    """The column of item ids."""


def assemble(
    name: str,
    log: LogTable,
    users: Sequence[User] | None,
    items: Sequence[Item] | None,
    rules: LogRules,
) -> Dataset:
    """Return the dataset of a log, sorted by time; a user meets an item at most once.

    Args:
        name: The dataset's name.
        log: The interactions.
        users: All users; None makes users of the ids in the log, in order of appearance.
        items: The catalogue; None makes items of the ids in the log, titled by their ids.
        rules: What to do with rows whose user or item is not among these, and which of several
            rows of one user and item counts, in order of time.

    Raises:
        DataError: Rows are unknown or duplicate and that is an error, or no row is left.
    """
    table, ratings, times = log.table, log.ratings, log.times
    user_ids, item_ids = _ids(table, log.user, "user"), _ids(table, log.item, "item")
    if users is None:
        users = [User(id) for id in dict.fromkeys(user_ids)]
    if items is None:
        items = [Item(id, tidy_title(id, id)) for id in dict.fromkeys(item_ids)]
    user_rows = _rows(user_ids, [user.id for user in users])
    item_rows = _rows(item_ids, [item.id for item in items])
    known = (user_rows >= 0) & (item_rows >= 0)
    if rules.unknown == "error" and not known.all():
        bad = int(np.argmin(known))
        what, ids = ("user", user_ids) if user_rows[bad] < 0 else ("item", item_ids)
        raise DataError(
            f'{table.at(bad)}: the {what} file does not know the {what} "{ids[bad]}" '
            f"({int((~known).sum())} of {len(known)} interactions are of unknown ones)",
            hint=f"complete the {what} file, or set `unknown: drop` to leave such interactions out",
        )
    rows = np.flatnonzero(known)
    rows = rows[np.argsort(times[rows], kind="stable")]
    pairs = user_rows[rows] * len(items) + item_rows[rows]
    rows = rows[_one_of_each(table, rows, pairs, user_ids, item_ids, rules)]
    if not len(rows):
        raise DataError(f"{table.path}: no interaction is left", hint="check the ids in both files")
    kept = Interactions(user_rows[rows], item_rows[rows], ratings[rows], times[rows])
    return Dataset(name, tuple(users), tuple(items), kept)


def _ids(table: Columns, name: str, what: str) -> list[str]:
    """Return a column of ids as text, without surrounding space."""
    column = table.column(name)
    # There are far fewer ids than rows, so each id is checked once.
    ids = {raw: plain(raw).strip() for raw in dict.fromkeys(column)}
    for raw, id in ids.items():
        if not id or not id.isprintable():
            fault = f'"{tidy(id, VALUE_LIMIT)}" holds control characters' if id else "is empty"
            raise DataError(
                f"{table.at(list(column).index(raw))}: the {what} id {fault}",
                hint="mend the line, or check the separator and the encoding",
            )
    return [ids[raw] for raw in column]


def _rows(ids: Sequence[str], known: Sequence[str]) -> IntArray:
    """Return the row of each id among the known ids; -1 for an unknown id."""
    row_of = {id: row for row, id in enumerate(known)}
    return np.fromiter((row_of.get(id, -1) for id in ids), np.int64, len(ids))


def _one_row_each(table: Columns, ids: Sequence[str], what: str, rules: LogRules) -> Sequence[int]:
    """Return the rows that are kept, one for each id, in the order of the table."""
    last = {id: row for row, id in enumerate(ids)}
    if len(last) == len(ids):
        return range(len(ids))
    if rules.duplicates == "last":
        return sorted(last.values())
    first: dict[str, int] = {}
    for row, id in enumerate(ids):
        if first.setdefault(id, row) != row and rules.duplicates == "error":
            raise _twice(table, first[id], row, f'the {what} "{id}"', len(ids) - len(last))
    return sorted(first.values())


def _one_of_each(
    table: Columns,
    rows: IntArray,
    pairs: IntArray,
    user_ids: Sequence[str],
    item_ids: Sequence[str],
    rules: LogRules,
) -> IntArray:
    """Return the indices into `rows` that are kept, one for each (user, item) pair, in order."""
    kept = np.unique(pairs, return_index=True)[1]
    if len(kept) == len(pairs):
        return np.arange(len(pairs))
    if rules.duplicates == "first":
        return np.sort(kept)
    if rules.duplicates == "last":
        return np.sort(len(pairs) - 1 - np.unique(pairs[::-1], return_index=True)[1])
    again = int(rows[np.setdiff1d(np.arange(len(pairs)), kept)[0]])
    pair = (user_ids[again], item_ids[again])
    met = [row for row in range(len(table)) if (user_ids[row], item_ids[row]) == pair]
    what = f'user "{pair[0]}" with item "{pair[1]}"'
    raise _twice(table, met[0], met[1], what, len(pairs) - len(kept))


def _twice(table: Columns, first: int, second: int, what: str, surplus: int) -> DataError:
    return DataError(
        f"{table.at(second)}: {what} again, first on {table.unit} {table.lines[first]} "
        f"({surplus} such {table.unit}s in all)",
        hint="set `duplicates: last` (or `first`) to keep one of them, or remove the others",
    )
