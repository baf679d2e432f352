"""Open the record of a run for reading, also one that somebody else made (decision 41).

Reading it runs no code of the file: its schema must be the one that is written here, so it has no
triggers, views or generated columns of its own. It takes no time without end: a damaged file can
send SQLite in circles, and is given up.
"""

from __future__ import annotations

import os
import shlex
import sqlite3
from pathlib import Path

from starec_sim.errors import RunError
from starec_sim.runs.chunk_views import add_views
from starec_sim.runs.compression import MAX_ARRAYS
from starec_sim.runs.manifest import MANIFEST, check_version, read_manifest
from starec_sim.runs.record_errors import damaged, readable_errors
from starec_sim.runs.regular_file import check_regular
from starec_sim.runs.schema import FILE, check_schema

_SIDE_FILES = ("-wal", "-shm", "-journal")
_STEPS = 500_000_000
_STEPS_PER_BYTE = 2_000
"""Steps of SQLite's machine that reading takes at most, with what they are more in a larger file.
Reading all of a record took 2 to 40 steps for each of its bytes (measured)."""
_BETWEEN_CHECKS = 1_000_000


def read_only(folder: Path, *, views: bool = True) -> sqlite3.Connection:
    """Open a run's record for reading; another process may write to it.

    Args:
        folder: The run's folder.
        views: Whether the connection gets the views of `chunk_views`.

    Raises:
        RunError: There is no record, or it is damaged or of another version.
    """
    path = folder / FILE
    check_version(folder)
    if not os.path.lexists(path):
        raise _no_record(folder)
    check_files(path)
    with readable_errors(path):
        db = sqlite3.connect(f"{path.resolve().as_uri()}?{_mode(path)}", uri=True)
        try:
            limit_work(db, path)
            if not db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
                raise _no_record(folder)
            check_schema(db, path)
            if views:
                add_views(db)
            db.execute("PRAGMA query_only = ON")
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


def check_files(path: Path) -> None:
    """Check that a record and the files that SQLite keeps beside it are regular files.

    Raises:
        RunError: One of them is something else.
    """
    for file in (path, *(path.with_name(path.name + side) for side in _SIDE_FILES)):
        try:
            check_regular(file)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise damaged(file, error.strerror or str(error)) from error


def limit_work(db: sqlite3.Connection, path: Path) -> None:
    """Bound what the statements of a connection may do until `unlimit_work`.

    Values have a bounded size, functions in the schema do not run, and after a number of steps
    that depends on the size of the file, each statement is interrupted.
    """
    db.execute("PRAGMA trusted_schema = OFF")
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_ARRAYS)
    steps = _STEPS + _STEPS_PER_BYTE * path.stat().st_size
    left = steps // _BETWEEN_CHECKS

    def is_spent() -> bool:
        nonlocal left
        left -= 1
        return left < 0

    db.set_progress_handler(is_spent, _BETWEEN_CHECKS)


def unlimit_work(db: sqlite3.Connection) -> None:
    """Let a connection run statements without end: those of a run that lasts for days."""
    db.set_progress_handler(None, 0)


def _mode(path: Path) -> str:
    """Return how the file is opened: without side files where none can be made.

    SQLite makes two files beside a record in WAL mode. In a folder that is read-only it cannot; it
    can do without them if nothing waits in a WAL file.
    """
    if os.access(path.parent, os.W_OK):
        return "mode=ro"
    wal = path.with_name(path.name + "-wal")
    waits = wal.exists() and wal.stat().st_size > 0
    return "mode=ro" if waits else "mode=ro&immutable=1"
