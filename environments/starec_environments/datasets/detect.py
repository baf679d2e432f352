"""Find the reader that fits a path, and its settings: what `--data PATH` uses."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from starec_environments.datasets.amazon_files import log_file
from starec_environments.datasets.column_names import ATTRIBUTES, PROFILE, column_for, described
from starec_environments.datasets.paths import listing
from starec_environments.datasets.tables import ParquetTable
from starec_sim.errors import DataError

DELIMITERS = ",;\t|"
TABLES = {".csv": "csv", ".tsv": "csv", ".parquet": "parquet"}
FORMATS = (
    "MovieLens 100K (u.data), MovieLens 1M (ratings.dat), AgentCF (*.train.inter), "
    "RecBole (*.inter), Amazon Reviews of 2014, 2018 and 2023 (.json, .jsonl, .csv), "
    "CSV and Parquet tables with user and item columns"
)
HEADER_BYTES = 65_536


def detect(path: Path) -> tuple[str, dict[str, Any]]:
    """Return the name of the dataset reader that fits a folder or file, and its settings.

    The settings are plain values as in the YAML of an experiment, `path` among them.

    Raises:
        DataError: There is nothing, or no known format; the message lists what is there.
    """
    path = path.expanduser()
    if path.is_file():
        place, files = path.parent, [path]
    elif path.is_dir():
        place, files = path, sorted(file for file in path.iterdir() if file.is_file())
    else:
        raise DataError(f"there is nothing at {path}", hint=f"relative paths start at {Path.cwd()}")
    for reader, settings in _candidates(place, files):
        return reader, {"path": str(place), **settings}
    raise DataError(
        f"{path} is in no known format; "
        + (f"it holds {listing(path)}" if path.is_dir() else "it is a single file"),
        hint=f"known are {FORMATS}; other files need their columns named "
        "(`use: csv` or `use: parquet`) or a reader of your own",
    )


def _candidates(place: Path, files: list[Path]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the readers that fit, the most specific first."""
    names = {file.name for file in files}
    if "u.data" in names or "ml-100k.inter" in names:
        yield "movielens-100k", {}
    if "ratings.dat" in names:
        yield "movielens-1m", {}
    for suffix, reader in ((".train.inter", "agentcf"), (".inter", "recbole")):
        stems = sorted(name.removesuffix(suffix) for name in names if name.endswith(suffix))
        if len(stems) == 1:
            yield reader, {"name": stems[0]}
        elif stems:
            raise DataError(
                f"{place} holds several datasets: {', '.join(stems)}",
                hint=f"give the path of one {suffix} file",
            )
    if (reviews := log_file(place, files, None)) is not None:
        yield "amazon", {"reviews": reviews.name}
    for suffix, reader in TABLES.items():
        tables = [file for file in files if file.suffix.lower() == suffix]
        if settings := _as_tables(tables):
            yield reader, settings


def _as_tables(files: list[Path]) -> dict[str, Any] | None:
    """Return the settings with which the tables are a dataset; None when they are none."""
    headers = {file: header for file in files if (header := _header(file))}
    logs = [
        file
        for file, (names, _) in headers.items()
        if column_for("user", names) and column_for("item", names)
    ]
    if not logs:
        return None
    # Of several files (ratings.csv beside tags.csv), the log is the one with ratings, else the
    # first.
    log = next((file for file in logs if column_for("rating", headers[file][0])), logs[0])
    names, delimiter = headers[log]
    columns = {role: column_for(role, names) for role in ("user", "item", "rating", "time")}
    settings: dict[str, Any] = {
        "interactions": log.name,
        "columns": {role: name for role, name in columns.items() if name},
    }
    if delimiter != "," and log.suffix.lower() != ".parquet":
        settings["delimiter"] = delimiter
    for file, (names, other) in headers.items():
        if file not in logs and other == delimiter:
            settings |= _as_items(file, names, settings) or _as_users(file, names, settings)
    return settings


def _as_items(file: Path, names: Sequence[str], settings: dict[str, Any]) -> dict[str, Any]:
    id, title = column_for("item", names, own=True), column_for("title", names)
    if "items" in settings or id is None or title is None:
        return {}
    columns = {"id": id, "title": title, "attributes": described(ATTRIBUTES, names)}
    return {"items": file.name, "item_columns": columns}


def _as_users(file: Path, names: Sequence[str], settings: dict[str, Any]) -> dict[str, Any]:
    id, profile = column_for("user", names, own=True), described(PROFILE, names)
    if "users" in settings or id is None or not profile:
        return {}
    return {"users": file.name, "user_columns": {"id": id, "profile": profile}}


def _header(file: Path) -> tuple[list[str], str] | None:
    """Return a table's columns and delimiter; None for a file that cannot be read as a table."""
    if file.suffix.lower() == ".parquet":
        return ParquetTable(ParquetTable.Config()).names(file), ","
    with file.open("rb") as stream:
        line = stream.readline(HEADER_BYTES).decode("utf-8", errors="replace").lstrip("\ufeff")
    delimiter = max(DELIMITERS, key=line.count)
    names = next(csv.reader([line.strip("\r\n")], delimiter=delimiter), [])
    return (names, delimiter) if len(names) > 1 else None
