"""Workers in the process of the test: everything but the processes themselves."""

import asyncio
from dataclasses import replace

from starec_sim.workers import compact
from starec_sim.workers.messages import Begin
from starec_sim.workers.transport import NoRoomError, WorkerLost
from starec_sim.workers.worker import Worker


class InProcess:
    """A transport whose workers run on the event loop of the parent.

    Args:
        workers: How many.
        lost_after: By number of the start, how many messages the parent waits for before that
            worker is lost: it takes no message while the parent waits for the last of them.
        room: How many can be started in all.
    """

    is_remote = True

    def __init__(self, workers, lost_after=None, room=10**9):
        self._workers = workers
        self._room = room
        self._lost_after = lost_after or {}
        self.started = 0
        self.open = 0

    def workers(self):
        return self._workers

    async def start(self, number):
        if self.started >= self._room:
            raise NoRoomError("the cluster is full")
        self.started += 1
        self.open += 1
        return InProcessConnection(self, self._lost_after.get(self.started, 10**9))

    def share(self, state):
        return {name: array.copy() for name, array in state.items()}

    async def close(self):
        assert not self.open


class InProcessConnection:
    def __init__(self, transport, left):
        self._transport = transport
        self._messages = asyncio.Queue()
        self._left = left
        self._is_open = True
        self._worker = Worker(lambda message: self._messages.put_nowait(compact.dumps(message)))

    async def send(self, message):
        if self._left <= 0:
            raise WorkerLost("ended with exit code 9")
        message = compact.loads(compact.dumps(message))
        if isinstance(message, Begin):
            copies = {name: array.copy() for name, array in message.state.items()}
            message = replace(message, state=copies)
        await self._worker.receive(message)

    async def receive(self):
        self._left -= 1
        data = None if self._left < 0 else await self._messages.get()
        if data is None:
            for task in self._worker._tasks:
                task.cancel()
            raise WorkerLost("ended with exit code 9")
        return compact.loads(data)

    async def close(self):
        for task in self._worker._tasks:
            task.cancel()
        self._messages.put_nowait(None)
        if self._is_open:
            self._is_open = False
            self._transport.open -= 1
