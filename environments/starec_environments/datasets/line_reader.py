"""Text files of any size, plain or gzip, one line at a time."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path

from starec_environments.datasets.text_files import unpacked_limit, unpacks_too_far, unreadable
from starec_sim.errors import DataError
from starec_sim.progress import report_progress

LINE_LIMIT = 1 << 24
"""Bytes. A longer line belongs to another kind of file, and might not fit into memory."""
REPORT_EVERY = 5_000
"""Lines between two reports of progress."""


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a file with their numbers, from 1; blank ones are left out.

    One line is held at a time. Progress is reported in bytes of the file.

    Raises:
        DataError: The file is missing or not a file, its compression is broken or ends too early,
            it unpacks to too much, or a line is longer than `LINE_LIMIT`.
    """
    what, number = f"reading {path.name}", 0
    try:
        with path.open("rb") as file:
            size = max(1, path.stat().st_size)
            zipped = file.peek(2)[:2] == b"\x1f\x8b"
            lines = io.BufferedReader(gzip.GzipFile(fileobj=file), 1 << 18) if zipped else file
            left = unpacked_limit(size)
            while line := lines.readline(LINE_LIMIT):
                number += 1
                left -= len(line)
                if zipped and left < 0:
                    raise unpacks_too_far(path, unpacked_limit(size))
                if len(line) == LINE_LIMIT:
                    raise DataError(
                        f"{path}, line {number}: longer than {LINE_LIMIT} bytes",
                        hint="the file should hold one record a line",
                    )
                if number % REPORT_EVERY == 0:
                    report_progress(what, min(file.tell(), size), size)
                if line := line.strip():
                    yield number, line
            report_progress(what, size, size)
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(path, error, f" after line {number}") from error
