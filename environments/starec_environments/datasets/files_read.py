"""What a reader read: its files, and the bad lines that it left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from starec_environments.datasets.columns import Columns
from starec_environments.datasets.faults import Faults
from starec_environments.datasets.settings import BadLines
from starec_sim.dataset import Dataset

NOT_READ = "columns not read: "
"""What is said of a file before the columns that were left out are named."""
LISTED = 100
"""Files of a folder that are named as not read; the others are counted."""


@dataclass(slots=True)
class FilesRead:
    """The files that a reader opened, what each was taken for, and their bad lines."""

    rule: BadLines = "error"
    taken: dict[Path, str] = field(default_factory=dict)
    """What was read of each file."""
    faults: list[Faults] = field(default_factory=list)

    def open(self, path: Path, what: str) -> Faults:
        """Note that a file is read, and return the counter of its bad lines."""
        self.taken[path] = what
        return self.rows_of(path)

    def rows_of(self, path: Path) -> Faults:
        """Return a further counter of bad lines of a file."""
        self.faults.append(Faults(path, self.rule))
        return self.faults[-1]

    def note_columns(self, table: Columns) -> None:
        """Note which columns of a table were read, and which were not."""
        self.taken[table.path] += f" ({', '.join(table.columns)})"
        if table.left_out:
            left_out = ", ".join(name or "one without a name" for name in table.left_out)
            self.taken[table.path] += f"; {NOT_READ}{left_out}"

    def finish(self, dataset: Dataset, notes: Mapping[str, int] | None = None) -> Dataset:
        """Return the dataset with what was read, what was not, and what was left out."""
        counted = {note: n for faults in self.faults for note, n in faults.notes().items()}
        return replace(
            dataset,
            notes={**counted, **dataset.notes, **(notes or {})},
            files={**{path.name: what for path, what in self.taken.items()}, **self._not_read()},
        )

    def _not_read(self) -> dict[str, str]:
        """Return the other files and folders beside those that were read."""
        places = dict.fromkeys(path.parent for path in self.taken)
        others = [
            entry.name + "/" * entry.is_dir()
            for place in places
            for entry in sorted(place.iterdir())
            if entry not in self.taken and entry not in places and not entry.name.startswith(".")
        ]
        said = dict.fromkeys(others[:LISTED], "not read")
        if len(others) > LISTED:
            said[f"{len(others) - LISTED} further files"] = "not read"
        return said
