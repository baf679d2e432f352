"""Files and folders that are written completely, or do not exist.

A folder is written under another name. The hashes of its files are written into a seal, everything
is flushed, and the folder is renamed. A folder whose files do not match its seal is damaged.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from starec_sim.errors import RunError
from starec_sim.runs.regular_file import read_bytes
from starec_sim.runs.stored_values import StoredType
from starec_sim.visible_text import visible_line

_SEAL = "seal.json"
_STORED_SEAL = StoredType[dict[str, str]](_SEAL, dict[str, str])


def put_bytes(path: Path, data: bytes) -> None:
    """Write a file completely, or not at all.

    Raises:
        RunError: There is no room for it, or no permission.
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        with part.open("xb") as file:  # "x": a link that somebody put there is not followed
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise _write_error(path, error) from error


@contextmanager
def sealed_folder(place: Path) -> Iterator[Path]:
    """Let the caller fill a folder under another name; then seal it, flush it and rename it."""
    part = place.with_name(place.name + ".part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        yield part
        seal = {}
        for path in sorted(path for path in part.rglob("*") if path.is_file()):
            seal[str(path.relative_to(part))] = _digest(path)
        (part / _SEAL).write_text(json.dumps(seal, indent=1))
        for path in (*(part / name for name in seal), part / _SEAL):
            with path.open("rb") as file:
                os.fsync(file.fileno())
        part.replace(place)
    except (OSError, RuntimeError, SafetensorError) as error:
        shutil.rmtree(part, ignore_errors=True)
        # torch and safetensors wrap errors of the disk in errors of their own.
        raise _write_error(place, error) from error


def _write_error(place: Path, error: Exception) -> RunError:
    reason = error.strerror if isinstance(error, OSError) else None
    why = reason or str(error).partition("\n")[0]
    return RunError(
        f"{place} cannot be written: {why}",
        hint="make room or choose another disk, and resume; everything committed is kept",
    )


def damage(place: Path) -> str:
    """Return what is wrong with a sealed folder, or that it is missing; "" if nothing is."""
    try:
        seal = _STORED_SEAL.from_json(read_bytes(place / _SEAL))
    except (OSError, ValueError) as error:
        return f"{_SEAL}: {visible_line(str(error))}"
    for name, digest in seal.items():
        path = place / name
        if not path.resolve().is_relative_to(place.resolve()):
            return f"{visible_line(name)} leads out of the folder"
        if not path.is_file():
            return f"{visible_line(name)} is missing"
        if _digest(path) != digest:
            return f"{visible_line(name)} is not what was written there"
    return ""


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
