"""Answer SQL about a record: read-only, on documented views, within limits."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from starec_sim.errors import RunError, did_you_mean
from starec_sim.runs.chunk_views import FUNCTIONS as CHUNK_FUNCTIONS
from starec_sim.runs.chunk_views import VIEWS as CHUNK_VIEWS
from starec_sim.runs.chunk_views import add_views
from starec_sim.runs.levels import require_level
from starec_sim.runs.open_record import read_only
from starec_sim.runs.record_errors import readable_errors
from starec_sim.runs.run_tables import read_run
from starec_sim.runs.schema import FILE, has_chunks
from starec_sim.runs.sql_views import VIEWS
from starec_sim.runs.store import Texts

_LONGEST = 16 << 20
"""Bytes of one value, or one row, in a query."""
_LARGEST = 64 << 20
"""Bytes of a result, about."""
_MOST_TEMPORARY = 1 << 18
"""Pages of 4 KiB that a query may write to temporary files."""
_EACH = 1_000
"""Instructions of SQLite's machine between two looks at the clock."""
_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE}
_TABLE_FUNCTIONS = ("json_each", "json_tree")
_OURS = ("text_of", "prompt_of", *CHUNK_FUNCTIONS)
"""Functions of the views, which read what the record holds."""
_OF_STEPS = ("steps", "impressions", "turns", "rewards", "visits")
"""Views on what single users did."""
_PREFIX = "recorded_"
_READERS = (*VIEWS, *(f"{_PREFIX}{name}" for name in CHUNK_VIEWS))
"""Views that may read the tables of the record."""
_FORBIDDEN = ("load_extension", "fts3_tokenizer")
_HIDDEN = re.compile(r"no such (column|table): (?:\w+\.)?(.+)")
_QUOTED = re.compile(
    r"""'(?:[^']|'')*'|`(?:[^`]|``)*`|\[[^\]]*\]|--[^\n]*|/\*.*?\*/|"((?:[^"]|"")*)\"""", re.DOTALL
)
"""Parts of a statement that are quoted or comments; the group is a name in double quotes."""


class QueryLimits(NamedTuple):
    """The most that a query may use."""

    rows: int = 1_000
    seconds: float = 30.0


class SqlResult(NamedTuple):
    """What a query returns."""

    columns: list[str]
    rows: list[list[Any]]
    cut: bool
    """Whether there are more rows than the limits allow."""


def query(folder: Path, sql: str, limits: QueryLimits = QueryLimits()) -> SqlResult:  # noqa: B008 (frozen)
    """Answer a SELECT on the views of `starec_sim.runs.sql_views`.

    Args:
        folder: The folder of the run.
        sql: One statement.
        limits: The most that it may use.

    Raises:
        RunError: The statement is wrong, is no SELECT on the views, or takes too long; or the
            record cannot be read.
    """
    path = folder / FILE
    with (
        readable_errors(path),
        closing(read_only(folder)) as source,
        _console(folder, source) as db,
    ):
        texts = Texts(source)
        for name in _OF_STEPS:
            if re.search(rf"\b{name}\b", sql, re.IGNORECASE):
                require_level(source, folder, "decisions", f"the view {name}")
        db.create_function("text_of", 1, texts.__getitem__, deterministic=True)
        db.create_function("prompt_of", 1, lambda ids: _prompt(texts, ids), deterministic=True)
        if re.search(r"\brollouts\b", sql, re.IGNORECASE):
            _insert_rollouts(db, folder)
        db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
        db.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        ends = time.monotonic() + limits.seconds
        db.set_progress_handler(lambda: time.monotonic() > ends, _EACH)
        db.set_authorizer(_authorize)
        try:
            return _fetch(db, sql, limits.rows)
        except (sqlite3.Error, sqlite3.Warning, MemoryError) as error:
            raise _refused(error, sql, limits) from None
        finally:
            db.set_progress_handler(None, 0)


@contextmanager
def _console(folder: Path, source: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    with closing(read_only(folder, views=False)) as db:
        db.execute("PRAGMA query_only = OFF")  # the file itself is open for reading only
        db.execute(f"PRAGMA temp.max_page_count = {_MOST_TEMPORARY}")
        db.execute("PRAGMA trusted_schema = ON")  # the views are ours, and call our functions
        add_views(db, _PREFIX, source)
        for name, view in VIEWS.items():
            if view.select:
                db.execute(f"CREATE TEMP VIEW {name} AS {_source(db, view.select)}")
        columns = ", ".join(VIEWS["rollouts"].columns)
        db.execute(f"CREATE TEMP TABLE rollouts ({columns})")
        for name in _TABLE_FUNCTIONS:  # their first use changes the schema of the connection
            db.execute(f"SELECT 1 FROM {name}('[]')")
        yield db


def _source(db: sqlite3.Connection, select: str) -> str:
    """Return the SELECT of a view, on the views of chunks where the record has chunks."""
    if not has_chunks(db):
        return select
    return re.sub(rf"\bmain\.({'|'.join(CHUNK_VIEWS)})\b", rf"temp.{_PREFIX}\1", select)


def _authorize(
    action: int, first: str | None, second: str | None, database: str | None, view: str | None
) -> int:
    """Allow SELECT on the views; they alone may read the tables of the record."""
    if action in _ALLOWED:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_FUNCTION:
        allowed = second not in _FORBIDDEN and (view in _READERS or second not in _OURS)
    elif action == sqlite3.SQLITE_READ:
        # Without a column, rows are counted; without a database, a part of the query itself is
        # read, such as a common table expression.
        allowed = view in _READERS or not second or database in (None, "temp")
        allowed = allowed or first in _TABLE_FUNCTIONS
    else:
        allowed = False
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _fetch(db: sqlite3.Connection, sql: str, most: int) -> SqlResult:
    cursor = db.execute(_QUOTED.sub(_name_only, sql))
    if cursor.description is None:
        raise sqlite3.OperationalError("it is no SELECT")
    columns = [column[0] for column in cursor.description]
    rows: list[list[Any]] = []
    size = 0
    for row in cursor:
        if len(rows) == most or size > _LARGEST:
            return SqlResult(columns, rows, cut=True)
        rows.append([_plain(value) for value in row])
        size += sum(len(value) if isinstance(value, str) else 8 for value in rows[-1])
    return SqlResult(columns, rows, cut=False)


def _name_only(part: re.Match[str]) -> str:
    """Return a name in double quotes as one that SQLite never takes for a text.

    Of a name that does not exist in double quotes, SQLite makes a text without a word.
    """
    if part[1] is None:
        return part[0]
    name = part[1].replace('""', '"').replace("`", "``")
    return f"`{name}`"


def _plain(value: Any) -> Any:
    return f"x'{value.hex()}'" if isinstance(value, bytes) else value


def _prompt(texts: Texts, messages: str) -> str:
    return "\n\n".join(f"{role}: {text}" for role, text in texts.messages(messages))


def _insert_rollouts(db: sqlite3.Connection, folder: Path) -> None:
    rows = (
        (step + 1, group, node, reward, json.dumps(dict(components)), *rest)
        for step, group, node, reward, components, *rest in read_run(folder).rollouts()
    )
    db.executemany("INSERT INTO rollouts VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)


def _refused(error: BaseException, sql: str, limits: QueryLimits) -> RunError:
    """Return the error of a query that SQLite does not answer."""
    said = str(error)
    if said == "interrupted":
        return RunError(
            f"the query takes longer than {limits.seconds:g} seconds",
            hint="narrow it, e.g. WHERE arm = '...' AND round = 1, or allow more with --seconds",
        )
    if (
        "authoriz" in said
        or "prohibited" in said
        or "no SELECT" in said
        or said.startswith("cannot modify")
    ):
        return RunError(
            "only SELECT on the views of a run is answered",
            hint=f"use {', '.join(VIEWS)}; `starec sql RUN --schema` says what is in them",
        )
    if "one statement" in said:
        return RunError("only one statement at a time is answered", hint="ask for each by itself")
    if isinstance(error, MemoryError) or "too big" in said or "is full" in said:
        return RunError(
            f"the query needs more memory than is allowed: {said or 'out of memory'}",
            hint="narrow it, or select fewer and shorter columns",
        )
    if unknown := _HIDDEN.search(said):
        names = VIEWS if unknown[1] == "table" else _columns_in(sql)
        schema = "`starec sql RUN --schema` lists the views and their columns"
        text = f"a text stands in single quotes: '{unknown[2]}'; "
        return RunError(
            f"there is no {unknown[1]} {unknown[2]}; {did_you_mean(unknown[2], names)}",
            hint=(text if f'"{unknown[2]}"' in sql else "") + schema,
        )
    return RunError(
        f"SQLite cannot read the query: {said}",
        hint="correct it there; e.g. select arm, count(*) from steps group by arm",
    )


def _columns_in(sql: str) -> list[str]:
    """Return the columns of the views that a query names; of all views if it names none."""
    named = [view for name, view in VIEWS.items() if re.search(rf"\b{name}\b", sql, re.IGNORECASE)]
    return [column for view in named or VIEWS.values() for column in view.columns]
