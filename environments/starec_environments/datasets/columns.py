"""Tables as columns, whose rows know the file and the line they come from."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from starec_sim.errors import DataError, did_you_mean


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a file by name, all of one length."""

    path: Path
    columns: Mapping[str, Sequence[Any]]
    lines: Sequence[int]
    """The line of the file on which each row ends."""
    unit: str = "line"
    """What `lines` counts; a Parquet file has rows."""
    further: tuple[tuple[int, Path], ...] = ()
    """The first row and the path of each further file, in order."""
    left_out: tuple[str, ...] = ()
    """Columns of the file that were not read."""

    def __len__(self) -> int:
        return len(self.lines)

    def column(self, name: str) -> Sequence[Any]:
        """Return a column.

        Raises:
            DataError: There is no such column; the message names the nearest.
        """
        if name not in self.columns:
            raise missing_column(self.path, name, self.columns)
        return self.columns[name]

    def file_of(self, row: int) -> Path:
        """Return the file that a row comes from."""
        place = bisect.bisect_right(self.further, row, key=lambda part: part[0])
        return self.further[place - 1][1] if place else self.path

    def at(self, row: int) -> str:
        """Return the file and line of a row, for messages."""
        return f"{self.file_of(row)}, {self.unit} {self.lines[row]}"


def missing_column(path: Path, name: str, known: Collection[str]) -> DataError:
    """Return the error that a file has no such column."""
    return DataError(
        f'{path} has no column "{name}"; {did_you_mean(name, known)}',
        hint=f"its columns are {', '.join(known)}; name the right one in the dataset's settings",
    )


def joined(tables: Sequence[Columns]) -> Columns:
    """Return the rows of several files with the same columns as one table.

    Raises:
        DataError: The files have different columns.
    """
    first, *others = tables
    if not others:
        return first
    for other in others:
        if other.columns.keys() != first.columns.keys():
            raise DataError(
                f"{first.path} and {other.path} have different columns: "
                f"{', '.join(first.columns)} and {', '.join(other.columns)}",
                hint="name the file to read, e.g. --set data.interactions="
                f"{first.path.name}, or give the files the same columns",
            )
    starts = itertools.accumulate(map(len, tables[:-1]))
    return Columns(
        first.path,
        {name: _chained([table.columns[name] for table in tables]) for name in first.columns},
        list(itertools.chain.from_iterable(table.lines for table in tables)),
        first.unit,
        tuple(zip(starts, (other.path for other in others), strict=True)),
        first.left_out,
    )


def _chained(parts: Sequence[Sequence[Any]]) -> Sequence[Any]:
    if all(isinstance(part, np.ndarray) for part in parts):
        return cast(Sequence[Any], np.concatenate([np.asarray(part) for part in parts]))
    return list(itertools.chain.from_iterable(parts))
