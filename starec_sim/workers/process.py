"""A worker process: `python -m starec_sim.workers.process`, started by the parent only."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from starec_sim.workers import compact
from starec_sim.workers.messages import Begin
from starec_sim.workers.processes import LENGTH_BYTES
from starec_sim.workers.worker import Worker, as_in_a_run


def main() -> None:
    """Play what the parent sends until it ends."""
    # The parent is told to end, and ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # What a plug-in prints must not end up among the messages.
    to_parent = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    asyncio.run(_serve(sys.stdin.buffer, to_parent))


async def _serve(from_parent: BinaryIO, to_parent: BinaryIO) -> None:
    loop = asyncio.get_running_loop()
    messages: asyncio.Queue[bytes] = asyncio.Queue()
    shared_in: set[Path] = set()

    def read() -> None:
        try:
            while head := from_parent.read(LENGTH_BYTES):
                data = from_parent.read(int.from_bytes(head, "big"))
                loop.call_soon_threadsafe(messages.put_nowait, data)
        finally:
            for folder in shared_in:  # the parent may have been killed
                shutil.rmtree(folder, ignore_errors=True)
            os._exit(0)  # also in the call of a plug-in: nobody waits for its result

    def send(message: Any) -> None:
        data = compact.dumps(message)
        rest = memoryview(len(data).to_bytes(LENGTH_BYTES, "big") + data)
        while rest:
            rest = rest[to_parent.write(rest) :]

    threading.Thread(target=read, daemon=True, name="starec-messages").start()
    worker = Worker(send)
    worker.repeat_warnings()
    with as_in_a_run():
        while True:
            message = compact.loads(await messages.get())
            if isinstance(message, Begin):
                shared_in.add(Path(message.state.path).parent)
                message = replace(message, state=message.state.arrays())
            await worker.receive(message)


if __name__ == "__main__":
    main()
