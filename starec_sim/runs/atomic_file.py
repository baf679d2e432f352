"""Write a small file so that a reader sees the old file or the new one, never half of it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def write_atomically(path: Path, text: str) -> None:
    """Write a text file, flush it to the disk, and put it in the place of the old one.

    Raises:
        OSError: It cannot be written; the old file stays.
    """
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    try:
        # "x": a link that somebody put in its place is not followed.
        with part.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException as error:
        if isinstance(error, OSError) and error.filename is None:  # a write names no file
            error.filename = str(path)
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def flush_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk, where the system can do that."""
    with contextlib.suppress(OSError):  # Windows opens no folders
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
