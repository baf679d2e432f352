"""The record of a run: one SQLite file.

The file is in WAL mode: one process writes, and any number of processes read at the same time. Long
texts (prompts, answers, summaries) are stored once, under the hash of their content, compressed
with a dictionary of prompt templates and item cards. A `trial` is one arm of the experiment with
one seed; every row belongs to one trial.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

import zstandard

from starec_sim.errors import RunError
from starec_sim.runs.manifest import MANIFEST, read_manifest
from starec_sim.runs.record_errors import damaged, readable_errors
from starec_sim.types import Messages

FILE = "run.sqlite"
SCHEMA_VERSION = 2
_MAX_DICTIONARY = 1 << 20
"""Bytes. Of longer texts the end is kept: references to it take fewer bits."""
_MAX_KNOWN_TEXTS = 8_192
"""Ids of texts that the writer keeps in memory at most."""

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE dictionary (body BLOB NOT NULL);
CREATE TABLE texts (id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, body BLOB NOT NULL);
CREATE TABLE trials (
    trial INTEGER PRIMARY KEY, arm TEXT NOT NULL, seed INTEGER NOT NULL, facts TEXT NOT NULL,
    world TEXT NOT NULL);
CREATE TABLE items (trial INTEGER, item INTEGER, id TEXT, title TEXT, attributes TEXT,
    PRIMARY KEY (trial, item)) WITHOUT ROWID;
CREATE TABLE users (trial INTEGER, user INTEGER, id TEXT, profile TEXT,
    PRIMARY KEY (trial, user)) WITHOUT ROWID;
CREATE TABLE turns (
    trial INTEGER, round INTEGER, user INTEGER, step INTEGER, node TEXT, attempt INTEGER,
    policy TEXT NOT NULL, messages TEXT NOT NULL, completion INTEGER NOT NULL,
    tokens_in INTEGER, tokens_out INTEGER, latency_s REAL NOT NULL, error TEXT NOT NULL DEFAULT '',
    failure TEXT NOT NULL, source TEXT NOT NULL, tries INTEGER NOT NULL, cost_usd REAL,
    PRIMARY KEY (trial, round, user, step, node, attempt)) WITHOUT ROWID;
CREATE TABLE tokens (
    trial INTEGER, round INTEGER, user INTEGER, step INTEGER, node TEXT, attempt INTEGER,
    version TEXT NOT NULL, sampling TEXT NOT NULL, "group" TEXT NOT NULL,
    prompt BLOB NOT NULL, completion BLOB NOT NULL, logprobs BLOB NOT NULL,
    PRIMARY KEY (trial, round, user, step, node, attempt));
CREATE TABLE steps (
    trial INTEGER, round INTEGER, user INTEGER, step INTEGER,
    observation TEXT NOT NULL, decision TEXT NOT NULL, feedback TEXT NOT NULL,
    slow INTEGER NOT NULL, reason TEXT NOT NULL, summary INTEGER NOT NULL,
    PRIMARY KEY (trial, round, user, step)) WITHOUT ROWID;
CREATE TABLE visits (
    trial INTEGER, round INTEGER, user INTEGER, figures TEXT NOT NULL,
    PRIMARY KEY (trial, round, user)) WITHOUT ROWID;
CREATE TABLE metrics (
    trial INTEGER, round INTEGER, name TEXT, value REAL,
    PRIMARY KEY (trial, round, name)) WITHOUT ROWID;
CREATE TABLE rounds (
    trial INTEGER, round INTEGER, digest TEXT NOT NULL,
    PRIMARY KEY (trial, round)) WITHOUT ROWID;
CREATE TABLE memories (
    trial INTEGER, user INTEGER, memory TEXT NOT NULL,
    PRIMARY KEY (trial, user)) WITHOUT ROWID;
CREATE TABLE notes (
    trial INTEGER, item INTEGER, note INTEGER NOT NULL,
    PRIMARY KEY (trial, item)) WITHOUT ROWID;
CREATE TABLE sessions (
    session INTEGER PRIMARY KEY, started TEXT NOT NULL, calls INTEGER NOT NULL DEFAULT 0,
    tokens INTEGER NOT NULL DEFAULT 0, usd REAL NOT NULL DEFAULT 0,
    seconds REAL NOT NULL DEFAULT 0);
CREATE TABLE worlds (trial INTEGER PRIMARY KEY, state BLOB NOT NULL);
CREATE VIEW ledger AS SELECT
    trial, round, user, node, policy, COUNT(*) AS calls,
    SUM(source = 'cache') AS cache_hits, SUM(source = 'replay') AS replayed,
    SUM(tries) AS requests, SUM(tokens_in) AS tokens_in, SUM(tokens_out) AS tokens_out,
    SUM(latency_s) AS seconds, SUM(cost_usd) AS cost_usd, SUM(failure != '') AS failed
    FROM turns GROUP BY trial, round, user, node, policy;
"""


@lru_cache(maxsize=1_024)
def text_hash(text: str) -> bytes:
    """Return the key of a text: the first 16 bytes of its SHA-256.

    It is cached, because a text is hashed up to three times: by replay, store and digest.
    """
    return hashlib.sha256(text.encode()).digest()[:16]


class Store:
    """Writes the record of a run. Only one process does so at a time.

    Args:
        folder: The run's folder.
        phrases: Texts that prompts repeat, for the dictionary of a new file.

    Raises:
        RunError: The file is damaged, of another version, or cannot be written.
    """

    def __init__(self, folder: Path, phrases: Iterable[str] = ()) -> None:
        self.path = folder / FILE
        with readable_errors(self.path):
            self.db = sqlite3.connect(self.path, isolation_level=None)
            try:
                self._open(phrases)
            except BaseException:
                self.db.close()
                raise
        self._known_texts: dict[bytes, int] = {}

    def _open(self, phrases: Iterable[str]) -> None:
        self.db.execute("PRAGMA journal_mode = WAL")
        # NORMAL never loses a committed transaction to a killed process, only to a power cut.
        self.db.execute("PRAGMA synchronous = NORMAL")
        if not self.db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
            with self.transaction():
                for statement in _SCHEMA.split(";\n"):
                    self.db.execute(statement)
                self.db.execute("INSERT INTO meta VALUES ('schema', ?)", (str(SCHEMA_VERSION),))
                dictionary = "\n".join(phrases).encode()[-_MAX_DICTIONARY:]
                self.db.execute("INSERT INTO dictionary VALUES (?)", (zlib.compress(dictionary),))
        else:
            check_schema(self.db, self.path)
            # A truncated file can open without an error.
            problem = self.db.execute("PRAGMA quick_check(1)").fetchone()[0]
            if problem != "ok":
                raise damaged(self.path, problem)
        self._compress = zstandard.ZstdCompressor(dict_data=load_dictionary(self.db)).compress

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything that the block writes, or nothing if it raises."""
        with readable_errors(self.path):
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.db.execute("COMMIT")
            except BaseException:
                # If the disk is full, SQLite has rolled back already.
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                # These ids may belong to rows that were rolled back.
                self._known_texts.clear()
                raise

    def text(self, text: str) -> int:
        """Return the id of a text, which is stored if it is new (inside a transaction)."""
        key = text_hash(text)
        if key not in self._known_texts:
            if len(self._known_texts) >= _MAX_KNOWN_TEXTS:
                self._known_texts.clear()
            self._known_texts[key] = self._find_or_insert(key, text)
        return self._known_texts[key]

    def _find_or_insert(self, key: bytes, text: str) -> int:
        row = self.db.execute("SELECT id FROM texts WHERE hash = ?", (key,)).fetchone()
        if row:
            return int(row[0])
        inserted = self.db.execute(
            "INSERT INTO texts (hash, body) VALUES (?, ?)", (key, self._compress(text.encode()))
        )
        assert inserted.lastrowid is not None
        return inserted.lastrowid

    def close(self) -> None:
        """Close the record, without a WAL file, so that it can be read in a read-only folder."""
        with suppress(sqlite3.OperationalError):  # another process reads: the WAL file stays
            self.db.execute("PRAGMA busy_timeout = 0")
            self.db.execute("PRAGMA journal_mode = DELETE")
        self.db.close()


def read_only(folder: Path) -> sqlite3.Connection:
    """Open a run's record for reading; another process may write to it.

    Raises:
        RunError: There is no record, or it is damaged or of another version.
    """
    path = folder / FILE
    if not path.is_file():
        raise _no_record(folder)
    with readable_errors(path):
        db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        try:
            if not db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
                raise _no_record(folder)
            check_schema(db, path)
        except BaseException:
            db.close()
            raise
    return db


def _no_record(folder: Path) -> RunError:
    """Return the error of a run without a record, with what its manifest says about it."""
    if not (folder / MANIFEST).is_file():
        return RunError(f"{folder} holds no record", hint="`starec runs` lists the runs")
    status = read_manifest(folder).status
    if status == "running":
        return RunError(f"{folder} holds no record yet", hint="wait until its first trial begins")
    if status == "finished":
        return RunError(
            f"{folder / FILE} is missing or empty, though the run is finished",
            hint="put a copy of it back: it holds all that was recorded",
        )
    return RunError(
        f"{folder} holds no record: it ended before its first trial began",
        hint=f"go on with: starec resume {shlex.quote(str(folder))}",
    )


def check_schema(db: sqlite3.Connection, path: Path) -> None:
    """Check that a file has the schema of this version.

    Raises:
        RunError: It has another; the message names the file and its version.
    """
    stored = db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
    if stored is None or stored[0] != str(SCHEMA_VERSION):
        raise RunError(
            f"{path} has schema {stored[0] if stored else 'unknown'}, this version reads "
            f"{SCHEMA_VERSION}",
            hint="open it with the version of starec-sim named in its manifest.json",
        )


class Texts:
    """Reads stored texts by id."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._decompress = zstandard.ZstdDecompressor(dict_data=load_dictionary(db)).decompress

    def __getitem__(self, text_id: int) -> str:
        row = self._db.execute("SELECT body FROM texts WHERE id = ?", (text_id,)).fetchone()
        if row is None:
            raise sqlite3.DatabaseError(f"text {text_id} is missing")
        return self._decompress(row[0]).decode()

    def messages(self, column: str) -> Messages:
        """Return the (role, text) pairs of a turn from its column `messages`."""
        return tuple((role, self[text_id]) for role, text_id in json.loads(column))


def load_dictionary(db: sqlite3.Connection) -> zstandard.ZstdCompressionDict:
    """Return the dictionary of a file's texts."""
    (body,) = db.execute("SELECT body FROM dictionary").fetchone()
    return zstandard.ZstdCompressionDict(
        zlib.decompress(body), dict_type=zstandard.DICT_TYPE_RAWCONTENT
    )
