"""The lock of a run's folder: one process works on a run at a time."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from starec_sim.errors import RunError, os_hint

LOCK = ".lock"
_LOCK_WAIT_S = 0.2
"""Longer than `is_locked` holds the lock to see whether another process does."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the run's lock; the operating system releases it when the process ends.

    Raises:
        RunError: Another process holds it.
    """
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=_LOCK_WAIT_S)
    except Timeout:
        raise RunError(
            f"the run {folder.name} is in progress in another process",
            hint=f"watch it with: starec show {shlex.quote(str(folder))}",
        ) from None
    except OSError as error:
        raise RunError(
            f"the run {folder.name} cannot be locked: {error.strerror}",
            hint=os_hint(error) or "copy its folder to another place",
        ) from error
    try:
        yield
    finally:
        lock.release()


def is_locked(folder: Path) -> bool:
    """Return whether a process works on the run."""
    if not os.access(folder, os.W_OK):
        return False  # this process cannot run a run in a folder that it may not write to
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:  # something else is in the place of the lock: no process holds it
        return False
    lock.release()
    return False
