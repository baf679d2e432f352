"""Tables of a folder that would not be read: the reader asks about parts of the log, and names all.

See docs/decisions/0151-tables-that-lie-unread.md.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from shlex import quote

from starec_environments.datasets.table_files import NUMBER, SPLIT, is_value, read_header
from starec_environments.datasets.text_files import first_text
from starec_sim.errors import DataError, DataWarning

TEXT_TABLES = (".csv", ".tsv", ".tab", ".txt", ".dat")
"""Endings of files in a folder that are looked into; a file that is named may have any."""
PARQUET = ".parquet"
_OTHER_TABLES = (PARQUET, ".jsonl", ".xlsx", ".xls", ".feather")
_LINES, _CHARACTERS = 5, 20_000
"""Of a text that are looked at, to tell a table from prose."""
_LISTED = 5
"""Tables that are named; the others are counted."""


def suffix(file: Path) -> str:
    """Return the ending of a file, without that of its packing.

    >>> suffix(Path("log.CSV.gz"))
    '.csv'
    """
    return Path(file.name.lower().removesuffix(".gz")).suffix


def check_unread(
    files: Iterable[Path], read: Collection[str], log: Sequence[Path], width: int
) -> None:
    """Ask about tables that seem to belong to the log, and warn of others that are not read.

    Args:
        files: All files of the folder.
        read: The names of those that are read.
        log: The files of interactions.
        width: How many columns they have.

    Raises:
        DataError: A table that is not read is named like a part of the log, or has as many fields
            and no header.
    """
    tables = [file for file in files if file.name not in read and _is_table(file)]
    parts = [file for file in tables if _is_named_as_part(file, log) or _is_bare(file, width)]
    if parts:
        raise _asked(parts, log)
    if tables:
        names = ", ".join(file.name for file in tables[:_LISTED])
        more = f" and {len(tables) - _LISTED} more" if len(tables) > _LISTED else ""
        verb = "is a table that is" if len(tables) == 1 else "are tables that are"
        warnings.warn(
            f"{log[0].parent}: {names}{more} {verb} not read; the interactions are those of "
            f"{', '.join(file.name for file in log)}",
            DataWarning,
            stacklevel=2,
        )


def _is_table(file: Path) -> bool:
    """Return whether a file seems to be a table: the first lines of a text have the same fields."""
    if suffix(file) not in TEXT_TABLES:
        return suffix(file) in _OTHER_TABLES
    _, delimiter = read_header(file)
    lines = first_text(file, "utf-8", _CHARACTERS).strip("\n").split("\n")[:_LINES]
    fields = {line.count(delimiter) for line in lines}
    return len(lines) > 1 and min(fields) > 0 and (len(fields) == 1 or delimiter == ",")


def _is_named_as_part(file: Path, log: Iterable[Path]) -> bool:
    """Return whether a name holds train, valid, dev or test, or differs by numbers from the log."""
    name = _stem(file)
    return bool(SPLIT.search(name)) or any(
        NUMBER.sub("#", name) == NUMBER.sub("#", _stem(other)) for other in log
    )


def _is_bare(file: Path, width: int) -> bool:
    """Return whether a text has as many fields as the log, and begins with a row of values."""
    if suffix(file) not in TEXT_TABLES:
        return False
    names, _ = read_header(file)
    return len(names) == width and any(map(is_value, names))


def _stem(file: Path) -> str:
    return Path(file.name.lower().removesuffix(".gz")).stem


def _asked(parts: Sequence[Path], log: Sequence[Path]) -> DataError:
    first, names = parts[0], ", ".join(file.name for file in parts)
    others = ""
    if {suffix(file) for file in parts} != {suffix(log[0])}:
        mend = f"write {names} in the format of {log[0].name}"
        others = f" (or ={first.name})" if suffix(first) in (*TEXT_TABLES, PARQUET) else ""
    elif any(map(is_value, read_header(first)[0])):
        line = first_text(log[0], "utf-8", _CHARACTERS).lstrip("\n").partition("\n")[0][:100]
        mend = f"{first.name} has no header: give it that of {log[0].name} ({line})"
    else:
        mend = f"give {names} the columns of {log[0].name}"
    chosen = log[0].name if len(log) == 1 else f"[{', '.join(file.name for file in log)}]"
    setting = quote(f"data.interactions={chosen}")
    return DataError(
        f"{first.parent} holds {names}, which would not be read and may belong to "
        f"{', '.join(file.name for file in log)}",
        hint=f"{mend}; or read only a part: --set {setting}{others}",
    )
