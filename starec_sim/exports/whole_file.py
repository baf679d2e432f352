"""Write a file whole, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from starec_sim.errors import RunError, os_hint


@contextmanager
def whole_file(file: Path) -> Iterator[TextIO]:
    """Open a text file; if the block raises, an older file of that name stays as it was.

    Raises:
        RunError: It cannot be written.
    """
    part = file.with_name(file.name + ".part")
    try:
        with part.open("w", encoding="utf-8", newline="") as out:
            yield out
        part.replace(file)
    except OSError as error:
        raise RunError(
            f"{file} cannot be written: {error.strerror or error}", hint=os_hint(error)
        ) from error
    finally:
        part.unlink(missing_ok=True)
