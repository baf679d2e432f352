"""Stdout and stderr of a command: output that is lost is an error."""

from __future__ import annotations

import contextlib
import errno
import io
import os
from typing import Any, TextIO

from starec_sim.errors import StarecError


class OutputError(StarecError):
    """Stdout cannot be written: a pipe is closed, or a disk is full."""


class Stdout:
    """Stdout whose errors of writing are an `OutputError`; what follows one is dropped.

    Args:
        stream: The stream that is written.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write text."""
        try:
            return self._stream.write(text)
        except OSError as error:
            return self._failed(error)

    def flush(self) -> None:
        """Write what is buffered."""
        try:
            self._stream.flush()
        except OSError as error:
            self._failed(error)

    def _failed(self, error: OSError) -> int:
        self._drop_the_rest()
        if error.errno == errno.EPIPE:
            raise OutputError("stdout was closed before everything was written") from error
        raise OutputError(
            f"stdout cannot be written: {error.strerror}", hint="send it to a file with room"
        ) from error

    def _drop_the_rest(self) -> None:
        """Connect the stream to nothing; else Python fails again when it flushes at its end."""
        with contextlib.suppress(OSError, io.UnsupportedOperation):
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


class Stderr(Stdout):
    """Stderr; what cannot be written is dropped, because progress must not end a run."""

    def _failed(self, error: OSError) -> int:
        self._drop_the_rest()
        return 0
