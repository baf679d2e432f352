"""Workers in other processes of this machine.

Each is a new Python, `python -m starec_sim.workers.process`, and no copy of this one (`fork`): a
copy would inherit locks and threads of torch and BLAS in whatever state they are. A new one is the
same on every system, and needs nothing of the script that was started. Messages go through its
stdin and stdout. A worker whose stdin ends, because the parent is gone in whatever way, ends at
once.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from typing import Any

from starec_sim.errors import RunError, os_hint
from starec_sim.workers import compact
from starec_sim.workers.messages import State
from starec_sim.workers.shared_state import SharedStates, StateFile
from starec_sim.workers.transport import ONE_THREAD, WorkerLost, import_path

LENGTH_BYTES = 8
"""Each message follows its length."""
_END_S = 2.0
"""How long a worker is given to end by itself."""


class ProcessConnection:
    """The way to a worker in another process; implements `Connection`."""

    def __init__(self, process: Process) -> None:
        self._process = process
        assert process.stdin is not None and process.stdout is not None
        self._to, self._from = process.stdin, process.stdout
        self.sent_bytes = self.received_bytes = 0
        """Of all messages, for benchmarks."""

    async def send(self, message: Any) -> None:
        """Send a message; see `Connection`."""
        data = compact.dumps(message)
        self.sent_bytes += len(data)
        try:
            self._to.write(len(data).to_bytes(LENGTH_BYTES, "big"))
            self._to.write(data)
            await self._to.drain()
        except (ConnectionError, RuntimeError):  # a closed transport
            raise await self._lost() from None

    async def receive(self) -> Any:
        """Wait for a message; see `Connection`."""
        try:
            length = int.from_bytes(await self._from.readexactly(LENGTH_BYTES), "big")
            data = await self._from.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            raise await self._lost() from None
        self.received_bytes += length
        return compact.loads(data)

    async def _lost(self) -> WorkerLost:
        try:
            status = await asyncio.wait_for(self._process.wait(), _END_S)
        except TimeoutError:
            return WorkerLost("closed its connection")
        if status < 0:
            return WorkerLost(f"was killed by {signal.Signals(-status).name}")
        return WorkerLost(f"ended with exit code {status}")

    async def close(self) -> None:
        """End the process; see `Connection`."""
        self._to.close()
        try:
            await asyncio.wait_for(self._process.wait(), _END_S)
        except TimeoutError:
            await self._kill()  # in the call of a plug-in that does not return
        except asyncio.CancelledError:
            await self._kill()
            raise

    async def _kill(self) -> None:
        self._process.kill()
        await self._process.wait()


class Processes:
    """Starts workers in other processes; implements `Transport`.

    Args:
        workers: How many.
    """

    is_remote = False

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._states = SharedStates()

    def workers(self) -> int:
        """Return how many workers there should be."""
        return self._workers

    async def start(self, number: int) -> ProcessConnection:
        """Start a worker; see `Transport`."""
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "starec_sim.workers.process"),
                stdin=PIPE,
                stdout=PIPE,
                env=_environment(self._workers),
                start_new_session=True,  # Ctrl-C on the terminal is for the parent
            )
        except OSError as error:
            raise RunError(
                f"a worker cannot be started with {sys.executable}: {error.strerror}",
                hint=os_hint(error) or "set executor: per_user",
            ) from None
        return ProcessConnection(process)

    def share(self, state: State) -> StateFile:
        """Write a state to memory that all workers map; see `Transport`."""
        return self._states.share(state)

    async def close(self) -> None:
        """Remove what was shared."""
        self._states.close()


def _environment(workers: int) -> dict[str, str]:
    """Return the environment variables of a worker."""
    threads = {} if workers == 1 else ONE_THREAD
    return {**threads, **os.environ, "PYTHONPATH": import_path()}
