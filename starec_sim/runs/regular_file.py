"""Read a file of a run's folder that somebody else may have made.

Only regular files are read: a pipe would block, a device has no end, and a symbolic link can lead
anywhere. Sizes are bounded (decision 41).
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

MAX_BYTES = 16 << 20
"""Bytes of a text file that is read: a manifest, a configuration, a table."""


def read_bytes(path: Path, limit: int = MAX_BYTES) -> bytes:
    """Return the contents of a regular file.

    Raises:
        OSError: There is none, it is something else than a regular file, or it is larger.
    """
    check_regular(path)
    # Without O_NONBLOCK, a pipe that took its place a moment ago would block.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
    with open(os.open(path, flags), "rb") as file:  # noqa: PTH123 - a descriptor has no path
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"it is larger than {limit:,} bytes", str(path))
    return data


def read_text(path: Path, limit: int = MAX_BYTES) -> str:
    """Return the text of a regular file in UTF-8.

    Raises:
        OSError: As for `read_bytes`.
        UnicodeDecodeError: It is not UTF-8.
    """
    return read_bytes(path, limit).decode("utf-8").replace("\r\n", "\n")


def check_regular(path: Path) -> None:
    """Check that a path is a regular file, and no link to one.

    Raises:
        OSError: It is something else, or there is nothing.
    """
    mode = path.lstat().st_mode
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, f"it is {_kind(mode)}, not a regular file", str(path))


def reason(error: OSError | UnicodeDecodeError) -> str:
    """Return why a file cannot be read, without its path."""
    return error.strerror or str(error) if isinstance(error, OSError) else "it is not UTF-8"


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFLNK: "a symbolic link",
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
    }
    return kinds.get(stat.S_IFMT(mode), "a device")
