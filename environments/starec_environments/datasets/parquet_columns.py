"""Columns of a Parquet file: which types are read, and their cells as plain values."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from starec_sim.errors import DataError

_TEXTS = ("string", "large_string", "binary", "large_binary")
"""Types of columns of texts, as pyarrow writes them. Some programs write texts as binary."""
_NESTED = ("list", "large_list", "fixed_size_list", "struct", "map")
"""How the types of columns begin whose cells hold several values, as pyarrow writes them."""


def is_text(type: Any) -> bool:
    """Return whether the cells of a type are texts; with `read_dictionary` each is read once."""
    return str(type) in _TEXTS


def check_type(path: Path, field: Any, lists: Collection[str]) -> None:
    """Refuse a column whose cells hold more than can be read from them.

    Args:
        path: The file.
        field: The column, with its name and type.
        lists: The columns whose cells may be lists of values.

    Raises:
        DataError: A cell holds keys and values, a list of lists, or a list where one value is
            needed.
    """
    kind = str(field.type)
    if not kind.startswith(_NESTED):
        return
    is_list = "list" in kind.partition("<")[0]
    if not is_list:
        what, needed = "keys and values", "one value a row"
    elif str(field.type.value_type).startswith(_NESTED):
        what, needed = "lists within lists", "one value a row or a list of values"
    elif field.name not in lists:
        what, needed = "a list in each row", "one value a row"
    else:
        return
    if field.name in lists:
        hint = (
            f"write one value or a list of values a row, or leave {field.name} out of "
            "data.item_columns.attributes or data.user_columns.profile"
        )
    elif not is_list:
        hint = "write each key as a column of its own; with pandas: pandas.json_normalize"
    else:
        hint = (
            "write one row for each value; with pandas: "
            f'pandas.read_parquet("{path.name}").explode("{field.name}").to_parquet("rows.parquet")'
        )
    raise DataError(
        f'{path}: the column "{field.name}" holds {what} ({kind[:80]}); {needed} can be read',
        hint=hint,
    )


def cells(path: Path, name: str, column: Any) -> Sequence[Any]:
    """Return dates as an array of datetimes, which is fast to compare; other values as a list.

    Rows with the same text share it.

    Raises:
        DataError: A text of bytes is not UTF-8.
    """
    if str(column.type).startswith("dictionary"):
        return [
            None if place is None else words[place]
            for words, places in (
                (_plain(path, name, chunk.dictionary), chunk.indices.to_pylist())
                for chunk in column.chunks
            )
            for place in places
        ]
    if str(column.type).startswith(("timestamp", "date")):
        dates: Sequence[Any] = column.to_numpy().astype("datetime64[us]")
        return dates
    return _plain(path, name, column)


def _plain(path: Path, name: str, values: Any) -> Sequence[Any]:
    """Return the values of a column as a list, bytes as text."""
    plain: Sequence[Any] = values.to_pylist()
    if not str(values.type).startswith(("binary", "large_binary", "fixed_size_binary")):
        return plain
    try:
        return [None if value is None else value.decode() for value in plain]
    except UnicodeDecodeError as error:
        raise DataError(
            f'{path}: the column "{name}" holds bytes that are not UTF-8: {error}',
            hint="write it as text",
        ) from None
