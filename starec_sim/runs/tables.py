"""Write rows to a file: Parquet, CSV or JSON lines, by the suffix of the file."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

from starec_sim.errors import RunError, import_problem
from starec_sim.runs.whole_file import whole_path

TableRow = Mapping[str, Any]
"""Values by column; a missing column has no value in this row."""

ColumnType = Literal["text", "integer", "number", "truth", "integers", "numbers", "messages"]
"""The type of a column; `messages` are a list of `{"role": ..., "content": ...}`."""

_LISTS = ("integers", "numbers", "messages")
_BATCH = 1_000
"""Rows held in memory at once."""


def write_rows(file: Path, kinds: Mapping[str, ColumnType], rows: Iterable[TableRow]) -> int:
    """Write all rows to a file, or none, and return their number.

    Without rows no file is written, and an existing file stays.

    Args:
        file: The file; its suffix selects the format.
        kinds: The type of each column.
        rows: The rows, in the order in which they are written.

    Raises:
        RunError: The suffix is unknown, or the file cannot be written.
    """
    writers: dict[str, Callable[[Path, Mapping[str, ColumnType], Iterable[TableRow]], int]] = {
        ".parquet": _parquet,
        ".jsonl": _json_lines,
        ".csv": _csv,
    }
    if any(kind in _LISTS for kind in kinds.values()):
        del writers[".csv"]  # its cells hold no lists
    write = writers.get(file.suffix)
    if write is None:
        raise RunError(
            f"{file} would be a file of an unknown kind",
            hint=f"end its name in {' or '.join(sorted(writers))}",
        )
    rest = iter(rows)
    first = next(rest, None)
    if first is None:
        return 0
    with whole_path(file) as part:
        return write(part, kinds, chain([first], rest))


def _parquet(file: Path, kinds: Mapping[str, ColumnType], rows: Iterable[TableRow]) -> int:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        problem, hint = import_problem(error, "pip install 'starec-sim[parquet]'")
        raise RunError(
            f"Parquet files need pyarrow: {problem}", hint=f"{hint}; or end the name in .jsonl"
        ) from error
    types = {
        "text": pa.string(),
        "integer": pa.int64(),
        "number": pa.float64(),
        "truth": pa.bool_(),
        "integers": pa.list_(pa.int32()),
        "numbers": pa.list_(pa.float32()),
        "messages": pa.list_(pa.struct({"role": pa.string(), "content": pa.string()})),
    }
    schema = pa.schema({name: types[kind] for name, kind in kinds.items()})
    written, rest = 0, iter(rows)
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        while batch := list(islice(rest, _BATCH)):
            writer.write_table(pa.Table.from_pylist(batch, schema))
            written += len(batch)
    return written


def _json_lines(file: Path, kinds: Mapping[str, ColumnType], rows: Iterable[TableRow]) -> int:
    written = 0
    with file.open("w", encoding="utf-8") as out:
        for row in _whole(kinds, rows):
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
            written += 1
    return written


def _csv(file: Path, kinds: Mapping[str, ColumnType], rows: Iterable[TableRow]) -> int:
    written = 0
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, list(kinds))
        writer.writeheader()
        for row in _whole(kinds, rows):
            writer.writerow(row)
            written += 1
    return written


def _whole(kinds: Mapping[str, ColumnType], rows: Iterable[TableRow]) -> Iterator[dict[str, Any]]:
    return ({name: row.get(name) for name in kinds} for row in rows)
