"""Find the reader that fits a path, and its settings: what `--data PATH` uses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from starec_environments.datasets.amazon_files import log_file
from starec_environments.datasets.column_names import column_for
from starec_environments.datasets.paths import listing
from starec_environments.datasets.recbole_files import atomic_datasets
from starec_environments.datasets.table_files import (
    NAMED_DELIMITERS,
    check_nearly_a_log,
    choose_log,
    describing_files,
    read_header,
    role_columns,
)
from starec_environments.datasets.tables import CsvTable, ParquetTable
from starec_environments.datasets.text_files import first_text, no_file, read_text
from starec_environments.datasets.unread import PARQUET, TEXT_TABLES, check_unread, suffix
from starec_sim.errors import ConfigError, DataError, did_you_mean
from starec_sim.settings import validate
from starec_sim.visible_text import visible_line

FORMATS = (
    "MovieLens (u.data, ratings.dat, ratings.csv), AgentCF and RecBole (*.inter), Amazon Reviews "
    "of 2014, 2018 and 2023 (.json, .jsonl, .csv), UserMirrorer, logs of Agent4Rec, "
    "CSV and Parquet tables with user and item columns"
)
_DAT = re.compile(r"[^:\n]+::[^:\n]+::[0-9.]+::\d+(?:\n|$)")
_DAT_USERS = re.compile(r"[^:\n]+::[MF]::")
_U_DATA = re.compile(r"\d+\t\d+\t[1-5]\t\d+(?:\n|$)")
_ML_100K = re.compile(r"user_id:token\titem_id:token\trating:float\ttimestamp:float(?:\n|$)")
_BEHAVIOURS = "_interaction.jsonl"


def detect(path: Path, given: Mapping[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
    """Return the name of the dataset reader that fits a folder or file, and its settings.

    Args:
        path: The folder or file.
        given: Settings of the user, which count more than what is recognised; `use` names the
            reader.

    Returns:
        The settings are plain values as in the YAML of an experiment, `path` among them.

    Raises:
        ConfigError: No reader has a setting of this name.
        DataError: There is nothing, or no known format; the message lists what is there.
    """
    path, given = path.expanduser(), dict(given or {})
    if path.is_file():
        place, files = path.parent, [path]
    elif path.is_dir():
        place, files = path, sorted(file for file in path.iterdir() if file.is_file())
    else:
        raise DataError(f"there is nothing at {path}", hint=f"relative paths start at {Path.cwd()}")
    wanted = given.pop("use", None)
    if given and wanted is None:
        _check_keys(given)
        _check_text(given)
    for reader, settings in _candidates(place, files, given, path.is_file(), wanted):
        if wanted in (None, reader):
            return reader, _merged({"path": str(place), **settings}, given)
    if wanted is not None:
        return wanted, _merged({"path": str(path)}, given)
    raise _unknown(path, files)


def _check_keys(given: Mapping[str, Any]) -> None:
    """Check that a reader has each setting: a wrong name must not look like a wrong format."""
    from starec_environments.datasets.agent4rec import Agent4Rec
    from starec_environments.datasets.agentcf import AgentCF
    from starec_environments.datasets.amazon import Amazon
    from starec_environments.datasets.movielens import MovieLens1M, MovieLens10M, MovieLens100K
    from starec_environments.datasets.recbole import RecBole
    from starec_environments.datasets.usermirrorer import UserMirrorer

    movielens = (MovieLens100K, MovieLens1M, MovieLens10M)
    others = (Agent4Rec, AgentCF, Amazon, RecBole, UserMirrorer)
    readers = (CsvTable, ParquetTable, *movielens, *others)
    known = {key for reader in readers for key in reader.Config.model_fields}
    for key in given:
        if key not in known:
            raise ConfigError(
                f"data.{key}: there is no such key; {did_you_mean(key, known)}",
                hint="mend that key where it is written",
            )


def _check_text(given: Mapping[str, Any]) -> None:
    """Check how text is written: with a wrong setting no file looks like a table."""
    keys = ("encoding", "quoted", "escape", "delimiter", "time_format")
    CsvTable(validate(CsvTable.Config, {key: given[key] for key in keys if key in given}, "data"))


def _unknown(path: Path, files: Sequence[Path]) -> DataError:
    """Return the error that no reader fits, with what may help for these files."""
    inside = sorted(entry for entry in path.iterdir() if entry.is_dir()) if path.is_dir() else []
    packed = [file for file in files if file.suffix.lower() in (".zip", ".rar", ".tar", ".tgz")]
    hint = f"known are {FORMATS}"
    if packed:
        hint = f"unpack {packed[0].name} first; {hint}"
    if len(inside) == 1:
        hint = f"the data may lie in a folder of it: --data {inside[0]}; {hint}"
    elif inside:
        listed = ", ".join(entry.name for entry in inside[:5])
        hint = (
            f"folders of it may hold the data ({listed}): move files that belong together into one "
            f"folder, or name the one to read, e.g. --data {inside[0]}; {hint}"
        )
    text = [file for file in files if suffix(file) in TEXT_TABLES]
    if text and not any(any(read_header(file)[0]) for file in text):
        read_text(text[0], "utf-8")  # says what is wrong with a file that is no text
    tables = [(file, names) for file in text if len(names := read_header(file)[0]) > 1]
    shown = "".join(
        f"; {file.name} begins with {', '.join(names)[:80]}" for file, names in tables[:1]
    )
    unlike = [file for file, names in tables if names[0].startswith("sep=")]
    if (unlike or not tables) and (found := _first_line(unlike or files)):
        file, line = found
        shown = f"; {file.name} begins with {visible_line(line)[:80]}"
        hint = f"{_hint_of_line(line)}; {hint}"
    return DataError(
        f"{path} is in no known format; "
        + (f"it holds {listing(path)}" if path.is_dir() else "it is a single file")
        + shown,
        hint=f"{hint}; name the columns of other tables, e.g. --set data.columns.user=NAME --set "
        "data.columns.item=NAME, or --set 'data.header=[user, item]' where there is no header",
    )


def _first_line(files: Sequence[Path]) -> tuple[Path, str] | None:
    """Return the first text file and its first line; None where there is none."""
    for file in files:
        line = first_text(file, "utf-8", 10_000).lstrip("\n").partition("\n")[0]
        if line.replace("\t", " ").isprintable() and line:
            return file, line
    return None


def _hint_of_line(first: str) -> str:
    """Return what to do about a file whose first line is no header."""
    if first.startswith(("{", "[")):
        return (
            "this is JSON with other keys than those of Amazon and UserMirrorer: write its user, "
            "item, rating and time as a CSV file, e.g. with pandas.json_normalize"
        )
    if first.startswith(("#", "sep=")):
        return "remove its first line, so that the names of the columns come first"
    if any(each in first for each in ",;|\t"):
        return "name the table itself, with its ending: --data FILE"
    if first.strip().endswith(":"):
        return "it has a block of lines for each item: write a table with a column for the item"
    fields = first.split()
    if len(fields) > 1:
        return (
            f"its first line has {len(fields)} fields between spaces: --set data.delimiter=space, "
            "and --set 'data.header=[user, item]' with all names in order if it has no header"
        )
    return "its first line has no , ; | or tab between fields"


def _merged(found: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that were found, with those of the user in their place."""
    for key, value in given.items():
        old = found.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            value = {**old, **value}
        found[key] = value
    return found


def _candidates(
    place: Path,
    files: list[Path],
    given: Mapping[str, Any],
    single: bool,
    wanted: str | None,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the readers that fit, the most specific first."""
    names = {file.name for file in files}
    # Of both, the reader reads u.data.
    atomic = "ml-100k.inter" in names and not (place / "u.data").is_file()
    if ("u.data" in names and _begins(place / "u.data", _U_DATA)) or (
        atomic and _begins(place / "ml-100k.inter", _ML_100K)
    ):
        yield "movielens-100k", {}
    if "ratings.dat" in names and _begins(place / "ratings.dat", _DAT):
        has_users = _begins(place / "users.dat", _DAT_USERS)
        yield "movielens-1m" if has_users else "movielens-10m", {}
    logs = [file.name for file in files if _is_behaviours(file)]
    if logs:
        yield "usermirrorer", {"name": logs[0].removesuffix(_BEHAVIOURS)} if single else {}
    if not single and (place / "behavior" / "0.pkl").is_file():
        yield "agent4rec", {}
    if wanted in (None, "recbole", "agentcf"):
        yield from atomic_datasets(place, files, given.get("name"))
    if wanted in (None, "amazon"):
        reviews = log_file(place, files, given.get("reviews"))
        if reviews is not None:
            yield "amazon", {"reviews": reviews.name}
    listed = _listed(place, given)
    for reader, suffixes in (("csv", TEXT_TABLES), ("parquet", (PARQUET,))):
        tables = [file for file in files if single or suffix(file) in suffixes]
        tables += [file for file in listed if file not in tables]
        if (single or listed) and (suffix((listed or files)[0]) == PARQUET) != (
            reader == "parquet"
        ):
            continue
        if wanted in (None, reader) and (settings := _as_tables(tables, given, listed)):
            if not single and not listed:
                _check_unread(files, settings, given)
            yield reader, settings


def _listed(place: Path, given: Mapping[str, Any]) -> list[Path]:
    """Return the files of interactions that the settings name.

    Raises:
        DataError: One of them is not there.
    """
    names = given.get("interactions")
    files = [place / str(name) for name in ([names] if isinstance(names, str) else names or ())]
    for file in files:
        if not file.is_file():
            raise no_file(file)
    return files


def _begins(path: Path, pattern: re.Pattern[str]) -> bool:
    return bool(pattern.match(first_text(path, "latin-1", 1_000)))


def _is_behaviours(file: Path) -> bool:
    """Return whether a file is a log in the format of UserMirrorer."""
    return file.name.endswith(_BEHAVIOURS) and '"behavior_features"' in first_text(
        file, "utf-8", 10_000
    )


def _as_tables(
    files: Sequence[Path], given: Mapping[str, Any], listed: Sequence[Path]
) -> dict[str, Any] | None:
    """Return the settings with which the tables are a dataset; None when they are none."""
    headers = {file: names for file in files if (names := _names(file, given))}
    columns = given.get("columns") or {}
    log = [file for file in listed if file in headers] if listed else choose_log(headers, columns)
    if not log:
        check_nearly_a_log(headers, columns)
        return None
    names = headers[log[0]]
    settings: dict[str, Any] = {
        "interactions": log[0].name if len(log) == 1 else [file.name for file in log],
        "columns": role_columns(names, columns),
    }
    beside = {file: headers[file] for file in headers if file.parent == log[0].parent}
    return settings | describing_files(beside, log)


def _check_unread(
    files: Sequence[Path], settings: Mapping[str, Any], given: Mapping[str, Any]
) -> None:
    """Ask about tables of a folder that `settings` leave out, or warn of them."""
    by_name = {file.name: file for file in files}
    names = settings["interactions"]
    log = [by_name[name] for name in ([names] if isinstance(names, str) else names)]
    described = (given.get(key, settings.get(key)) for key in ("items", "users"))
    read = {file.name for file in log} | {str(name) for name in described}
    check_unread(files, read, log, len(_names(log[0], given)))


def _names(file: Path, given: Mapping[str, Any]) -> Sequence[str]:
    """Return a table's columns; none for a file that cannot be read as a table."""
    if file.suffix.lower() == PARQUET:
        return ParquetTable(ParquetTable.Config()).names(file)
    delimiter = given.get("delimiter")
    encoding = str(given.get("encoding") or "utf-8")
    names, _ = read_header(file, encoding, NAMED_DELIMITERS.get(str(delimiter), delimiter))
    header = given.get("header")
    known = column_for("user", names) or column_for("item", names, own=True)
    return header if header and not known and len(header) == len(names) else names
