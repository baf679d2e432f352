"""Delimited text files, with errors that name the file, the line and what to do."""

from __future__ import annotations

import csv
import io
import itertools
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from starec_environments.datasets.columns import Columns, missing_column
from starec_environments.datasets.faults import Faults
from starec_environments.datasets.text_files import read_text
from starec_sim.errors import DataError

CHUNK = 20_000
"""Rows that are held as lists before they become columns."""

Chunk = tuple[list[list[str]], Sequence[int]]
"""Rows, and the line on which each of them ends."""


@dataclass(frozen=True, slots=True)
class TextFormat:
    """How a delimited file is written."""

    separator: str
    """Between fields; more than one character only when not quoted."""
    encoding: str = "utf-8"
    header: Sequence[str] | None = None
    """The names of the columns, when the file has no header."""
    quoted: bool = False
    """Whether a field may be quoted as in CSV, and then hold separators and line breaks."""
    escape: str | None = None
    """The character before a quote inside a quoted field."""
    separator_key: str = ""
    """The setting that names the separator; empty when there is none."""
    trusted: bool = False
    """Whether a quoted field may hold what looks like whole lines of the table."""


def read_table(
    path: Path, form: TextFormat, faults: Faults | None = None, names: Sequence[str] | None = None
) -> Columns:
    """Read a delimited file.

    Args:
        path: The file.
        form: How it is written.
        faults: What to do with rows of another width; None refuses them.
        names: The columns to keep; None keeps all.

    Raises:
        DataError: The file cannot be read, has no rows, lacks a column, or has a row of another
            width.
    """
    faults = faults or Faults(path, "error")
    text = read_text(path, form.encoding)
    chunks = _quoted(path, text, form, faults) if form.quoted else _plain(text, form.separator)
    header = list(form.header or ())
    columns: dict[str, list[str]] = {}
    lines = array("q")
    # Values that repeat share one text: a million ratings are five or ten texts.
    shared: dict[str, dict[str, str]] = {}
    for rows, ends in chunks:
        if not header:
            header, rows, ends = rows[0], rows[1:], ends[1:]
        if not columns:
            columns = {name: [] for name in _kept(path, header, names)}
            places = {name: header.index(name) for name in columns}
        if set(map(len, rows)) - {len(header)}:
            rows, ends = _of_width(rows, ends, header, form, faults)
        turned = list(zip(*rows, strict=True))
        for name, place in places.items() if turned else ():
            cells = turned[place]
            if not columns[name] and len(set(cells)) < 0.75 * len(cells):
                shared[name] = {}
            once = shared.get(name)
            columns[name].extend(cells if once is None else map(once.setdefault, cells, cells))
        lines.extend(ends)
    if not lines:
        why = next(iter(faults.notes()), f"{path} has a header and no rows")
        raise DataError(
            why if not faults.counts else f"{path}: none of its lines could be read; {why}",
            hint="check the separator and the header" if faults.counts else "",
        )
    left_out = tuple(name for name in header if name not in columns)
    return Columns(path, columns, lines, left_out=left_out)


def _kept(path: Path, header: Sequence[str], names: Sequence[str] | None) -> Sequence[str]:
    """Return the columns that are kept, each once.

    Raises:
        DataError: One is not there, or two columns have one name.
    """
    if len(set(header)) < len(header):
        twice = next(name for name in header if list(header).count(name) > 1)
        raise DataError(f'{path} has two columns named "{twice}"', hint="rename one of them")
    for name in names or ():
        if name not in header:
            raise missing_column(path, name, header)
    return header if names is None else list(dict.fromkeys(names))


def _plain(text: str, separator: str) -> Iterator[Chunk]:
    written = text.rstrip("\n").split("\n")
    for start in range(0, len(written), CHUNK):
        part = written[start : start + CHUNK]
        lines: Sequence[int] = range(start + 1, start + len(part) + 1)
        if not all(part):
            lines = [line for line, row in zip(lines, part, strict=True) if row]
            part = [row for row in part if row]
        if part:
            yield [row.split(separator) for row in part], lines


def _quoted(path: Path, text: str, form: TextFormat, faults: Faults) -> Iterator[Chunk]:
    # newline="" keeps line breaks inside quotes as they are; csv splits the others itself.
    stream = io.StringIO(text, newline="")
    reader = csv.reader(stream, delimiter=form.separator, escapechar=form.escape, strict=True)
    while True:
        rows: list[list[str]] = []
        before, problem = reader.line_num, ""
        try:
            # The rows before an error stay in the list.
            rows.extend(itertools.islice(reader, CHUNK))
        except csv.Error as error:
            problem = str(error)
        read = reader.line_num - before
        lines: Sequence[int] = range(before + 1, reader.line_num + 1)
        if len(rows) < read:
            lines = _ends(rows, before)
            _check_swallowed(path, rows, lines, form)
        if problem:
            start = lines[-1] + 1 if rows else before + 1
            _bad_quotes(path, start, reader.line_num, problem, form, faults)
        elif not rows:
            return
        if not all(rows):
            lines = [line for line, row in zip(lines, rows, strict=True) if row]
            rows = [row for row in rows if row]
        if rows:
            yield rows, lines


def _ends(rows: Sequence[Sequence[str]], before: int) -> list[int]:
    """Return the line on which each row ends; line breaks inside of fields count."""
    spans = (1 + sum(field.count("\n") + field.count("\r") for field in row) for row in rows)
    return list(itertools.accumulate(spans, initial=before))[1:]


def _check_swallowed(
    path: Path, rows: Sequence[Sequence[str]], lines: Sequence[int], form: TextFormat
) -> None:
    """Refuse a quoted field that holds whole lines of the table.

    In a file without quoting, a name that begins with a quotation mark and another that ends with
    one look like the ends of one field. Files that are separated by tabs seldom have quoting.
    """
    if form.trusted or form.separator != "\t":
        return
    for fields, line in zip(rows, lines, strict=True):
        inner = [part for field in fields for part in field.split("\n")[1:]]
        if any("\t" in part for part in inner):
            raise DataError(
                f"{path}, line {line}: a quoted field begins {len(inner)} lines before and holds "
                "whole lines of the table",
                hint="--set data.quoted=false if quotes are part of names; "
                "--set data.quoted=true if the field is right",
            )


def _bad_quotes(
    path: Path, start: int, line: int, problem: str, form: TextFormat, faults: Faults
) -> None:
    """Count a line whose quotes are wrong.

    Raises:
        DataError: Bad lines are errors, or a quote that is never closed took many lines.
    """
    too_long = "field limit" in problem
    if too_long:
        problem = f"a field has more than {csv.field_size_limit():,} characters"
    if faults.rule == "skip" and line == start:
        faults.found(line, problem if too_long else "the quotes are wrong")
        return
    opened = f" (the field begins on line {start})" if line > start else ""
    skip = "" if opened else "; --set data.bad_lines=skip leaves such lines out and counts them"
    raise DataError(
        f"{path}, line {line}: {problem}{opened}",
        hint='a field that holds a quote is written "like ""this"""; --set data.quoted=false if '
        f"quotes are part of the text, or --set 'data.escape=\\' if they are escaped by \\{skip}",
    )


def _of_width(
    rows: list[list[str]],
    ends: Sequence[int],
    header: Sequence[str],
    form: TextFormat,
    faults: Faults,
) -> Chunk:
    """Return the rows with as many fields as the header.

    Raises:
        DataError: There are others, and bad lines are errors.
    """
    width = len(header)
    shown = ", ".join(itertools.islice(header, 8)) + ", ..." * (width > 8)
    key = f" (--set data.{form.separator_key}=... if not)" if form.separator_key else ""
    for row, line in zip(rows, ends, strict=True):
        if len(row) == width:
            continue
        if faults.rule == "error":
            raise DataError(
                f"{faults.path}, line {line}: {len(row)} fields where {width} were expected "
                f"({shown})",
                hint=f"fields are separated by {form.separator!r}{key}; mend the line, or "
                "leave such lines out and have them counted: --set data.bad_lines=skip",
            )
        faults.found(line, f"{len(row)} fields where {width} were expected")
    both = [(row, line) for row, line in zip(rows, ends, strict=True) if len(row) == width]
    return [row for row, _ in both], [line for _, line in both]
