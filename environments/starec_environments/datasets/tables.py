"""A user's own tables, CSV or Parquet: interactions, and optionally items and users."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from starec_environments.datasets.assembly import (
    ItemColumns,
    assemble,
    read_items,
    read_users,
)
from starec_environments.datasets.column_names import ATTRIBUTES, PROFILE, column_for, described
from starec_environments.datasets.columns import Columns, joined, missing_column
from starec_environments.datasets.faults import Faults
from starec_environments.datasets.files_read import FilesRead
from starec_environments.datasets.log_table import LogColumnNames, check_no_unclear, read_log
from starec_environments.datasets.parquet_columns import cells, check_type, is_text
from starec_environments.datasets.paths import folder, listing
from starec_environments.datasets.settings import FileSettings, LogTextSettings
from starec_environments.datasets.table_files import NAMED_DELIMITERS, read_header
from starec_environments.datasets.text_files import no_file, read_text, unpacked_limit
from starec_environments.datasets.text_tables import TextFormat, read_table
from starec_sim.dataset import Dataset
from starec_sim.errors import ConfigError, DataError
from starec_sim.settings import Settings
from starec_sim.types import Item, User


class LogColumns(Settings):
    """Columns of the interactions file. A column that is not named is found by its usual names."""

    user: str | None = None
    item: str | None = None
    rating: str | None = None
    """With null, or where there is none, items were consumed without a rating (NaN)."""
    time: str | None = None
    """Numbers, or dates as ISO 8601; with null, or where there is none, the order of the rows."""


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


def _names(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class TableSettings(FileSettings):
    """Settings of both kinds of tables."""

    interactions: Annotated[tuple[str, ...] | None, BeforeValidator(_names)] = Field(
        default=None, min_length=1
    )
    """File name within `path`, or several that are read as one log in this order; None when `path`
    is the file itself."""
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
    decimal = "."

    def __init__(self, config: TableSettings) -> None:
        self.config = config

    def load(self) -> Dataset:
        """Read the dataset.

        Raises:
            DataError: A file or a column is missing, or a value is wrong.
        """
        config, files = self.config, FilesRead(self.config.bad_lines)
        paths = self._interactions()
        names = self._columns(paths[0])
        wanted = [name for name in names[:4] if name is not None]
        parts = []
        for path in paths:
            parts.append(self.table(path, wanted, files.open(path, "interactions")))
            files.note_columns(parts[-1])
        log = joined(parts)
        if names.rating is None and "rating" not in config.columns.model_fields_set:
            check_no_unclear(log, "columns.rating")
        place = paths[0].parent
        dataset = assemble(
            _stem(paths[0]) if len(paths) == 1 else place.resolve().name,
            read_log(log, names, config, files.rows_of(log.path), self.decimal),
            users=self._users(place / config.users, files) if config.users else None,
            items=self._items(place / config.items, files) if config.items else None,
            rules=config,
        )
        return files.finish(dataset)

    def _columns(self, path: Path) -> LogColumnNames:
        """Return the columns that the settings name, else those with usual names."""
        names, given = self.names(path), self.config.columns
        chosen = given.model_fields_set
        return LogColumnNames(
            given.user or _recognised("user", names, path, "columns"),
            given.item or _recognised("item", names, path, "columns"),
            given.rating if "rating" in chosen else column_for("rating", names),
            given.time if "time" in chosen else column_for("time", names),
            "columns.",
        )

    @abstractmethod
    def names(self, path: Path) -> list[str]:
        """Return the names of a file's columns."""

    @abstractmethod
    def table(
        self, path: Path, names: Sequence[str], faults: Faults, lists: Collection[str] = ()
    ) -> Columns:
        """Return the named columns of a file; rows that cannot be read are counted as faults.

        Args:
            path: The file.
            names: The columns.
            faults: Of the file.
            lists: The columns whose cells may hold several values.
        """

    def _interactions(self) -> list[Path]:
        path, names = self.config.path, self.config.interactions
        if path is not None and path.expanduser().is_file() and names is None:
            return [path.expanduser()]
        place = folder(path, f"a table ({' or '.join(self.suffixes)})")
        if names is None:
            raise DataError(
                f"{place} is a folder; which of its files holds the interactions? "
                f"It holds {listing(place)}",
                hint="--set data.interactions=FILE, or --data FOLDER, which looks into the files",
            )
        return [place / name for name in names]

    def _items(self, path: Path, files: FilesRead) -> list[Item]:
        names, given = self.names(path), self.config.item_columns
        id = given.id or _recognised("item", names, path, "item_columns", own=True)
        title = given.title or column_for("title", names)
        attributes = given.attributes
        if attributes is None:
            attributes = described(ATTRIBUTES, names)
        wanted = [id, *([title] if title else []), *attributes.values()]
        separators = dict.fromkeys(attributes.values(), self.config.separator)
        columns = ItemColumns(id, title, attributes, separators)
        faults = files.open(path, "items")
        table = self.table(path, wanted, faults, attributes.values())
        files.note_columns(table)
        return read_items(table, columns, self.config, faults)

    def _users(self, path: Path, files: FilesRead) -> list[User]:
        names, given = self.names(path), self.config.user_columns
        id = given.id or _recognised("user", names, path, "user_columns", own=True)
        profile = described(PROFILE, names) if given.profile is None else given.profile
        faults = files.open(path, "users")
        table = self.table(path, [id, *profile.values()], faults, profile.values())
        files.note_columns(table)
        return read_users(table, id, profile, self.config, faults)


class CsvTable(Tables):
    """Delimited text with a header, quoted as in RFC 4180, plain or packed (.gz).

    use: csv
    path: data/mine
    interactions: ratings.csv
    columns: {user: userId, item: movieId, rating: rating, time: timestamp}
    items: movies.csv
    item_columns: {id: movieId, title: title, attributes: {genre: genres}}
    """

    suffixes = (".csv", ".tsv")

    class Config(TableSettings, LogTextSettings):
        """Files, columns and their format."""

        delimiter: str | None = Field(default=None, min_length=1)
        """Between the fields of a line: one character, `tab` or `space`; more than one when
        `quoted` is false. None takes the most frequent of , ; | and tab in the first line."""
        header: tuple[str, ...] | None = Field(default=None, min_length=2)
        """The columns of interactions without a header, in their order."""

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.decimal = config.decimal
        given = config.delimiter
        self._delimiter = NAMED_DELIMITERS.get(given, given) if given is not None else None
        if self._delimiter is not None and (
            self._delimiter in '\r\n"' or (len(self._delimiter) > 1 and config.quoted is not False)
        ):
            raise ConfigError(
                f"data.delimiter: must be one character, tab or space, got {given!r}",
                hint="--set data.quoted=false allows longer ones",
            )

    def names(self, path: Path) -> list[str]:
        """Return the names in the first line."""
        return self._header(path)[0]

    def table(
        self, path: Path, names: Sequence[str], faults: Faults, lists: Collection[str] = ()
    ) -> Columns:
        """Return the named columns of the file."""
        config = self.config
        found, delimiter = self._header(path)
        form = TextFormat(
            delimiter,
            config.encoding,
            found if self._has_no_header(path) else None,
            config.quoted is not False,
            config.escape,
            "delimiter",
            config.quoted is True,
        )
        return read_table(path, form, faults, names)

    def _header(self, path: Path) -> tuple[list[str], str]:
        """Return the columns of a file, and its delimiter."""
        config = self.config
        names, delimiter = read_header(path, config.encoding, self._delimiter)
        if not any(name.strip() for name in names):
            read_text(path, config.encoding)  # says what is wrong with the file
        if config.header is not None and self._has_no_header(path):
            if len(config.header) != len(names):
                raise DataError(
                    f"{path} has {len(names)} columns ({', '.join(names)[:80]}), and data.header "
                    f"names {len(config.header)}",
                    hint="name all of them, those that are not needed by any name",
                )
            names = list(config.header)
        return names, delimiter

    def _has_no_header(self, path: Path) -> bool:
        config = self.config
        return config.header is not None and path.name not in (config.items, config.users)


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

    def table(
        self, path: Path, names: Sequence[str], faults: Faults, lists: Collection[str] = ()
    ) -> Columns:
        """Return the named columns; the others are not read."""
        present = self.names(path)
        if missing := [name for name in names if name not in present]:
            raise missing_column(path, missing[0], present)
        parquet = _pyarrow(path)
        schema, wanted = parquet.read_schema(path), list(dict.fromkeys(names))
        for name in wanted:
            check_type(path, schema.field(name), lists)
        # Otherwise each row gets a copy of its text, which a small file can make gigabytes of.
        texts = [name for name in wanted if is_text(schema.field(name).type)]
        read = parquet.read_table(path, columns=wanted, read_dictionary=texts)
        if not read.num_rows:
            raise DataError(f"{path} has no rows")
        columns = {name: cells(path, name, read.column(name)) for name in read.column_names}
        left_out = tuple(name for name in present if name not in columns)
        return Columns(path, columns, range(1, read.num_rows + 1), "row", left_out=left_out)


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
        raise no_file(path)
    try:
        about = parquet.read_metadata(path)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} is not a Parquet file: {error}", hint="check that the download is complete"
        ) from error
    size = path.stat().st_size
    unpacked = sum(about.row_group(n).total_byte_size for n in range(about.num_row_groups))
    if unpacked > unpacked_limit(size) or about.num_rows > max(1_000_000, 10 * size):
        raise DataError(
            f"{path} has {size:,} bytes and says that it unpacks to {about.num_rows:,} rows and "
            f"{unpacked:,} bytes, so it was not read",
            hint="if that is right, write it as a CSV file, which has no bound",
        )
    return parquet


def _stem(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).stem


def _recognised(role: str, names: Sequence[str], path: Path, key: str, *, own: bool = False) -> str:
    found = column_for(role, names, own=own)
    if found is None:
        field = "id" if own else role
        raise DataError(
            f"{path}: no column looks like the {role} id; its columns are {', '.join(names)}",
            hint=f"name it: --set data.{key}.{field}=NAME",
        )
    return found
