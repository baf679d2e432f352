"""Errors of the files of a run, in words that a user can act on."""

from __future__ import annotations

import shlex
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import zstandard

from starec_sim.errors import RunError


@contextmanager
def readable_errors(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and of decompression into a `RunError` that names the file."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "no such table" in str(error) or "no such column" in str(error):
            raise damaged(path, str(error)) from error
        raise RunError(
            f"{path} cannot be used: {error}",
            hint="check that the disk has room and that you may write to the run's folder",
        ) from error
    except (sqlite3.DatabaseError, zlib.error, zstandard.ZstdError) as error:
        raise damaged(path, str(error)) from error


def damaged(path: Path, problem: str) -> RunError:
    """Return an error that says that a file is damaged."""
    again = shlex.quote(str(path.with_name("config.yaml")))
    return RunError(
        f"{path} is damaged: {problem}",
        hint=f"put back a copy of it, or start anew with: starec run {again}",
    )
