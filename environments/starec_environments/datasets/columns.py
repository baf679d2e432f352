"""Tables of text as columns, with errors that name the file, the line and what to do."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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

    def __len__(self) -> int:
        return len(self.lines)

    def column(self, name: str) -> Sequence[Any]:
        """Return a column.

        Raises:
            DataError: There is no such column; the message names the nearest.
        """
        if name not in self.columns:
            raise DataError(
                f'{self.path} has no column "{name}"; {did_you_mean(name, self.columns)}',
                hint=f"its columns are {', '.join(self.columns)}; name the right one in the "
                "dataset's settings",
            )
        return self.columns[name]

    def at(self, row: int) -> str:
        """Return the file and line of a row, for messages."""
        return f"{self.path}, {self.unit} {self.lines[row]}"


def read_text(path: Path, encoding: str) -> str:
    """Return a file's text, without a byte order mark and with plain line feeds.

    Raises:
        DataError: The file is missing, empty, not a file, or not in this encoding.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise DataError(
            f"there is no file {path}", hint="check the path and that the download is complete"
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    try:
        text = data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}, line {line}: byte {error.start} is 0x{data[error.start]:02x}, "
            f"which is not {encoding}",
            hint="set `encoding` to the file's own, e.g. latin-1 or cp1252",
        ) from None
    except LookupError:
        raise DataError(
            f'there is no encoding called "{encoding}"', hint="e.g. utf-8, latin-1, cp1252"
        ) from None
    if not text.strip():
        raise DataError(f"{path} is empty", hint="check that the download is complete")
    return text.replace("\r\n", "\n")


def read_table(
    path: Path,
    separator: str,
    *,
    encoding: str = "utf-8",
    header: Sequence[str] | None = None,
    quoted: bool = False,
) -> Columns:
    """Read a delimited file.

    Args:
        path: The file.
        separator: Between fields; more than one character only when not quoted.
        encoding: Its name in Python.
        header: The names of the columns, when the file has no header.
        quoted: Whether a field may be quoted as in CSV, and then hold separators and line breaks.

    Raises:
        DataError: The file cannot be read, has no rows, or has a row of another width.
    """
    text = read_text(path, encoding)
    lines: Sequence[int]
    if quoted:
        rows, lines = _quoted_rows(path, text, separator)
    else:
        written = text.rstrip("\n").split("\n")
        lines = range(1, len(written) + 1)
        if not all(written):
            lines = [line for line, row in zip(lines, written, strict=True) if row]
            written = [row for row in written if row]
        rows = [row.split(separator) for row in written]
    if header is None:
        header, rows, lines = rows[0], rows[1:], lines[1:]
    if len(set(header)) < len(header):
        twice = next(name for name in header if list(header).count(name) > 1)
        raise DataError(f'{path} has two columns named "{twice}"', hint="rename one of them")
    if not rows:
        raise DataError(f"{path} has a header and no rows")
    width = len(header)
    if set(map(len, rows)) != {width}:
        bad = next(row for row, fields in enumerate(rows) if len(fields) != width)
        raise DataError(
            f"{path}, line {lines[bad]}: {len(rows[bad])} fields where {width} were expected "
            f"({', '.join(itertools.islice(header, 8))}{', ...' * (width > 8)})",
            hint=f"fields are separated by {separator!r}; mend the line, or set the separator",
        )
    return Columns(path, dict(zip(header, zip(*rows, strict=True), strict=True)), lines)


def _quoted_rows(path: Path, text: str, separator: str) -> tuple[list[list[str]], list[int]]:
    # newline="" keeps line breaks inside quotes as they are; csv splits the others itself.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows, lines = [], []
    try:
        for row in reader:
            if row:
                rows.append(row)
                lines.append(reader.line_num)
    except csv.Error as error:
        raise DataError(
            f"{path}, line {reader.line_num}: {error}",
            hint='a field that holds a quote is written "like ""this"""',
        ) from None
    return rows, lines
