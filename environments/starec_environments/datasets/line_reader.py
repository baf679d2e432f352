"""Text files of any size, plain or gzip, one line at a time."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

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
            or a line is longer than `LINE_LIMIT`.
    """
    what, number = f"reading {path.name}", 0
    try:
        with path.open("rb") as file:
            size = max(1, path.stat().st_size)
            zipped = file.peek(2)[:2] == b"\x1f\x8b"
            lines = io.BufferedReader(gzip.GzipFile(fileobj=file), 1 << 18) if zipped else file
            while line := lines.readline(LINE_LIMIT):
                number += 1
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
    except FileNotFoundError:
        raise DataError(
            f"there is no file {path}", hint="check the path and that the download is complete"
        ) from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            f"{path} breaks off or is damaged after line {number}: {error}",
            hint="get the file again: the download was not complete",
        ) from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


@dataclass(slots=True)
class Faults:
    """Bad lines of a file: refused, or counted by reason."""

    path: Path
    rule: Literal["error", "skip"]
    first: dict[str, int] = field(default_factory=dict)
    """Reason to the first line with it."""
    counts: dict[str, int] = field(default_factory=dict)

    def found(self, line: int, reason: str, shown: object = "") -> None:
        """Count a bad line.

        Raises:
            DataError: Bad lines are errors; the message names the line and what is wrong with it.
        """
        if self.rule == "error":
            raise self.error(line, reason, shown)
        self.first.setdefault(reason, line)
        self.counts[reason] = self.counts.get(reason, 0) + 1

    def error(self, line: int, reason: str, shown: object = "") -> DataError:
        """Return the error of one bad line."""
        got = f", got {str(shown)[:80]!r}" if shown != "" else ""
        return DataError(
            f"{self.path}, line {line}: {reason}{got}",
            hint="mend or remove the line, or set `bad_lines: skip` to leave such lines out and "
            "have them counted",
        )

    def notes(self) -> dict[str, int]:
        """Return how many lines were left out for each reason, and the first of them."""
        return {
            f"{self.path.name}: {reason} (first on line {self.first[reason]})": count
            for reason, count in self.counts.items()
        }
