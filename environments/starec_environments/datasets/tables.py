"""A user's own tables, CSV or Parquet: interactions, and optionally items and users."""

from __future__ import annotations

import csv
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from starec_environments.datasets.assembly import (
    FileSettings,
    ItemColumns,
    LogTable,
    assemble,
    read_items,
    read_users,
)
from starec_environments.datasets.column_names import ATTRIBUTES, PROFILE, column_for, described
from starec_environments.datasets.columns import Columns, read_table, read_text
from starec_environments.datasets.paths import folder, listing
from starec_environments.datasets.quantities import read_ratings, read_times
from starec_sim.dataset import Dataset
from starec_sim.errors import DataError, did_you_mean
from starec_sim.settings import Settings
from starec_sim.types import Item, User


class LogColumns(Settings):
    """Columns of the interactions file. A column that is not named is found by its usual names."""

    user: str | None = None
    item: str | None = None
    rating: str | None = None
    """Without one, items were consumed without a rating (NaN)."""
    time: str | None = None
    """Numbers, or dates as ISO 8601; without one, the order of the rows."""


class ItemTableColumns(Settings):
    """Columns of the items file. A column that is not named is found by its usual names."""

    id: str | None = None
    title: str | None = None
    attributes: dict[str, str] | None = None
    """Attribute name to column, e.g. `{genre: genres}`."""


class UserTableColumns(Settings):
    """Columns of the users file. A column that is not named is found by its usual names."""

    id: str | None = None
    profile: dict[str, str] | None = None
    """Name in the profile to column, e.g. `{age: age}`."""


class TableSettings(FileSettings):
    """Settings of both kinds of tables."""

    interactions: str | None = None
    """File name within `path`; None when `path` is the file itself."""
    items: str | None = None
    """File name beside the interactions; None makes items of the ids in the log."""
    users: str | None = None
    """File name beside the interactions; None makes users of the ids in the log."""
    columns: LogColumns = LogColumns()
    item_columns: ItemTableColumns = ItemTableColumns()
    user_columns: UserTableColumns = UserTableColumns()
    separator: str = "|"
    """Between the values of an attribute in one cell."""


class Tables(ABC):
    """Reads a dataset from tables; a subclass knows one file format."""

    suffixes: ClassVar[tuple[str, ...]]

    def __init__(self, config: TableSettings) -> None:
        self.config = config

    def load(self) -> Dataset:
        """Read the dataset.

        Raises:
            DataError: A file or a column is missing, or a value is wrong.
        """
        config = self.config
        path = self._interactions()
        names, given = self.names(path), config.columns
        user = given.user or _recognised("user", names, path, "columns")
        item = given.item or _recognised("item", names, path, "columns")
        rating = given.rating or column_for("rating", names)
        time = given.time or column_for("time", names)
        log = self.table(path, [name for name in (user, item, rating, time) if name is not None])
        return assemble(
            path.stem,
            LogTable(
                log,
                read_ratings(log, rating, config.rating_scale),
                read_times(log, time),
                user=user,
                item=item,
            ),
            users=self._users(path.parent / config.users) if config.users else None,
            items=self._items(path.parent / config.items) if config.items else None,
            rules=config,
        )

    @abstractmethod
    def names(self, path: Path) -> list[str]:
        """Return the names of a file's columns."""

    @abstractmethod
    def table(self, path: Path, names: Sequence[str]) -> Columns:
        """Return the named columns of a file."""

    def _interactions(self) -> Path:
        path, name = self.config.path, self.config.interactions
        if path is not None and path.expanduser().is_file() and name is None:
            return path.expanduser()
        place = folder(path, f"a table ({' or '.join(self.suffixes)})")
        if name is None:
            raise DataError(
                f"{place} is a folder; which of its files holds the interactions? "
                f"It holds {listing(place)}",
                hint="set `interactions` to the name of the file",
            )
        return place / name

    def _items(self, path: Path) -> list[Item]:
        names, given = self.names(path), self.config.item_columns
        id = given.id or _recognised("item", names, path, "item_columns", own=True)
        title = given.title or column_for("title", names)
        attributes = given.attributes
        if attributes is None:
            attributes = described(ATTRIBUTES, names)
        wanted = [id, *([title] if title else []), *attributes.values()]
        separators = dict.fromkeys(attributes.values(), self.config.separator)
        columns = ItemColumns(id, title, attributes, separators)
        return read_items(self.table(path, wanted), columns, self.config)

    def _users(self, path: Path) -> list[User]:
        names, given = self.names(path), self.config.user_columns
        id = given.id or _recognised("user", names, path, "user_columns", own=True)
        profile = described(PROFILE, names) if given.profile is None else given.profile
        table = self.table(path, [id, *profile.values()])
        return read_users(table, id, profile, self.config)


class CsvTable(Tables):
    """Delimited text with a header, quoted as in RFC 4180.

    use: csv
    path: data/mine
    interactions: ratings.csv
    columns: {user: userId, item: movieId, rating: rating, time: timestamp}
    rating_scale: [0.5, 5]
    items: movies.csv
    item_columns: {id: movieId, title: title, attributes: {genre: genres}}
    """

    suffixes = (".csv", ".tsv")

    class Config(TableSettings):
        """Files, columns and their format."""

        delimiter: str = ","
        """Between the fields of a line; one character."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.delimiter = config.delimiter

    def names(self, path: Path) -> list[str]:
        """Return the names in the first line."""
        text = read_text(path, self.config.encoding)
        return next(csv.reader([text.lstrip("\n").partition("\n")[0]], delimiter=self.delimiter))

    def table(self, path: Path, names: Sequence[str]) -> Columns:
        """Return the named columns of the file."""
        read = read_table(path, self.delimiter, encoding=self.config.encoding, quoted=True)
        return replace(read, columns={name: read.column(name) for name in names})


class ParquetTable(Tables):
    """Parquet files; a column of lists holds several values without a separator.

    Needs pyarrow, which comes with the extra `parquet`.
    """

    suffixes = (".parquet",)

    class Config(TableSettings):
        """Files and columns."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)

    def names(self, path: Path) -> list[str]:
        """Return the names in the file's schema."""
        return list(_pyarrow(path).read_schema(path).names)

    def table(self, path: Path, names: Sequence[str]) -> Columns:
        """Return the named columns; the others are not read."""
        present = set(self.names(path))
        if missing := [name for name in names if name not in present]:
            raise DataError(
                f'{path} has no column "{missing[0]}"; {did_you_mean(missing[0], present)}',
                hint="name the right one in the dataset's settings",
            )
        read = _pyarrow(path).read_table(path, columns=list(dict.fromkeys(names)))
        if not read.num_rows:
            raise DataError(f"{path} has no rows")
        columns = {name: _cells(read.column(name)) for name in read.column_names}
        return Columns(path, columns, range(1, read.num_rows + 1), "row")


def _cells(column: Any) -> Sequence[Any]:
    """Return dates as an array of datetimes, which is fast to compare; other values as a list."""
    if str(column.type).startswith(("timestamp", "date")):
        dates: Sequence[Any] = column.to_numpy().astype("datetime64[us]")
        return dates
    cells: Sequence[Any] = column.to_pylist()
    return cells


def _pyarrow(path: Path) -> Any:
    """Return `pyarrow.parquet`; check first that it can read the file."""
    try:
        from pyarrow import parquet
    except ImportError:
        raise DataError(
            f"reading {path} needs pyarrow, which is not installed",
            hint='pip install "starec-sim[parquet]"',
        ) from None
    if not path.is_file():
        raise DataError(f"there is no file {path}", hint="check the path")
    try:
        parquet.read_schema(path)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} is not a Parquet file: {error}", hint="check that the download is complete"
        ) from error
    return parquet


def _recognised(role: str, names: Sequence[str], path: Path, key: str, *, own: bool = False) -> str:
    found = column_for(role, names, own=own)
    if found is None:
        field = "id" if own else role
        raise DataError(
            f"{path}: no column looks like the {role} id; its columns are {', '.join(names)}",
            hint=f"set `{key}: {{{field}: NAME}}`",
        )
    return found
