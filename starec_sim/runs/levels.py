"""How much of a run is recorded, and the error of a command that needs more (decision 92)."""

from __future__ import annotations

import shlex
import sqlite3
from pathlib import Path
from typing import Literal, get_args

from starec_sim.errors import RunError
from starec_sim.runs.stored_values import StoredType

RecordLevel = Literal["everything", "decisions", "metrics"]
"""`everything`: steps with all prompts and answers. `decisions`: steps without prompts and answers.
`metrics`: the figures of rounds, and what a resume needs."""

LEVELS: tuple[RecordLevel, ...] = get_args(RecordLevel)
"""From the most to the least."""
_KEY = "record"
_COMPACTED = "compacted"
_LEVEL = StoredType[tuple[RecordLevel]]("meta", tuple[RecordLevel])
_KEEPS = {"decisions": "no prompts and answers", "metrics": "no steps of users"}


def read_level(db: sqlite3.Connection) -> RecordLevel:
    """Return how much a record keeps; one that does not say so keeps everything."""
    row = db.execute("SELECT value FROM meta WHERE key = ?", (_KEY,)).fetchone()
    return "everything" if row is None else _LEVEL.from_row(row)[0]


def write_level(db: sqlite3.Connection, level: RecordLevel) -> None:
    """Note in a new record how much it keeps (inside a transaction)."""
    if level != "everything":
        db.execute("INSERT INTO meta VALUES (?, ?)", (_KEY, level))


def is_compacted(db: sqlite3.Connection) -> bool:
    """Return whether the run was compacted; older records do not say so."""
    query = "SELECT COUNT(*) FROM meta WHERE key = ?"
    return bool(db.execute(query, (_COMPACTED,)).fetchone()[0])


def write_compacted(db: sqlite3.Connection, level: RecordLevel) -> None:
    """Note in a new record that the run was compacted (inside a transaction)."""
    db.execute("INSERT INTO meta VALUES (?, ?)", (_COMPACTED, level))


def level_words(level: RecordLevel, compacted: bool) -> str:
    """Return how a run came to its level, to stand before what is missing."""
    return f"compacted to {level}" if compacted else f"record: {level}"


def require_level(db: sqlite3.Connection, folder: Path, needed: RecordLevel, what: str) -> None:
    """Check that a record keeps enough.

    Args:
        db: The record.
        folder: Of the run.
        needed: The least that must be recorded.
        what: What needs it, e.g. `a replay`.

    Raises:
        RunError: The run was recorded with less, or compacted.
    """
    level = read_level(db)
    if LEVELS.index(level) > LEVELS.index(needed):
        became = (
            f"compacted to `{level}`" if is_compacted(db) else f"recorded with `record: {level}`"
        )
        raise RunError(
            f"{folder.name} was {became}, which keeps {_KEEPS[level]}; "
            f"{what} needs `record: {needed}`",
            hint=f"`starec show {shlex.quote(str(folder))}` shows what it keeps; for more, run it "
            f"again with --set record={needed}: the same seed gives the same digest where the "
            "policies answer alike",
        )
