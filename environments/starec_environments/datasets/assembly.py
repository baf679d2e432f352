"""From tables to a `Dataset`: ids become rows, and contradictions are errors."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress

import numpy as np

from starec_environments.datasets.clean_text import (
    plain,
    tidy_title,
    tidy_values,
)
from starec_environments.datasets.columns import Columns
from starec_environments.datasets.faults import Faults
from starec_environments.datasets.ids import check_decimals, read_ids, zeros_apart
from starec_environments.datasets.settings import LogRules
from starec_sim.dataset import Dataset, Interactions
from starec_sim.errors import DataError, DataWarning
from starec_sim.types import FloatArray, IntArray, Item, User


@dataclass(frozen=True, slots=True)
class ItemColumns:
    """Which columns of a table describe its items."""

    id: str
    title: str | None
    attributes: Mapping[str, str]
    """Attribute name to column."""
    separators: Mapping[str, str] = field(default_factory=dict)
    """Column to the separator of its values; a column that is not here holds one value."""


def read_items(
    table: Columns, described: ItemColumns, rules: LogRules, faults: Faults
) -> list[Item]:
    """Return one item for each id of a table. Without a title, the id is the title.

    Raises:
        DataError: A column is missing, an id is empty, or one occurs twice.
    """
    ids = read_ids(table, described.id, "item", rules, faults)
    titles = table.column(described.title) if described.title is not None else None
    columns = [
        (name, table.column(column), described.separators.get(column))
        for name, column in described.attributes.items()
    ]
    items = []
    for row in _one_row_each(table, ids, "item", rules, faults):
        values = {name: tidy_values(cells[row], separator) for name, cells, separator in columns}
        attributes = {name: found for name, found in values.items() if found}
        title = ids[row] if titles is None else plain(titles[row])
        items.append(Item(ids[row], tidy_title(title, ids[row]), attributes))
    return items


def read_users(
    table: Columns, id: str, profile: Mapping[str, str], rules: LogRules, faults: Faults
) -> list[User]:
    """Return one user for each id of a table.

    Args:
        table: The file.
        id: The column of ids.
        profile: Name in the profile to column.
        rules: Which row counts when an id occurs twice.
        faults: What to do with rows that have no id.

    Raises:
        DataError: A column is missing, an id is empty, or one occurs twice.
    """
    ids = read_ids(table, id, "user", rules, faults)
    columns = [(name, table.column(column)) for name, column in profile.items()]
    users = []
    for row in _one_row_each(table, ids, "user", rules, faults):
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
    faults: Faults | None = None
    """The bad rows, which are left out; None when there can be none."""


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
    faults = log.faults or Faults(table.path, "error")
    user_ids = read_ids(table, log.user, "user", rules, faults)
    item_ids = read_ids(table, log.item, "item", rules, faults)
    if users is None:
        users = [User(id) for id in dict.fromkeys(_kept(user_ids, faults))]
    if items is None:
        items = [Item(id, tidy_title(id, id)) for id in dict.fromkeys(_kept(item_ids, faults))]
    user_rows = _rows(user_ids, [user.id for user in users])
    item_rows = _rows(item_ids, [item.id for item in items])
    wrong = np.zeros(len(user_rows), bool) if faults.wrong is None else faults.wrong
    known = (user_rows >= 0) & (item_rows >= 0) | wrong
    unknown = int((~known).sum())
    if unknown:
        bad = int(np.argmin(known))
        what, ids, among = ("item", item_ids, {item.id for item in items})
        if user_rows[bad] < 0:
            what, ids, among = ("user", user_ids, {user.id for user in users})
        _refuse(table, bad, what, [ids[row] for row in np.flatnonzero(~known)], among, rules)
    rows = np.flatnonzero(known & ~wrong)
    rows = rows[np.argsort(times[rows], kind="stable")]
    pairs = user_rows[rows] * len(items) + item_rows[rows]
    kept = rows[_one_of_each(table, rows, pairs, user_ids, item_ids, rules)]
    if not len(kept):
        why = "".join(f"; {note}: {count}" for note, count in faults.notes().items())
        hint = "check the ids in both files" if unknown else ""
        raise DataError(f"{table.path}: no interaction is left{why}", hint=hint)
    counts = {
        "interactions of unknown users or items (left out)": unknown,
        f"interactions of a user with an item again (the {rules.duplicates} counts)": len(rows)
        - len(kept),
    }
    return Dataset(
        name,
        tuple(users),
        tuple(items),
        Interactions(user_rows[kept], item_rows[kept], ratings[kept], times[kept]),
        notes={note: count for note, count in counts.items() if count},
    )


def _refuse(
    table: Columns,
    row: int,
    what: str,
    ids: Sequence[str],
    there: Collection[str],
    rules: LogRules,
) -> None:
    """Refuse ids that the user or item file lacks; the first stands in a row.

    Raises:
        DataError: Unknown ids are errors, or the first is known with or without `.0`.
    """
    check_decimals(table.at(row), ids[0], there, f"the {what} file", what)
    alike = zeros_apart(ids, there)
    zeros = (
        f'; the {what} id "{alike[0]}" stands as "{alike[1]}" in the {what} file: programs leave '
        "out zeros in front where they take ids for numbers"
        if alike
        else ""
    )
    if rules.unknown == "error":
        mend = "write the ids alike in both files" if alike else f"complete the {what} file"
        raise DataError(
            f'{table.at(row)}: the {what} file does not know the {what} "{ids[0]}" '
            f"({len(ids)} of {len(table)} interactions are of unknown ones){zeros}",
            hint=f"{mend}, or leave such interactions out: --set data.unknown=drop",
        )
    if zeros:
        warnings.warn(
            f"{table.path}: {len(ids)} interactions are left out{zeros}\n"
            "hint: write the ids alike in both files if they are the same",
            DataWarning,
            stacklevel=2,
        )


def _kept(ids: Sequence[str], faults: Faults) -> Iterable[str]:
    """Return the ids of the rows that are not left out."""
    return ids if faults.wrong is None else compress(ids, (~faults.wrong).tolist())


def _rows(ids: Sequence[str], known: Sequence[str]) -> IntArray:
    """Return the row of each id among the known ids; -1 for an unknown id."""
    row_of = {id: row for row, id in enumerate(known)}
    return np.fromiter((row_of.get(id, -1) for id in ids), np.int64, len(ids))


def _one_row_each(
    table: Columns, ids: Sequence[str], what: str, rules: LogRules, faults: Faults
) -> Sequence[int]:
    """Return the rows that are kept, one for each id, in the order of the table."""
    if faults.wrong is not None:
        kept = np.flatnonzero(~faults.wrong).tolist()
        left = Columns(table.path, {}, [table.lines[row] for row in kept], table.unit)
        again = _one_row_each(
            left, [ids[row] for row in kept], what, rules, Faults(table.path, faults.rule)
        )
        return [kept[row] for row in again]
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
    one, other = table.file_of(first), table.file_of(second)
    of_file = f" of {one.name}" if one != other else ""
    return DataError(
        f"{table.at(second)}: {what} again, first on {table.unit} {table.lines[first]}{of_file} "
        f"({surplus} such {table.unit}s in all)",
        hint="--set data.duplicates=last (or =first) keeps one of them; or remove the others",
    )
