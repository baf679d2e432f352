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
_LONGEST_TURN_S = 0.1
"""How long a turn of an event loop may take in which somebody came: more may come in the same turn,
and a machine with much to do may pause it for longer than anybody's patience."""
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
        self._returning: set[asyncio.AbstractEventLoop] = set()
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
            self._wait(self._patience_s if loop is None else _LONGEST_TURN_S)
            self._start()
        if loop is not None:
            self._look(loop)
        return call

    def _wait(self, seconds: float) -> None:
        self._due = time.monotonic() + seconds

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
            lookout = self._lookouts[loop] = _Lookout(loop, self)
        lookout.watch()

    def _look_again(self, loop: asyncio.AbstractEventLoop) -> None:
        """Watch a loop in which all answers of a batch have arrived."""
        with self._changed:
            self._returning.discard(loop)
        self._look(loop)

    def _forget(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._changed:
            self._returning.discard(loop)
            self._lookouts.pop(loop, None)

    def loop_has_turned(self) -> None:
        """Note that everybody who came in this turn of a loop is here."""
        with self._changed:
            self._wait(self._patience_s)
            self._changed.notify()

    def loop_is_quiet(self, loop: asyncio.AbstractEventLoop) -> None:
        """Note that a loop has nothing to do but wait for answers."""
        with self._changed:
            self._lookouts.pop(loop, None)
            # A loop may have ended between an answer and the look that was to follow it.
            self._returning = {one for one in self._returning if not one.is_closed()}
            for gone in [one for one in self._lookouts if one.is_closed()]:
                del self._lookouts[gone]
            # With answers still on their way into the loop, its rest means nothing.
            if not self._lookouts and not self._returning:
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
        loops = {call.loop for call in calls if call.loop is not None}
        with self._changed:
            self._returning |= loops
        for call, answer in zip(calls, answers, strict=True):
            if call.error is not None:
                call.future.set_exception(call.error)
            else:
                call.future.set_result(answer)
        with self._changed:
            self._wait(_LONGEST_TURN_S if loops else 0.0)
        for loop in loops:
            try:
                loop.call_soon_threadsafe(self._look_again, loop)
            except RuntimeError:  # the loop was closed meanwhile; nobody there waits
                self._forget(loop)


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

    def __init__(self, loop: asyncio.AbstractEventLoop, batcher: Batcher) -> None:
        self._loop, self._batcher = loop, batcher
        self._turns = 0
        self._began = 0.0
        self._newcomers = self._watching = False

    def watch(self) -> None:
        """Begin, or begin anew because somebody came."""
        self._turns, self._newcomers = 0, True
        if not self._watching:
            self._watching = True
            self._began = time.perf_counter()
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        now = time.perf_counter()
        self._turns = self._turns + 1 if now - self._began < _QUIET_TURN_S else 0
        self._began = now
        if self._newcomers:
            self._newcomers = False
            self._batcher.loop_has_turned()
        if self._turns < _QUIET_TURNS:
            self._loop.call_soon(self._turn)
        else:
            self._watching = False
            self._batcher.loop_is_quiet(self._loop)


def _settle(future: Future[None], job: Callable[[], None]) -> None:
    try:
        job()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(None)
