"""RecBole's atomic files: NAME.inter, NAME.item, NAME.user (Zhao et al., 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import Field

from starec_environments.datasets.assembly import (
    FileSettings,
    ItemColumns,
    LogTable,
    assemble,
    read_items,
    read_users,
)
from starec_environments.datasets.columns import Columns, read_table
from starec_environments.datasets.paths import folder, only
from starec_environments.datasets.quantities import read_ratings, read_times
from starec_sim.dataset import Dataset
from starec_sim.errors import DataError, did_you_mean
from starec_sim.types import Item, User

TYPES = ("token", "token_seq", "float", "float_seq")
TITLES = ("title", "movie_title", "name")
RENAMED = {"release_year": "year"}
"""Columns that get another name as attributes, unless `attributes` says otherwise."""


class RecBole:
    """A dataset in RecBole's atomic files.

    The first line of each file names its columns as `field:type`. The files NAME.item and NAME.user
    may be missing: items are then titled by their ids, and users have no profile.
    """

    class Config(FileSettings):
        """Where the files are, and what their columns mean."""

        name: str | None = None
        """The part of the name before `.inter`; needed when the folder (`path`) holds several."""
        separator: str = "\t"
        user: str = "user_id"
        item: str = "item_id"
        rating: str | None = None
        """None takes `rating` where there is one; else items were consumed without a rating."""
        time: str | None = None
        """None takes `timestamp` where there is one; else the order of the lines."""
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
        config = self.config
        place = folder(config.path, "NAME.inter")
        path = only(place, "*.inter", config.name)
        log, _ = read_atomic(path, config.separator, config.encoding)
        has = log.columns.keys()
        rating = config.rating or ("rating" if "rating" in has else None)
        time = config.time or ("timestamp" if "timestamp" in has else None)
        return assemble(
            path.name.removesuffix(".inter"),
            LogTable(
                log,
                read_ratings(log, rating, config.rating_scale),
                read_times(log, time),
                user=config.user,
                item=config.item,
            ),
            users=self._users(path.with_suffix(".user")),
            items=self._items(path.with_suffix(".item")),
            rules=config,
        )

    def _items(self, path: Path) -> list[Item] | None:
        if not path.is_file():
            return None
        config = self.config
        table, types = read_atomic(path, config.separator, config.encoding)
        title = config.title or next((name for name in TITLES if name in types), None)
        attributes = config.attributes
        if attributes is None:
            left = [name for name, kind in types.items() if kind.startswith("token")]
            taken = {config.item, title, *config.ignore}
            attributes = {RENAMED.get(name, name): name for name in left if name not in taken}
        spaced = {name: " " for name, kind in types.items() if kind == "token_seq"}
        columns = ItemColumns(config.item, title, attributes, {**spaced, **config.separators})
        return read_items(table, columns, config)

    def _users(self, path: Path) -> list[User] | None:
        if not path.is_file():
            return None
        config = self.config
        table, types = read_atomic(path, config.separator, config.encoding)
        taken = {config.user, *config.ignore}
        left = [name for name, kind in types.items() if kind != "float_seq" and name not in taken]
        return read_users(table, config.user, {name: name for name in left}, config)


def read_atomic(path: Path, separator: str, encoding: str) -> tuple[Columns, Mapping[str, str]]:
    """Return an atomic file's table, its columns named without their types, and the types.

    Raises:
        DataError: The file cannot be read, or its header is not `field:type`.
    """
    table = read_table(path, separator, encoding=encoding)
    types = {}
    for field in table.columns:
        name, _, kind = field.rpartition(":")
        if not name or kind not in TYPES:
            known = did_you_mean(kind, TYPES) if name else "e.g. user_id:token"
            raise DataError(
                f'{path}, line 1: "{field}" is not `field:type`; {known}',
                hint=f"fields are separated by {separator!r}; set `separator` if that is wrong",
            )
        types[name] = kind
    return replace(table, columns=dict(zip(types, table.columns.values(), strict=True))), types
