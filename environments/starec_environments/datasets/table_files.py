"""Which tables of a folder are the log, which of them belong together, and which describe it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from starec_environments.datasets.column_names import ATTRIBUTES, PROFILE, column_for, described
from starec_environments.datasets.text_files import first_text
from starec_sim.errors import DataError

DELIMITERS = ",;\t|"
NAMED_DELIMITERS = {"tab": "\t", "space": " "}
HEADER_CHARACTERS = 65_536
ROLES = ("user", "item", "rating", "time")
SPLIT = re.compile(
    r"(?<![a-z])(train(?:ing)?|valid(?:ation)?|val|dev|test(?:ing)?)(?![a-z])", re.IGNORECASE
)
"""Names of the parts of a split log."""
_ORDER = {"t": 0, "v": 1, "d": 1}
NUMBER = re.compile(r"\d+")
"""By which names of files in parts differ."""

Headers = Mapping[Path, Sequence[str]]


def read_header(
    path: Path, encoding: str = "utf-8", delimiter: str | None = None
) -> tuple[list[str], str]:
    """Return the columns in the first line of a text file, and the delimiter.

    Args:
        path: The file; no columns when it cannot be read as text.
        encoding: Its name in Python.
        delimiter: Between the columns; None takes the most frequent of , ; | and tab.
    """
    text = first_text(path, encoding, HEADER_CHARACTERS).lstrip("\n")
    line = text.partition("\n")[0]
    if delimiter is None:
        delimiter = max(DELIMITERS, key=line.count)
    if len(delimiter) > 1:
        return line.split(delimiter), delimiter
    try:
        names = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
    except csv.Error:  # the table's reader says where and why
        names = line.split(delimiter)
    return names, delimiter


def role_columns(names: Sequence[str], given: Mapping[str, Any]) -> dict[str, str]:
    """Return the columns of a log by role: those that the settings name, else the usual names."""
    columns = {}
    for role in ROLES:
        name = given[role] if role in given else column_for(role, names)
        if name is not None and name in names:
            columns[role] = name
    return columns


def choose_log(headers: Headers, given: Mapping[str, Any]) -> list[Path]:
    """Return the files of the log, in their order; none when there is no log.

    A log has a user and an item. Those with ratings count (`tags.csv` beside `ratings.csv` is no
    log of ratings). Several belong together when their names differ by a number alone, or by train,
    valid and test.

    Raises:
        DataError: There are several that do not belong together.
    """
    roles = {file: role_columns(names, given) for file, names in headers.items()}
    logs = [file for file in headers if {"user", "item"} <= roles[file].keys()]
    chosen = [file for file in logs if "rating" in roles[file]] or logs
    if not chosen:
        return []
    if in_order(chosen) is None:  # the settings may name a column that tags.csv has, too
        chosen = [file for file in chosen if column_for("rating", headers[file])] or chosen
    others = [file for file in logs if file not in chosen]
    parts = [file for file in others if in_order([*chosen, file])]
    same = all(roles[file].keys() == roles[chosen[0]].keys() for file in chosen)
    ordered = in_order(chosen)
    if ordered is not None and same and not parts:
        return ordered
    names = [file.name for file in [*chosen, *parts]]
    together = f"; or all: --set 'data.interactions=[{', '.join(names)}]'"
    raise DataError(
        f"{chosen[0].parent} holds several files of interactions: {', '.join(names)}; which of "
        "them belong together cannot be told",
        hint=f"read one: --set data.interactions={names[0]}" + (together if same else ""),
    )


def in_order(files: Sequence[Path]) -> list[Path] | None:
    """Return files that belong together in their order; None when their names do not say so.

    >>> [path.name for path in in_order([Path("test.csv"), Path("train.csv")]) or ()]
    ['train.csv', 'test.csv']
    >>> in_order([Path("clicks.csv"), Path("orders.csv")])
    """
    if len(files) == 1:
        return list(files)
    splits = [SPLIT.findall(file.name) for file in files]
    if all(len(found) == 1 for found in splits):
        if len({SPLIT.sub("#", file.name) for file in files}) > 1:
            return None
        return sorted(files, key=lambda file: _split_order(SPLIT.findall(file.name)[0]))
    if any(splits) or len({NUMBER.sub("#", file.name) for file in files}) > 1:
        return None
    return sorted(files, key=lambda file: [int(n) for n in NUMBER.findall(file.name)])


def _split_order(name: str) -> int:
    return 2 if name.lower().startswith("test") else _ORDER[name.lower()[0]]


def describing_files(headers: Headers, log: Sequence[Path]) -> dict[str, Any]:
    """Return the settings that name the files of items and of users, where there are any."""
    settings: dict[str, Any] = {}
    for file, names in headers.items():
        if file in log or (column_for("user", names) and column_for("item", names)):
            continue
        settings = _as_items(file, names) | settings
        if settings.get("items") != file.name:
            settings = _as_users(file, names) | settings
    return settings


def _as_items(file: Path, names: Sequence[str]) -> dict[str, Any]:
    id, title = column_for("item", names, own=True), column_for("title", names)
    if id is None or title is None:
        return {}
    columns = {"id": id, "title": title, "attributes": described(ATTRIBUTES, names)}
    return {"items": file.name, "item_columns": columns}


def _as_users(file: Path, names: Sequence[str]) -> dict[str, Any]:
    id, profile = column_for("user", names, own=True), described(PROFILE, names)
    if id is None or not profile:
        return {}
    return {"users": file.name, "user_columns": {"id": id, "profile": profile}}


def check_nearly_a_log(headers: Headers, given: Mapping[str, Any]) -> None:
    """Say which column of a table could not be recognised.

    Raises:
        DataError: A table has a user or an item, but not both; or no header; or spaces between
            its fields.
    """
    for file, names in headers.items():
        line = " ".join(names).split()
        if len(names) == 1 and column_for("user", line) and column_for("item", line):
            raise DataError(
                f"{file}: its fields seem to be separated by spaces",
                hint="--set data.delimiter=space",
            )
        if len(names) > 1 and any(is_value(name) for name in names):
            raise DataError(
                f"{file}: the first line ({', '.join(names)[:80]}) looks like data, so the file "
                f"has no header for its {len(names)} columns",
                hint=f"name all {len(names)} columns in their order, those that are not needed by "
                "any name: --set 'data.header=[user, item, rating, time]'",
            )
    half = {
        file: next(role for role in ("item", "user") if role not in columns)
        for file, names in headers.items()
        if len(columns := role_columns(names, given).keys() & {"user", "item"}) == 1
        and (len(headers) == 1 or role_columns(names, given).keys() & {"rating", "time"})
    }
    for file, role in half.items():
        names = headers[file]
        taken = role_columns(names, given).values()
        ids = [name for name in names if name.lower().endswith("id") and name not in taken]
        raise DataError(
            f"{file}: no column looks like the {role} id; its columns are {', '.join(names)}",
            hint=f"name it: --set data.columns.{role}={ids[0] if ids else 'NAME'}",
        )


def is_value(name: str) -> bool:
    """Return whether the name of a column looks like a value: a number or a date."""
    try:
        float(name)
    except ValueError:
        return bool(re.match(r"\d{4}-\d\d-\d\d", name))
    return True
