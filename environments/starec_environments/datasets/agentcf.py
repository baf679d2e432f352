"""The sampled Amazon data that ships with AgentCF (Zhang et al., 2024)."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from pathlib import Path

import numpy as np

from starec_environments.datasets.assembly import ItemColumns, LogTable, assemble, read_items
from starec_environments.datasets.clean_text import unmarked
from starec_environments.datasets.columns import Columns
from starec_environments.datasets.files_read import FilesRead
from starec_environments.datasets.paths import folder, only
from starec_environments.datasets.recbole import TITLES
from starec_environments.datasets.recbole_files import SPLITS, atomic_format, read_atomic
from starec_environments.datasets.settings import BadLines, LogRules, TextSettings
from starec_environments.datasets.text_tables import read_table
from starec_sim.dataset import Dataset
from starec_sim.errors import DataError
from starec_sim.types import Item

VALUE_SEPARATOR = "; "


class AgentCF:
    """Users with sequences of items that they bought and liked, and candidates for the next item.

    NAME.train.inter, NAME.valid.inter and NAME.test.inter say which item came after which list of
    items; together they give the sequence of each user. Its positions are the times, the ratings
    are NaN (a purchase has none), and NAME.random becomes `Dataset.candidates`.
    """

    class Config(LogRules, TextSettings):
        """Where the files are, and which part of the catalogue is kept."""

        path: Path | None = None
        """The folder with the files."""
        name: str | None = None
        """The part of the name before `.train.inter`; needed when the folder holds several."""
        catalogue: str | None = None
        """The part of the name before `.item`; needed when the folder holds several."""
        bad_lines: BadLines = "error"
        """Lines that cannot be read; `skip` leaves them out and counts them."""
        full_catalogue: bool = False
        """Whether to keep items that occur in no sequence and among no candidates."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._form = atomic_format("\t", config)
        self._files = FilesRead(config.bad_lines)

    def load(self) -> Dataset:
        """Read the dataset.

        Raises:
            DataError: A file is missing, or the splits contradict each other.
        """
        config = self.config
        place = folder(config.path, "NAME.train.inter, NAME.valid.inter, NAME.test.inter")
        name = only(place, "*.train.inter", config.name).name.removesuffix(".train.inter")
        sequences = self._sequences([place / f"{name}.{split}.inter" for split in SPLITS])
        candidates = self._candidates(place / f"{name}.random")
        wanted = {
            item for lists in (sequences, candidates) for ids in lists.values() for item in ids
        }
        items = self._items(only(place, "*.item", config.catalogue), wanted)
        dataset = self._dataset(name, place / f"{name}.test.inter", sequences, items)
        row_of = {item.id: row for row, item in enumerate(items)}
        known = {
            user: tuple(row_of[item] for item in candidates[person.id] if item in row_of)
            for user, person in enumerate(dataset.users)
            if person.id in candidates
        }
        return self._files.finish(replace(dataset, candidates=known))

    def _sequences(self, paths: list[Path]) -> dict[str, list[str]]:
        """Return the items of each user in the order of her log."""
        sequences: dict[str, list[str]] = {}
        for path in paths:
            table, _ = read_atomic(path, self._form, self._files.open(path, "sequences"))
            users, lists, nexts = map(table.column, ("user_id", "item_id_list", "item_id"))
            for row, (user, before, item) in enumerate(zip(users, lists, nexts, strict=True)):
                listed = before.split()
                sequence = sequences.setdefault(user, listed)
                # A list may have been cut to its last items, so that it is an end, not the whole.
                if sequence[len(sequence) - len(listed) :] != listed:
                    raise DataError(
                        f'{table.at(row)}: the list of user "{user}" does not continue what the '
                        f"lines before it say ({' '.join(sequence[-3:])})",
                        hint="a user's lines stand in the order of time, train before valid "
                        "before test; sort them so",
                    )
                sequences[user] = [*sequence, item]
        return sequences

    def _candidates(self, path: Path) -> Mapping[str, list[str]]:
        """Return the candidate items of each user; no file, no candidates."""
        if not path.is_file():
            return {}
        form = replace(self._form, header=("user_id", "candidates"))
        table = read_table(path, form, self._files.open(path, "candidates"))
        lists = map(str.split, table.column("candidates"))
        return dict(zip(table.column("user_id"), lists, strict=True))

    def _items(self, path: Path, wanted: AbstractSet[str]) -> list[Item]:
        faults = self._files.open(path, "items")
        table, types = read_atomic(path, self._form, faults)
        title = next((name for name in TITLES if name in types), None)
        texts = [name for name in types if name not in ("item_id", title)]
        ids = table.column("item_id")
        rows = [row for row, id in enumerate(ids) if self.config.full_catalogue or id in wanted]
        columns = {name: [cells[row] for row in rows] for name, cells in table.columns.items()}
        # The texts are from web pages and still contain `&amp;`, whose `;` is no separator.
        for name in set(columns) - {"item_id"}:
            columns[name] = list(map(unmarked, columns[name]))
        kept = Columns(path, columns, [table.lines[row] for row in rows])
        attributes = {name: name for name in texts}
        separators = dict.fromkeys(texts, VALUE_SEPARATOR)
        described = ItemColumns("item_id", title, attributes, separators)
        return read_items(kept, described, self.config, faults)

    def _dataset(
        self, name: str, path: Path, sequences: Mapping[str, list[str]], items: list[Item]
    ) -> Dataset:
        users = [user for user, sequence in sequences.items() for _ in sequence]
        times = [time for sequence in sequences.values() for time in range(len(sequence))]
        met = [item for sequence in sequences.values() for item in sequence]
        log = Columns(path, {"user": users, "item": met}, range(1, len(users) + 1), "interaction")
        return assemble(
            name,
            LogTable(log, np.full(len(users), np.nan), np.array(times, dtype=np.int64)),
            users=None,
            items=items,
            rules=self.config,
        )
