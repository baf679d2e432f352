"""The schema of the record of a run, and the check that a file has no other."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from starec_sim.errors import RunError
from starec_sim.runs.record_errors import damaged

FILE = "run.sqlite"
SCHEMA_VERSION = 2

SCHEMA = """
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
    ending TEXT NOT NULL DEFAULT '',
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
CREATE VIEW ledger AS """
LEDGER = """SELECT
    trial, round, user, node, policy, COUNT(*) AS calls,
    SUM(source = 'cache') AS cache_hits, SUM(source = 'replay') AS replayed,
    SUM(tries) AS requests, SUM(tokens_in) AS tokens_in, SUM(tokens_out) AS tokens_out,
    SUM(latency_s) AS seconds, SUM(cost_usd) AS cost_usd, SUM(failure != '') AS failed
    FROM turns GROUP BY trial, round, user, node, policy"""
SCHEMA += f"{LEDGER};\n"
_ENDING = "ending TEXT NOT NULL DEFAULT ''"
FACTS = """
CREATE TABLE step_facts (
    trial INTEGER, round INTEGER, user INTEGER, step INTEGER,
    score TEXT, truth TEXT, recalled TEXT,
    PRIMARY KEY (trial, round, user, step)) WITHOUT ROWID;
CREATE TABLE visit_facts (
    trial INTEGER, round INTEGER, user INTEGER, steps INTEGER NOT NULL, shown INTEGER NOT NULL,
    chosen INTEGER NOT NULL, liked INTEGER NOT NULL, rated INTEGER NOT NULL, stars REAL NOT NULL,
    slow INTEGER NOT NULL, flawed INTEGER NOT NULL, exits INTEGER NOT NULL,
    PRIMARY KEY (trial, round, user)) WITHOUT ROWID;
"""
"""Tables for readers, which no digest covers; see `starec_sim.runs.facts`. Records that were begun
before them lack both, until they are opened for writing."""
_FACT_TABLES = ("step_facts", "visit_facts")
CHUNKS = """
CREATE TABLE chunks (
    chunk INTEGER PRIMARY KEY, trial INTEGER NOT NULL, round INTEGER NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL, n_visits INTEGER NOT NULL,
    n_steps INTEGER NOT NULL, n_turns INTEGER NOT NULL, visits BLOB NOT NULL, steps BLOB NOT NULL,
    UNIQUE (trial, round, first));
"""
"""The table of a record with `record: decisions`; see `starec_sim.runs.chunks`."""
_CHUNK_NAMES = ("chunks", "sqlite_autoindex_chunks_1")
_DEFINITIONS = "SELECT name, sql FROM sqlite_master"


def check_schema(db: sqlite3.Connection, path: Path) -> None:
    """Check that a file has the schema of this version, and nothing else.

    Raises:
        RunError: It has another; the message names the file and its version, or what it has.
    """
    stored = db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
    if stored is None or stored[0] != str(SCHEMA_VERSION):
        raise RunError(
            f"{path} has schema {stored[0] if stored else 'unknown'}, this version reads "
            f"{SCHEMA_VERSION}",
            hint="open it with the version of starec-sim named in its manifest.json",
        )
    found = {str(name): sql for name, sql in db.execute(_DEFINITIONS)}
    written = _definitions()
    # A record that was begun without endings; the column of one that was resumed stands elsewhere.
    turns = str(written["turns"])
    former = {turns.replace(f"\n    {_ENDING},", end) for end in ("", f" {_ENDING},")}
    others = [
        name
        for name in sorted({*found, *written})
        if found.get(name, "") != written.get(name, "")
        and not (name == "turns" and found.get(name) in former)
        and not (name in _FACT_TABLES and not has_facts(db))
        and not (name in _CHUNK_NAMES and not has_chunks(db))
    ]
    if others:
        named = "; ".join(_difference(db, name, name in found, written) for name in others[:3])
        more = f"; and {len(others) - 3} more" if len(others) > 3 else ""
        raise damaged(path, f"its schema is not the one written here: {named}{more}")


def _difference(
    db: sqlite3.Connection, name: str, is_there: bool, written: Mapping[str, str | None]
) -> str:
    """Return how a table, view, index or trigger of a file differs from what is written."""
    if not is_there:
        return f"{name} is missing"
    if name not in written:
        return f"{name} is none of its tables"
    own = sqlite3.connect(":memory:")
    try:
        own.executescript(SCHEMA + FACTS + CHUNKS)
        wanted, there = _columns(own, name), _columns(db, name)
    finally:
        own.close()
    missing, extra = ", ".join(sorted(wanted - there)), ", ".join(sorted(there - wanted))
    lacks = [f"lacks the column {missing}"] if missing else []
    has = [f"has the column {extra} more"] if extra else []
    return f"{name} {' and '.join(lacks + has) or 'is defined otherwise'}"


def _columns(db: sqlite3.Connection, table: str) -> set[str]:
    return {str(row[0]) for row in db.execute("SELECT name FROM pragma_table_xinfo(?)", (table,))}


def has_endings(db: sqlite3.Connection) -> bool:
    """Return whether turns are stored with their endings; the first records of 0.2.0 are not."""
    return any(column[1] == "ending" for column in db.execute("PRAGMA table_info(turns)"))


def add_endings(db: sqlite3.Connection) -> None:
    """Add the column of endings to a record that was begun without it."""
    if not has_endings(db):
        db.execute(f"ALTER TABLE turns ADD COLUMN {_ENDING}")


def has_facts(db: sqlite3.Connection) -> bool:
    """Return whether a record has the tables of facts."""
    (found,) = db.execute(
        "SELECT COUNT(*) FROM sqlite_master WHERE name IN (?, ?)", _FACT_TABLES
    ).fetchone()
    return bool(found == len(_FACT_TABLES))


def has_chunks(db: sqlite3.Connection) -> bool:
    """Return whether a record keeps its steps in chunks."""
    query = "SELECT COUNT(*) FROM main.sqlite_master WHERE name = 'chunks'"
    return bool(db.execute(query).fetchone()[0])


@cache
def _definitions() -> dict[str, str | None]:
    """Return the statement that defines each table and view, by name."""
    db = sqlite3.connect(":memory:")
    try:
        db.executescript(SCHEMA + FACTS + CHUNKS)
        return dict(db.execute(_DEFINITIONS))
    finally:
        db.close()
