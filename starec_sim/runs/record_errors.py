"""Errors of the files of a run, in words that a user can act on."""

from __future__ import annotations

import shlex
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import zstandard
from pydantic import BaseModel, ValidationError

from starec_sim.errors import RunError
from starec_sim.runs.regular_file import reason
from starec_sim.runs.stored_values import StoredValueError
from starec_sim.settings import explain
from starec_sim.visible_text import visible_line

_MACHINE = (
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
)
"""Errors of SQLite that come from the machine and not from the file."""


@contextmanager
def readable_errors(path: Path) -> Iterator[None]:
    """Turn errors of SQLite, of decompression and of types into a `RunError` with the file."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        if code == sqlite3.SQLITE_INTERRUPT:
            raise damaged(path, "reading it takes too long") from error
        if code & 0xFF == sqlite3.SQLITE_FULL:
            raise RunError(
                f"the disk is full: nothing more can be written to {path}",
                hint="make room on that disk",
            ) from error
        if code & 0xFF in _MACHINE:  # the upper bits say more
            raise RunError(
                f"{path} cannot be used: {error}",
                hint="check that the disk has room and that you may write to the run's folder",
            ) from error
        raise damaged(path, str(error)) from error
    except OSError as error:
        raise RunError(
            f"{path} cannot be read: {error.strerror or error}",
            hint="check that it is there and that you may read it",
        ) from error
    except (zlib.error, zstandard.ZstdError, StoredValueError, UnicodeDecodeError) as error:
        raise damaged(path, str(error)) from error


def damaged(path: Path, problem: str) -> RunError:
    """Return an error that says that a file is damaged."""
    again = shlex.quote(str(path.with_name("config.yaml")))
    return RunError(
        f"{path} is damaged: {visible_line(problem)}",
        hint=f"put back a copy of it, or start anew with: starec run {again}",
    )


def file_problem(error: OSError | ValueError, model: type[BaseModel]) -> str:
    """Return why a file beside a record cannot be read: the file, its JSON, or a field.

    Args:
        error: What reading, parsing or validating it raised.
        model: What it is validated as.
    """
    if isinstance(error, OSError | UnicodeDecodeError):
        return reason(error)
    if isinstance(error, ValidationError):
        return explain(error, model, "").message.replace("\n", "; ")
    return str(error)
