"""Data in the format of UserMirrorer (Wei et al., 2025, arXiv 2508.18142)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from starec_environments.datasets.amazon_files import parsed
from starec_environments.datasets.assembly import ItemColumns, LogTable, assemble, read_items
from starec_environments.datasets.assembly import read_users as users_of
from starec_environments.datasets.columns import Columns
from starec_environments.datasets.faults import Faults
from starec_environments.datasets.files_read import FilesRead
from starec_environments.datasets.line_reader import read_lines
from starec_environments.datasets.paths import folder, only
from starec_environments.datasets.rating_questions import RatingColumn
from starec_environments.datasets.ratings import read_ratings
from starec_environments.datasets.settings import FileSettings
from starec_environments.datasets.times import read_times
from starec_sim.dataset import Dataset
from starec_sim.errors import DataError, did_you_mean

TITLES = ("title", "name", "app_name", "caption")
"""Keys of `item_description` that hold a title, in the datasets of the paper."""
NOT_RATED = "Not Rated"
"""What stands in place of a rating that was not given."""
LONGEST = 80
"""Characters of a value that becomes an attribute by itself; longer ones are descriptions."""
LOG = ("user_id", "item_id", "timestamp", "behavior_features")

Record = Mapping[str, Any]


class UserMirrorer:
    """Users, items and behaviours as JSON lines, in UserMirrorer's format for raw data.

    NAME_interaction.jsonl has `user_id`, `item_id`, `timestamp` and `behavior_features`, whose
    `rating` is read if there is one. NAME_item_feature.jsonl has `item_id` and `item_description`,
    NAME_user_feature.jsonl has `user_id` and `user_description`. The evaluation set holds finished
    prompts, in which no items can be told apart; it is not read.
    """

    class Config(FileSettings):
        """Where the files are, and what of an item is shown."""

        name: str | None = None
        """The part of the names before `_interaction.jsonl`; needed when the folder has several."""
        title: str | None = None
        """The key of `item_description` that holds the title; else the first of title, name,
        app_name and caption."""
        attributes: tuple[str, ...] | None = None
        """Keys of `item_description` on the card; all whose values have at most 80 characters when
        empty."""
        exposures: bool = False
        """Whether the list that was shown with a user's last choice (`impression_list`) becomes her
        candidates, for protocols with `negatives: shipped`."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._files = FilesRead(config.bad_lines)

    def load(self) -> Dataset:
        """Read the dataset.

        Raises:
            DataError: A file is missing, or its format is wrong.
        """
        place = folder(self.config.path, "NAME_interaction.jsonl, NAME_item_feature.jsonl")
        path = only(place, "*_interaction.jsonl", self.config.name)
        name = path.name.removesuffix("_interaction.jsonl")
        log, records = self._log(path)
        items_file = place / f"{name}_item_feature.jsonl"
        items, faults = self._table(items_file, "items", "item_id", "item_description")
        users_file = place / f"{name}_user_feature.jsonl"
        users, user_faults = self._table(users_file, "users", "user_id", "user_description")
        profile = {key: key for key in users.columns if key != "user_id"}
        described = self._described(items)
        dataset = assemble(
            name,
            log,
            users_of(users, "user_id", profile, self.config, user_faults),
            read_items(items, described, self.config, faults),
            self.config,
        )
        if self.config.exposures:
            dataset = replace(dataset, candidates=_exposures(path, records, log, dataset))
        return self._files.finish(dataset)

    def _log(self, path: Path) -> tuple[LogTable, list[Record]]:
        faults = self._files.open(path, "interactions")
        lines, records = [], []
        for number, record in _records(path, faults):
            if missing := [key for key in LOG if key not in record]:
                faults.found(number, f"there is no {missing[0]}")
            elif not isinstance(record["behavior_features"], dict):
                faults.found(number, "behavior_features is no JSON object")
            else:
                lines.append(number)
                records.append(record)
        given = [record["behavior_features"].get("rating") for record in records]
        ratings = ["" if rating in (None, NOT_RATED) else rating for rating in given]
        columns = {key: [record[key] for record in records] for key in LOG[:3]}
        table = Columns(path, {**_as_text(columns), "rating": ratings}, lines)
        column = RatingColumn("rating" if any(map(str, ratings)) else None, "")
        meaning = self.config
        if column.name is not None:
            meaning = meaning.model_copy(update={"unrated": (*meaning.unrated, "blank")})
        stars = read_ratings(table, column, meaning, faults, ".")
        times = read_times(table, "timestamp", "", self.config.time_format, faults)
        return LogTable(table, stars, times, "user_id", "item_id", faults), records

    def _table(self, path: Path, what: str, id: str, description: str) -> tuple[Columns, Faults]:
        """Return a file of features: the id, and a column for each key of the description."""
        faults = self._files.open(path, what)
        lines, ids, cells = [], [], []
        for number, record in _records(path, faults):
            described = record.get(description, {})
            if id not in record:
                faults.found(number, f"there is no {id}")
            elif not isinstance(described, dict):
                faults.found(number, f"{description} is no JSON object")
            else:
                lines.append(number)
                ids.append(record[id])
                cells.append(described)
        keys = dict.fromkeys(key for each in cells for key in each if key != id)
        columns = {key: [each.get(key) for each in cells] for key in keys}
        return Columns(path, {**_as_text({id: ids}), **columns}, lines), faults

    def _described(self, items: Columns) -> ItemColumns:
        """Return which columns are title and attributes."""
        keys = [key for key in items.columns if key != "item_id"]
        asked = [key for key in (self.config.title, *(self.config.attributes or ())) if key]
        for key in asked:
            if key not in keys:
                raise DataError(
                    f'{items.path}: no item_description has "{key}"; {did_you_mean(key, keys)}',
                    hint=f"there are {', '.join(keys)}",
                )
        title = self.config.title or next((key for key in TITLES if key in keys), None)
        if self.config.attributes is not None:
            return ItemColumns("item_id", title, {key: key for key in self.config.attributes})
        short = {
            key: key
            for key in keys
            if key != title and max(len(str(cell)) for cell in items.columns[key]) <= LONGEST
        }
        return ItemColumns("item_id", title, short)


def _records(path: Path, faults: Faults) -> Sequence[tuple[int, Record]]:
    records = []
    for number, line in read_lines(path):
        record = parsed(line)
        if record is None:
            faults.found(number, "this is no JSON object", line.decode("utf-8", "replace"))
        else:
            records.append((number, record))
    if not records:
        raise DataError(f"{path}: none of its lines is a JSON object", hint="check the download")
    return records


def _as_text(columns: Mapping[str, Sequence[object]]) -> dict[str, list[str]]:
    """Return ids and times as text: pandas writes some of them as numbers."""
    return {
        name: ["" if cell is None else str(cell) for cell in cells]
        for name, cells in columns.items()
    }


def _exposures(
    path: Path, records: Sequence[Record], log: LogTable, dataset: Dataset
) -> dict[int, tuple[int, ...]]:
    """Return what was shown with the last choice of each user, without the choice."""
    row_of_item = {item.id: row for row, item in enumerate(dataset.items)}
    row_of_user = {user.id: row for row, user in enumerate(dataset.users)}
    shown: dict[int, tuple[int, ...]] = {}
    for place in np.argsort(log.times, kind="stable").tolist():
        record = records[place]
        listed = record["behavior_features"].get("impression_list")
        user = row_of_user.get(str(record["user_id"]))
        if user is None or not isinstance(listed, list):
            continue
        chosen = row_of_item.get(str(record["item_id"]))
        rows = [row_of_item[str(item)] for item in listed if str(item) in row_of_item]
        shown[user] = tuple(row for row in dict.fromkeys(rows) if row != chosen)
    if not shown:
        raise DataError(
            f"{path}: no behavior_features has an impression_list, so it is not known what was "
            "shown",
            hint="leave data.exposures out; the format has such lists for MIND only",
        )
    return shown
