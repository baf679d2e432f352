"""The state of an environment in memory that the processes of one machine share.

The arrays lie one after the other in a file, on Linux in `/dev/shm`, which is memory. Each process
maps it: no array is copied before somebody writes into it, and what is written stays private.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from starec_sim.errors import RunError, os_hint
from starec_sim.workers.messages import State

_MEMORY = Path("/dev/shm")
_ALIGN = 64
"""Bytes; numpy is fastest with arrays that begin at such an address."""


class _Place(NamedTuple):
    """Where an array lies in the file."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int


class StateFile(NamedTuple):
    """A state in a file."""

    path: str
    places: dict[str, _Place]

    def arrays(self) -> State:
        """Return the arrays; what is written into them stays in this process."""
        return {name: self._array(place) for name, place in self.places.items()}

    def _array(self, place: _Place) -> Any:
        if not np.prod(place.shape, dtype=np.int64) or not place.dtype.itemsize:
            return np.zeros(place.shape, place.dtype)
        mapped = np.memmap(self.path, place.dtype, "c", place.offset, place.shape or (1,))
        return np.asarray(mapped).reshape(place.shape)


class SharedStates:
    """The folder of the states of one run; there is one file in it at a time."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._file: Path | None = None
        self._number = 0

    def share(self, state: State) -> StateFile:
        """Write a state, in place of the one before.

        Raises:
            RunError: There is no room for it.
        """
        arrays = {name: np.ascontiguousarray(array) for name, array in state.items()}
        places, end = {}, 0
        for name, array in arrays.items():
            places[name] = _Place(array.dtype, np.asarray(state[name]).shape, end)
            end += -(-array.nbytes // _ALIGN) * _ALIGN
        self.close(keep_folder=True)
        for parent in (_MEMORY, Path(tempfile.gettempdir())):
            try:
                return StateFile(str(self._write(parent, arrays, places)), places)
            except OSError as error:
                problem = error
                self.close()
        raise RunError(
            f"the state of the environment, {end:,} bytes, cannot be shared with the workers: "
            f"{problem.strerror}",
            hint=os_hint(problem),
        )

    def _write(self, parent: Path, arrays: State, places: dict[str, _Place]) -> Path:
        if self._folder is None:
            _remove_left_behind()
            self._folder = tempfile.TemporaryDirectory(
                prefix=f"starec-{_namespace()}-{os.getpid()}-",
                dir=parent,
                ignore_cleanup_errors=True,
            )
        self._number += 1
        self._file = Path(self._folder.name) / str(self._number)
        with self._file.open("wb") as file:
            for name, array in arrays.items():
                if array.nbytes:
                    file.seek(places[name].offset)
                    file.write(array.reshape(-1).view(np.uint8).data)
        return self._file

    def close(self, *, keep_folder: bool = False) -> None:
        """Remove the file. Who has mapped it keeps it until the arrays are gone."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.unlink()
            self._file = None
        if not keep_folder and self._folder is not None:
            self._folder.cleanup()
            self._folder = None


def _remove_left_behind() -> None:
    """Remove folders of this user whose process was killed together with its workers."""
    namespace = _namespace()
    if not namespace:
        return
    for folder in _MEMORY.glob(f"starec-{namespace}-*-*"):
        with contextlib.suppress(OSError, ValueError, OverflowError):
            is_own = folder.stat(follow_symlinks=False).st_uid == os.getuid()
            if is_own and not _lives(int(folder.name.split("-")[2])):
                shutil.rmtree(folder, ignore_errors=True)


def _namespace() -> int:
    """Return the namespace in which the id of this process is unique; 0 if it is not known.

    Containers may share `/dev/shm` and have equal ids of processes.
    """
    try:
        return Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return 0


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
