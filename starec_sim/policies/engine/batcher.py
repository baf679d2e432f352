"""Many users, one engine: whoever asks at the same time is answered in one batch.

A worker thread owns the engine, so that no event loop is ever blocked. It starts a batch when as
many wait as fit, when everybody alive waits, or when nobody new has come for 5 ms. Everybody waits
when the event loop has nothing else to do: its turns become as short as an empty one.
"""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING

from starec_sim.policies.engine.protocol import Completion, Request, Watcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from starec_sim.policies.engine.protocol import Engine

_QUIET_TURN_S = 0.0001
"""An event loop's turn that is shorter did nothing but look."""
_QUIET_TURNS = 5
"""So many in a row, and everybody waits: a user between two nodes of a graph needs a few turns."""
_LINGER_S = 1.0
"""How long the thread stays without work: starting one is dear to torch, keeping it to nobody."""


class Batcher:
    """Collects requests from any number of event loops and threads.

    Args:
        engine: Called by the worker thread only.
        most: The largest batch.
        patience_s: How long a batch waits for the next newcomer when it cannot tell whether
            everybody waits.
    """

    def __init__(self, engine: Engine, most: int = 64, patience_s: float = 0.005) -> None:
        self._engine = engine
        self._most = most
        self._patience_s = patience_s
        self._changed = threading.Condition()
        self._waiting: list[_Call] = []
        self._jobs: list[Callable[[], None]] = []
        self._lookouts: dict[asyncio.AbstractEventLoop, _Lookout] = {}
        self._due = 0.0
        self._worker: threading.Thread | None = None
        self._closing = False
        self.sizes: list[int] = []
        """How many requests each batch of the last thousand held."""

    # Asking

    async def ask(self, request: Request) -> Completion:
        """Answer a request within a batch. A caller who is cancelled leaves the batch."""
        loop = asyncio.get_running_loop()
        call = self._submit(request, loop)
        try:
            return await asyncio.wrap_future(call.future)
        finally:
            call.left = True

    def ask_blocking(self, request: Request) -> Completion:
        """Answer a request of a thread without an event loop."""
        return self._submit(request, None).future.result()

    def between_batches(self, job: Callable[[], None]) -> None:
        """Run something while the engine is at rest, such as a change of weights; wait for it."""
        future: Future[None] = Future()
        with self._changed:
            self._jobs.append(lambda: _settle(future, job))
            self._start()
        future.result()

    def close(self) -> None:
        """End the worker thread once nobody waits; a later request starts another."""
        with self._changed:
            self._closing = True
            self._changed.notify()

    def _submit(self, request: Request, loop: asyncio.AbstractEventLoop | None) -> _Call:
        call = _Call(request, loop)
        with self._changed:
            self._waiting.append(call)
            self._due = time.monotonic() + self._patience_s
            self._start()
        if loop is not None:
            self._look(loop)
        return call

    def _start(self) -> None:
        """Wake the worker, or start it."""
        self._closing = False
        if self._worker is None:
            # Not a daemon: torch does not survive being cut off in the middle of a product.
            self._worker = threading.Thread(target=self._work, name="starec-engine")
            self._worker.start()
        else:
            self._changed.notify()

    # Knowing when everybody waits

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Watch a loop, from within it, until it has nothing more to do."""
        lookout = self._lookouts.get(loop)
        if lookout is None:
            lookout = self._lookouts[loop] = _Lookout(loop, self._loop_is_quiet)
        lookout.watch()

    def _loop_is_quiet(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._changed:
            self._lookouts.pop(loop, None)
            if not self._lookouts:
                self._due = 0.0
            self._changed.notify()

    # The worker

    def _work(self) -> None:
        while True:
            with self._changed:
                batch = self._next_batch()
                jobs, self._jobs = self._jobs, []
                if not batch and not jobs:
                    self._worker = None
                    return
            for job in jobs:
                job()
            if batch:
                self._answer(batch)

    def _next_batch(self) -> list[_Call]:
        """Wait for a batch or a job; nothing of either means that the thread may end."""
        idle_since = time.monotonic()
        while not self._jobs:
            self._waiting = [call for call in self._waiting if not call.left]
            now = time.monotonic()
            if self._waiting:
                if len(self._waiting) >= self._most or now >= self._due:
                    return self._take()
                self._changed.wait(self._due - now)
            elif self._closing or now - idle_since >= _LINGER_S:
                return []
            else:
                self._changed.wait(_LINGER_S)
        return []

    def _take(self) -> list[_Call]:
        """Take the longest waiting, and with each of them those who ask the same."""
        groups: dict[tuple[int, ...], list[_Call]] = {}
        for call in self._waiting:
            groups.setdefault(call.request.prompt, []).append(call)
        batch = [call for group in groups.values() for call in group][: self._most]
        taken = set(map(id, batch))
        self._waiting = [call for call in self._waiting if id(call) not in taken]
        return batch

    def _answer(self, batch: list[_Call]) -> None:
        self.sizes = [*self.sizes[-999:], len(batch)]
        calls = [call for call in batch if call.future.set_running_or_notify_cancel()]
        try:
            answers = self._engine.generate([call.watched() for call in calls])
        except BaseException as error:
            for call in calls:
                call.future.set_exception(error)
            return
        # Those who are answered now will ask again soon: the next batch waits for them.
        with self._changed:
            self._due = time.monotonic() + self._patience_s
        for call, answer in zip(calls, answers, strict=True):
            if call.error is not None:
                call.future.set_exception(call.error)
            else:
                call.future.set_result(answer)
        for loop in {call.loop for call in calls if call.loop is not None}:
            try:
                loop.call_soon_threadsafe(self._look, loop)
            except RuntimeError:  # the loop was closed meanwhile; nobody there waits
                self._lookouts.pop(loop, None)


class _Call:
    """A request on its way."""

    def __init__(self, request: Request, loop: asyncio.AbstractEventLoop | None) -> None:
        self.request = request
        self.loop = loop
        self.future: Future[Completion] = Future()
        self.left = False
        """Whether the caller has gone: answered, or cancelled."""
        self.error: Exception | None = None
        """What the request's own watcher came to."""

    def watched(self) -> Request:
        """Return the request, ending with the next token once the caller has left."""
        watch: Watcher | None = self.request.watch

        def look(token: int) -> bool:
            try:
                return self.left or (watch is not None and watch(token))
            except Exception as error:  # it ends this completion, not its neighbours
                self.error = error
                return True

        return Request(self.request.prompt, self.request.sampling, look)


class _Lookout:
    """Measures the turns of an event loop until a few in a row were empty."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        quiet: Callable[[asyncio.AbstractEventLoop], None],
    ) -> None:
        self._loop, self._quiet = loop, quiet
        self._turns = 0
        self._began = 0.0
        self._watching = False

    def watch(self) -> None:
        self._turns = 0
        if not self._watching:
            self._watching = True
            self._began = time.perf_counter()
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        now = time.perf_counter()
        self._turns = self._turns + 1 if now - self._began < _QUIET_TURN_S else 0
        self._began = now
        if self._turns < _QUIET_TURNS:
            self._loop.call_soon(self._turn)
        else:
            self._watching = False
            self._quiet(self._loop)


def _settle(future: Future[None], job: Callable[[], None]) -> None:
    try:
        job()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(None)
