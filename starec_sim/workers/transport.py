"""How the parent reaches its workers."""

from __future__ import annotations

import os
import sys
from typing import Any, Protocol

from starec_sim.errors import RunError
from starec_sim.workers.messages import State

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""Environment variables of a worker that is one of several: with all cores for each, they would
wait for each other."""


def import_path() -> str:
    """Return the PYTHONPATH with which a worker imports what this process can import."""
    return os.pathsep.join(os.path.abspath(each) for each in sys.path)  # noqa: PTH100 - also of ""


class WorkerLost(Exception):  # noqa: N818 - it is replaced
    """A worker ended without being told to; the text says how."""


class NoRoomError(RunError):
    """There is no room for a worker."""


class Connection(Protocol):
    """The way to one worker."""

    async def send(self, message: Any) -> None:
        """Send a message.

        Raises:
            WorkerLost: The worker has ended.
        """
        ...

    async def receive(self) -> Any:
        """Wait for the next message of the worker.

        Raises:
            WorkerLost: The worker has ended.
        """
        ...

    async def close(self) -> None:
        """End the worker, whatever it does; a `receive` that waits then raises `WorkerLost`.

        It may be called again.
        """
        ...


class Transport(Protocol):
    """Starts workers."""

    is_remote: bool
    """Whether workers may run on other machines, which may have other data."""

    def workers(self) -> int:
        """Return how many workers there should be now."""
        ...

    async def start(self, number: int) -> Connection:
        """Start the worker of a number, from 0.

        Raises:
            NoRoomError: There is no room for it now.
            StarecError: It cannot be started.
        """
        ...

    def share(self, state: State) -> Any:
        """Make the state of an environment readable for all workers, until the next one is."""
        ...

    async def close(self) -> None:
        """Give back everything that is shared. All workers have ended."""
        ...
