"""A full-text index of the prompts, answers and summaries of a run.

The index is a file of its own beside the record, which is only read: it is no part of the digest.
It holds the words of each text under the id that the text has in the record, and for each text who
first had it, and where. Committed rounds are added when the index is opened. An index that is
damaged, or was made of another record, is built again.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from starec_sim.errors import RunError
from starec_sim.progress import report_progress
from starec_sim.runs.reader import Reader, RecordedTrial
from starec_sim.runs.store import Texts, text_ids
from starec_sim.runs.stored_values import Row, StoredType

INDEX = "search.sqlite"
_TURN = StoredType[tuple[int, int, str, int, str, int]](
    "turns", tuple[Row, Row, str, Row, str, int]
)
_STARTED = StoredType[tuple[str | None]]("sessions.started", tuple[str | None])
_HASH = StoredType[tuple[bytes]]("texts.hash", tuple[bytes])
_SUMMARY = StoredType[tuple[int, int, int]]("steps", tuple[Row, Row, int])
MOST_COUNTED = 10_000
"""Texts that are counted at most; more are reported as this number."""
_SCHEMA = (
    "CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE indexed (trial INTEGER PRIMARY KEY, rounds INTEGER NOT NULL, digest TEXT "
    "NOT NULL)",
    "CREATE TABLE places (text INTEGER, trial INTEGER, user INTEGER, kind TEXT, node TEXT, "
    "round INTEGER, step INTEGER, attempt INTEGER, PRIMARY KEY (text, trial, user, kind, node)) "
    "WITHOUT ROWID",
    "CREATE VIRTUAL TABLE words USING fts5(body, content='', "
    "tokenize='unicode61 remove_diacritics 2')",
)
_FORMAT = "1"
_NOT_WRITABLE = ("readonly", "unable to open", "disk is full", "disk I/O", "locked")
"""What SQLite says if the index cannot be written at a place, though it may be whole."""


class Place(NamedTuple):
    """The first step of one user that has a text."""

    trial: int
    user: int
    kind: str
    """`prompt`, `answer` or `summary`."""
    node: str
    """Empty for a summary."""
    round: int
    step: int
    attempt: int


class FoundText(NamedTuple):
    """A text that was found."""

    text: int
    """Its id in the record."""
    place: Place
    """The first place that fits the filters."""
    places: int
    """How many places fit: the text is counted once for each user, node and kind."""


class Filters(NamedTuple):
    """Which places of a text count."""

    users: Sequence[tuple[int, int]] | None = None
    """Pairs of trial and row; None for everybody."""
    trials: Sequence[int] | None = None
    node: str | None = None

    def condition(self) -> tuple[str, list[int | str]]:
        """Return an SQL condition on a place `p`, and its values."""
        parts, values = ["1"], list[int | str]()
        if self.users is not None:
            pairs = ", ".join(["(?, ?)"] * len(self.users))
            parts.append(f"(p.trial, p.user) IN (VALUES {pairs})")
            values += [each for pair in self.users for each in pair]
        if self.trials is not None:
            parts.append(f"p.trial IN ({', '.join('?' * len(self.trials))})")
            values += self.trials
        if self.node is not None:
            parts.append("p.node = ?")
            values.append(self.node)
        return " AND ".join(parts), values


class SearchIndex:
    """An open index.

    Args:
        db: The file of the index.
        reader: The record.
    """

    def __init__(self, db: sqlite3.Connection, reader: Reader) -> None:
        self._db = db
        self._record = reader
        self._texts = Texts(reader.db)

    def find(self, match: str, filters: Filters, limit: int) -> tuple[int, list[FoundText]]:
        """Return how many texts match, and the first of them in the order of the record.

        Args:
            match: An expression of FTS5.
            filters: Which places count.
            limit: Texts that are returned at most.

        Raises:
            RunError: The expression is malformed.
        """
        condition, values = filters.condition()
        matching = (
            "FROM words w WHERE words MATCH ? AND EXISTS "
            f"(SELECT 1 FROM places p WHERE p.text = w.rowid AND {condition})"
        )
        try:
            (total,) = self._db.execute(
                f"SELECT COUNT(*) FROM (SELECT 1 {matching} LIMIT ?)",
                (match, *values, MOST_COUNTED),
            ).fetchone()
            ids = self._db.execute(
                f"SELECT w.rowid {matching} ORDER BY w.rowid LIMIT ?", (match, *values, limit)
            ).fetchall()
        except sqlite3.OperationalError as error:
            raise RunError(
                f"the search {match!r} cannot be read: {error}",
                hint="leave out --fts to search for the words as they are",
            ) from None
        return total, [self._found(text, condition, values) for (text,) in ids]

    def _found(self, text: int, condition: str, values: Sequence[int | str]) -> FoundText:
        fitting = f"FROM places p WHERE p.text = ? AND {condition}"
        (places,) = self._db.execute(f"SELECT COUNT(*) {fitting}", (text, *values)).fetchone()
        first = self._db.execute(
            f"SELECT trial, user, kind, node, round, step, attempt {fitting} "
            "ORDER BY trial, round, user, step LIMIT 1",
            (text, *values),
        ).fetchone()
        return FoundText(text, Place(*first), places)

    def check(self) -> None:
        """Create the tables of a new index, and check those of an old one.

        Raises:
            sqlite3.DatabaseError: The file is damaged, or was made of another record.
        """
        db = self._db
        found = {
            sql
            for name, sql in db.execute("SELECT name, sql FROM sqlite_master")
            if not name.startswith(("words_", "sqlite_"))
        }
        if not found:
            with _transaction(db):
                for statement in _SCHEMA:
                    db.execute(statement)
                db.execute("INSERT INTO about VALUES ('record', ?)", (self._identity(),))
        elif found != set(_SCHEMA):
            raise sqlite3.DatabaseError("it has other tables than an index")
        elif db.execute("SELECT value FROM about").fetchall() != [(self._identity(),)]:
            raise sqlite3.DatabaseError("it was made of another record")
        for trial, rounds, digest in db.execute("SELECT trial, rounds, digest FROM indexed"):
            if self._digest(trial, rounds) != digest:
                raise sqlite3.DatabaseError("it was made of another record")

    def update(self) -> None:
        """Add the rounds that were committed since the last update."""
        done = dict(self._db.execute("SELECT trial, rounds FROM indexed"))
        todo = [
            (trial, round)
            for trial in self._record.trials()
            for round in range(done.get(trial.number, 0), trial.rounds)
        ]
        for count, (trial, round) in enumerate(todo, 1):
            with _transaction(self._db):
                self._add_round(trial, round)
            report_progress("making the index of words, round", count, len(todo))

    def _add_round(self, trial: RecordedTrial, round: int) -> None:
        places = list(self._places(trial.number, round))
        ids = {place[0] for place in places}
        known = self._db.execute(
            "SELECT DISTINCT text FROM places WHERE text IN (SELECT value FROM json_each(?))",
            (json.dumps(sorted(ids)),),
        )
        new = sorted(ids - {text for (text,) in known})
        self._db.executemany(
            "INSERT INTO words (rowid, body) VALUES (?, ?)", ((id, self._texts[id]) for id in new)
        )
        self._db.executemany("INSERT OR IGNORE INTO places VALUES (?, ?, ?, ?, ?, ?, ?, ?)", places)
        self._db.execute(
            "INSERT OR REPLACE INTO indexed VALUES (?, ?, ?)",
            (trial.number, round + 1, self._digest(trial.number, round + 1)),
        )

    def _places(
        self, trial: int, round: int
    ) -> Iterator[tuple[int, int, int, str, str, int, int, int]]:
        """Yield the rows of `places` of a round, in the order of its steps."""
        db = self._record.db
        turns = db.execute(
            "SELECT user, step, node, attempt, messages, completion FROM turns "
            "WHERE trial = ? AND round = ? ORDER BY user, step, node, attempt",
            (trial, round),
        )
        for user, step, node, attempt, messages, answer in map(_TURN.from_row, turns):
            asked = [(text, "prompt") for _, text in text_ids(messages)]
            for text, kind in [*asked, (answer, "answer")]:
                yield text, trial, user, kind, node, round, step, attempt
        steps = db.execute(
            "SELECT user, step, summary FROM steps WHERE trial = ? AND round = ? "
            "ORDER BY user, step",
            (trial, round),
        )
        for user, step, summary in map(_SUMMARY.from_row, steps):
            yield summary, trial, user, "summary", "", round, step, 0

    def _digest(self, trial: int, rounds: int) -> str | None:
        row = self._record.db.execute(
            "SELECT digest FROM rounds WHERE trial = ? AND round = ?", (trial, rounds - 1)
        ).fetchone()
        return None if row is None else str(row[0])

    def _identity(self) -> str:
        """Return what tells this record from others, also from a replay with the same digest."""
        db = self._record.db
        (started,) = _STARTED.from_row(db.execute("SELECT MIN(started) FROM sessions").fetchone())
        hashes = db.execute("SELECT hash FROM texts ORDER BY id LIMIT 20")
        first = [_HASH.from_row(row)[0].hex() for row in hashes]
        return json.dumps([_FORMAT, started, first])


@contextmanager
def open_index(reader: Reader) -> Iterator[SearchIndex]:
    """Open the index of a run; it is built, or brought up to date, first.

    It is kept beside the record, or in the user's folder of caches if that folder is read-only.

    Args:
        reader: The record.

    Raises:
        RunError: The index can be written nowhere.
    """
    folder = reader.path.parent
    places = [folder / INDEX, _cache_file(folder)]
    for path in places:
        db = _opened(path, reader)
        if db is not None:
            break
    else:
        raise RunError(
            f"the index of words can be written neither to {places[0]} nor to {places[1]}",
            hint="set XDG_CACHE_HOME to a folder that you may write, with room for the index",
        )
    with closing(db):
        yield SearchIndex(db, reader)


def _opened(path: Path, reader: Reader) -> sqlite3.Connection | None:
    """Return the file of an index, up to date; None if it cannot be written there."""
    for again in (False, True):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if again or not _is_plain(path):
                path.unlink(missing_ok=True)
                path.with_name(path.name + "-journal").unlink(missing_ok=True)
            db = sqlite3.connect(path, isolation_level=None, timeout=60)
        except (OSError, sqlite3.OperationalError):
            return None
        try:
            db.execute("PRAGMA trusted_schema = OFF")
            index = SearchIndex(db, reader)
            index.check()
            index.update()
        except sqlite3.DatabaseError as error:
            db.close()
            if any(said in str(error) for said in _NOT_WRITABLE):
                return None
            if again:
                raise
            continue
        except BaseException:
            db.close()
            raise
        return db
    return None


def _is_plain(path: Path) -> bool:
    """Return whether a path is free, or a regular file: no link to somewhere, and no pipe."""
    return not os.path.lexists(path) or (path.is_file() and not path.is_symlink())


def _cache_file(folder: Path) -> Path:
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    return caches / "starec-sim" / f"search-{name}.sqlite"


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
