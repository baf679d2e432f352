"""Write a file whole, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from starec_sim.errors import RunError, os_hint


@contextmanager
def whole_file(file: Path) -> Iterator[TextIO]:
    """Open a text file; if the block raises, an older file of that name stays as it was.

    Raises:
        RunError: It cannot be written.
    """
    with whole_path(file) as part, part.open("w", encoding="utf-8", newline="") as out:
        yield out


@contextmanager
def whole_path(file: Path) -> Iterator[Path]:
    """Give a path to write to; it gets the name of the file if the block does not raise.

    A device or a pipe is written in place, because a rename would put a file where it was. A
    symbolic link stays one: the file that it names is replaced.

    Raises:
        RunError: It cannot be written.
    """
    in_place, part = False, None
    try:
        in_place = file.exists() and not file.is_file() and not file.is_dir()
        target = file if in_place else file.resolve()
        part = file if in_place else target.with_name(target.name + ".part")
        yield part
        if not in_place:
            part.replace(target)
    except OSError as error:
        raise RunError(
            f"{file} cannot be written: {error.strerror or error}", hint=os_hint(error)
        ) from error
    finally:
        if part is not None and not in_place:
            with suppress(OSError):
                part.unlink(missing_ok=True)
