"""RecBole's atomic files: NAME.inter, NAME.item, NAME.user (Zhao et al., 2021)."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from pydantic import Field

from starec_environments.datasets.assembly import (
    ItemColumns,
    assemble,
    read_items,
    read_users,
)
from starec_environments.datasets.columns import joined
from starec_environments.datasets.files_read import FilesRead
from starec_environments.datasets.log_table import LogColumnNames, check_no_unclear, read_log
from starec_environments.datasets.paths import folder
from starec_environments.datasets.recbole_files import (
    atomic_format,
    dataset_name,
    log_files,
    read_atomic,
)
from starec_environments.datasets.settings import FileSettings, LogTextSettings
from starec_environments.datasets.text_tables import TextFormat
from starec_sim.dataset import Dataset
from starec_sim.errors import DataError
from starec_sim.types import Item, User

TITLES = ("title", "movie_title", "name")
RENAMED = {"release_year": "year"}
"""Columns that get another name as attributes, unless `attributes` says otherwise."""


class RecBole:
    """A dataset in RecBole's atomic files.

    The first line of each file names its columns as `field:type`. NAME.inter may be split into
    NAME.train.inter, NAME.valid.inter and NAME.test.inter, which are read as one log. The files
    NAME.item and NAME.user may be missing: items are then titled by their ids, and users have no
    profile.
    """

    class Config(FileSettings, LogTextSettings):
        """Where the files are, and what their columns mean."""

        name: str | None = None
        """The part of the name before `.inter`; needed when the folder (`path`) holds several."""
        separator: str = "\t"
        user: str = "user_id"
        item: str = "item_id"
        rating: str | None = None
        """By default `rating` where there is one; with null, items were consumed without a
        rating."""
        time: str | None = None
        """By default `timestamp` where there is one; with null, the order of the lines."""
        title: str | None = None
        """None takes the first of title, movie_title and name."""
        attributes: dict[str, str] | None = None
        """Attribute name to column, e.g. `{genre: class}`; None takes every other token column
        under its own name (`release_year` as `year`)."""
        separators: dict[str, str] = Field(default_factory=dict)
        """Column to the separator of its values; for columns of type token_seq it is a space."""
        ignore: tuple[str, ...] = ("zip_code",)
        """Columns that become neither attribute nor profile."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def load(self) -> Dataset:
        """Read the dataset.

        Raises:
            DataError: A file is missing, or its format is wrong.
        """
        config, files = self.config, FilesRead(self.config.bad_lines)
        place = folder(config.path, "NAME.inter")
        paths = log_files(place, config.name)
        parts = [
            read_atomic(path, self._form, files.open(path, "interactions"))[0] for path in paths
        ]
        if any("item_id_list" in part.columns for part in parts):
            raise DataError(
                f"{paths[0]}: each line holds the list of items before an item (item_id_list)",
                hint="--set data.use=agentcf reads such files; it needs a column user_id",
            )
        for part in parts:
            files.note_columns(part)
        log = joined(parts)
        names = LogColumnNames(
            config.user,
            config.item,
            self._named("rating", "rating", log.columns),
            self._named("time", "timestamp", log.columns),
        )
        if names.rating is None and "rating" not in config.model_fields_set:
            check_no_unclear(log, "rating")
        name = dataset_name(paths[0])
        dataset = assemble(
            name,
            read_log(log, names, config, files.rows_of(log.path), config.decimal),
            users=self._users(place / f"{name}.user", files),
            items=self._items(place / f"{name}.item", files),
            rules=config,
        )
        return files.finish(dataset)

    @property
    def _form(self) -> TextFormat:
        return atomic_format(self.config.separator, self.config)

    def _named(self, key: str, usual: str, columns: Collection[str]) -> str | None:
        """Return the column that the settings name, or the usual one where they say nothing."""
        if key in self.config.model_fields_set:
            name: str | None = getattr(self.config, key)
            return name
        return usual if usual in columns else None

    def _items(self, path: Path, files: FilesRead) -> list[Item] | None:
        if not path.is_file():
            return None
        config, faults = self.config, files.open(path, "items")
        table, types = read_atomic(path, self._form, faults)
        title = config.title or next((name for name in TITLES if name in types), None)
        attributes = config.attributes
        if attributes is None:
            left = [name for name, kind in types.items() if kind.startswith("token")]
            taken = {config.item, title, *config.ignore}
            attributes = {RENAMED.get(name, name): name for name in left if name not in taken}
        spaced = {name: " " for name, kind in types.items() if kind == "token_seq"}
        columns = ItemColumns(config.item, title, attributes, {**spaced, **config.separators})
        return read_items(table, columns, config, faults)

    def _users(self, path: Path, files: FilesRead) -> list[User] | None:
        if not path.is_file():
            return None
        config, faults = self.config, files.open(path, "users")
        table, types = read_atomic(path, self._form, faults)
        taken = {config.user, *config.ignore}
        left = [name for name, kind in types.items() if kind != "float_seq" and name not in taken]
        return read_users(table, config.user, {name: name for name in left}, config, faults)
