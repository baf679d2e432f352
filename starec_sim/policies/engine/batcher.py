"""Many callers, one engine: requests that arrive together are answered in one batch.

A worker thread owns the engine, so that no event loop is blocked. It starts a batch when the batch
is full, when all callers wait for an answer, or when no new request has come for 5 ms. All callers
wait when their event loop has nothing else to do: its iterations become as short as empty ones.
"""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING

from starec_sim.policies.engine.protocol import Completion, Request, Watcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from starec_sim.policies.engine.protocol import Engine

_IDLE_ITERATION_S = 0.0001
"""A shorter iteration of an event loop did nothing."""
_IDLE_ITERATIONS = 5
"""After so many idle iterations in a row all callers wait. A caller that goes from one node of a
graph to the next needs a few iterations."""
_LONGEST_ITERATION_S = 0.1
"""The longest wait for the end of an iteration in which a request came. More requests may come in
the same iteration, and a busy machine may pause it for longer than `wait_s`."""
_KEEP_THREAD_S = 1.0
"""How long the worker thread stays without work. torch is slow in a new thread at first."""


class Batcher:
    """Collects requests from any number of event loops and threads.

    Args:
        engine: Only the worker thread calls it.
        max_batch: The most requests in a batch.
        wait_s: How long a batch waits for one more request, as long as it is not known that all
            callers wait.
    """

    def __init__(self, engine: Engine, max_batch: int = 64, wait_s: float = 0.005) -> None:
        self._engine = engine
        self._max_batch = max_batch
        self._wait_s = wait_s
        self._changed = threading.Condition()
        self._waiting: list[_Call] = []
        self._jobs: list[Callable[[], None]] = []
        self._busy: dict[asyncio.AbstractEventLoop, _IdleMonitor] = {}
        """Loops that may have more to do than to wait for answers."""
        self._answering: set[asyncio.AbstractEventLoop] = set()
        """Loops that have not yet received the answers of the last batch."""
        self._start_at = 0.0
        """When the next batch starts if no request comes before, on the monotonic clock."""
        self._worker: threading.Thread | None = None
        self._closing = False
        self.sizes: list[int] = []
        """The sizes of the last thousand batches."""

    # Requests

    async def ask(self, request: Request) -> Completion:
        """Answer a request within a batch; a cancelled caller's request leaves the batch."""
        loop = asyncio.get_running_loop()
        call = self._submit(request, loop)
        try:
            return await asyncio.wrap_future(call.future)
        finally:
            call.ended = True

    def ask_blocking(self, request: Request) -> Completion:
        """Answer a request of a thread that has no event loop."""
        return self._submit(request, None).future.result()

    def between_batches(self, job: Callable[[], None]) -> None:
        """Run a job between two batches, such as a change of weights; wait until it is done."""
        future: Future[None] = Future()
        with self._changed:
            self._jobs.append(lambda: _settle(future, job))
            self._wake()
        future.result()

    def close(self) -> None:
        """End the worker thread once no request waits; a later request starts another."""
        with self._changed:
            self._closing = True
            self._changed.notify()

    def _submit(self, request: Request, loop: asyncio.AbstractEventLoop | None) -> _Call:
        call = _Call(request, loop)
        with self._changed:
            self._waiting.append(call)
            self._start_in(self._wait_s if loop is None else _LONGEST_ITERATION_S)
            self._wake()
        if loop is not None:
            self._monitor(loop)
        return call

    def _start_in(self, seconds: float) -> None:
        self._start_at = time.monotonic() + seconds

    def _wake(self) -> None:
        """Wake the worker thread, or start one."""
        self._closing = False
        if self._worker is None:
            # Not a daemon: torch crashes if it is stopped in the middle of a product.
            self._worker = threading.Thread(target=self._work, name="starec-engine")
            self._worker.start()
        else:
            self._changed.notify()

    # Whether all callers wait

    def _monitor(self, loop: asyncio.AbstractEventLoop) -> None:
        """Watch a loop until it is idle; called within that loop."""
        monitor = self._busy.get(loop)
        if monitor is None:
            monitor = self._busy[loop] = _IdleMonitor(loop, self)
        monitor.watch()

    def _answers_arrived(self, loop: asyncio.AbstractEventLoop) -> None:
        """Watch a loop to which the last answer of a batch has come."""
        with self._changed:
            self._answering.discard(loop)
        self._monitor(loop)

    def _forget(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._changed:
            self._answering.discard(loop)
            self._busy.pop(loop, None)

    def iteration_ended(self) -> None:
        """Note the end of a loop's iteration: all requests of it have come."""
        with self._changed:
            self._start_in(self._wait_s)
            self._changed.notify()

    def loop_is_idle(self, loop: asyncio.AbstractEventLoop) -> None:
        """Note that a loop has nothing to do but wait for answers."""
        with self._changed:
            self._busy.pop(loop, None)
            # A loop may have been closed before its answers were noted as arrived.
            self._answering = {loop for loop in self._answering if not loop.is_closed()}
            for closed in [loop for loop in self._busy if loop.is_closed()]:
                del self._busy[closed]
            # A loop that is about to receive answers is idle for a moment only.
            if not self._busy and not self._answering:
                self._start_at = 0.0
            self._changed.notify()

    # The worker thread

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
        """Wait for a batch or a job, and return the batch; the thread ends if there is neither."""
        idle_since = time.monotonic()
        while not self._jobs:
            self._waiting = [call for call in self._waiting if not call.ended]
            now = time.monotonic()
            if self._waiting:
                if len(self._waiting) >= self._max_batch or now >= self._start_at:
                    return self._take()
                self._changed.wait(self._start_at - now)
            elif self._closing or now - idle_since >= _KEEP_THREAD_S:
                return []
            else:
                self._changed.wait(_KEEP_THREAD_S)
        return []

    def _take(self) -> list[_Call]:
        """Take the requests that wait longest, each with those that have the same prompt."""
        groups: dict[tuple[int, ...], list[_Call]] = {}
        for call in self._waiting:
            groups.setdefault(call.request.prompt, []).append(call)
        batch = [call for group in groups.values() for call in group][: self._max_batch]
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
        # Callers who are answered now will ask again soon: the next batch waits for them.
        loops = {call.loop for call in calls if call.loop is not None}
        with self._changed:
            self._answering |= loops
        for call, answer in zip(calls, answers, strict=True):
            if call.error is not None:
                call.future.set_exception(call.error)
            else:
                call.future.set_result(answer)
        with self._changed:
            self._start_in(_LONGEST_ITERATION_S if loops else 0.0)
        for loop in loops:
            try:
                loop.call_soon_threadsafe(self._answers_arrived, loop)
            except RuntimeError:  # the loop was closed, so no caller waits in it
                self._forget(loop)


class _Call:
    """A request and its caller."""

    def __init__(self, request: Request, loop: asyncio.AbstractEventLoop | None) -> None:
        self.request = request
        self.loop = loop
        self.future: Future[Completion] = Future()
        self.ended = False
        """Whether the caller waits no more: it has its answer, or was cancelled."""
        self.error: Exception | None = None
        """The error of the request's watcher."""

    def watched(self) -> Request:
        """Return the request; it ends with the next token once the caller waits no more."""
        watch: Watcher | None = self.request.watch

        def watched(token: int) -> bool:
            try:
                return self.ended or (watch is not None and watch(token))
            except Exception as error:  # it ends this completion, and no other of the batch
                self.error = error
                return True

        return replace(self.request, watch=watched, is_awaited=lambda: not self.ended)


class _IdleMonitor:
    """Measures the iterations of an event loop until a few in a row were empty."""

    def __init__(self, loop: asyncio.AbstractEventLoop, batcher: Batcher) -> None:
        self._loop, self._batcher = loop, batcher
        self._idle_iterations = 0
        self._began = 0.0
        self._new_requests = self._watching = False

    def watch(self) -> None:
        """Begin to measure, or begin again because a request came."""
        self._idle_iterations, self._new_requests = 0, True
        if not self._watching:
            self._watching = True
            self._began = time.perf_counter()
            self._loop.call_soon(self._iterate)

    def _iterate(self) -> None:
        now = time.perf_counter()
        idle = now - self._began < _IDLE_ITERATION_S
        self._idle_iterations = self._idle_iterations + 1 if idle else 0
        self._began = now
        if self._new_requests:
            self._new_requests = False
            self._batcher.iteration_ended()
        if self._idle_iterations < _IDLE_ITERATIONS:
            self._loop.call_soon(self._iterate)
        else:
            self._watching = False
            self._batcher.loop_is_idle(self._loop)


def _settle(future: Future[None], job: Callable[[], None]) -> None:
    """Run a job and put its result or its error into a future."""
    try:
        job()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(None)
