"""Name a plug-in call that does not return, and let the first Ctrl-C end it.

Visits are played on one event loop. A call of a plug-in that does not return blocks the loop, and a
blocked loop does not see that it was cancelled: the first Ctrl-C would be ignored.
"""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from starec_sim.boundary.draws import draws_named
from starec_sim.boundary.printed import prints_named
from starec_sim.errors import PluginInterrupt

TOLD_AFTER_S = 30.0
"""Seconds after which a call that still runs is named; again after twice as many, and so on."""
_TICK_S = 0.5


class InterruptedCall(Exception):  # noqa: N818 - it becomes a PluginInterrupt
    """Ctrl-C ended the call of a plug-in.

    A `KeyboardInterrupt` in a task ends the event loop at once and leaves other tasks unfinished.
    This exception ends the task; `watched_calls` raises `PluginInterrupt` when all have ended.
    """


class RunningCall(NamedTuple):
    """A call of a plug-in that has not returned."""

    plugin: str
    """Its kind and its name."""
    method: str
    place: Callable[[], str]
    """Returns the user and the round."""
    outer: RunningCall | None
    """The call in which this one was made."""


_running: dict[int, RunningCall] = {}
"""The innermost call of each thread that makes one."""
_watching = False
"""Whether the calls are made inside of `watched_calls`."""
_watched = False
"""Whether that is so, and they are made on an event loop."""


_interrupted = False
"""Whether one of them was ended by Ctrl-C; then no other one begins."""


def interruption() -> BaseException:
    """Return what to raise in place of a `KeyboardInterrupt` in a call."""
    global _interrupted
    _interrupted = _watched
    return InterruptedCall() if _watched else PluginInterrupt()


def start_call(plugin: str, method: str, place: Callable[[], str]) -> RunningCall:
    """Note that a call begins; `leave_call` takes what is returned.

    Raises:
        InterruptedCall: Ctrl-C ended another call.
    """
    if _interrupted:
        raise InterruptedCall
    thread = threading.get_ident()
    call = _running[thread] = RunningCall(plugin, method, place, _running.get(thread))
    return call


def leave_call(call: RunningCall) -> None:
    """Note that a call has ended."""
    if call.outer is None:
        _running.pop(threading.get_ident(), None)
    else:
        _running[threading.get_ident()] = call.outer


@contextlib.contextmanager
def watched_calls() -> Iterator[None]:
    """Watch the calls of plug-ins that are made inside the block.

    A call that runs for long is named on stderr. If the running task is cancelled, as by Ctrl-C,
    and the loop is blocked, the main thread is interrupted. Without a loop, Ctrl-C interrupts the
    call itself. What plug-ins print goes to stderr, and what
    draws from a global random generator is named.

    Raises:
        PluginInterrupt: Ctrl-C ended a call.
    """
    global _watching, _watched, _interrupted
    if _watching:  # by a block around this one
        yield
        return
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        loop = None
    watcher = _Watcher(loop, TOLD_AFTER_S)
    thread = threading.Thread(target=watcher.watch, daemon=True, name="starec-plug-in-calls")
    thread.start()
    _watching, _watched = True, loop is not None
    try:
        with prints_named(), draws_named():
            yield
    except (InterruptedCall, asyncio.CancelledError):
        if not _interrupted:  # Ctrl-C, and no call of a plug-in was in its way
            raise
        raise PluginInterrupt from None
    finally:
        _watching = _watched = _interrupted = False
        watcher.done.set()
        thread.join()


class _Watcher:
    """Looks at the calls of one thread from another one."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None, told_after_s: float) -> None:
        self.done = threading.Event()
        self._thread = threading.get_ident()
        self._in_main_thread = threading.current_thread() is threading.main_thread()
        self._loop = loop
        self._task = None if loop is None else asyncio.current_task()
        self._beat = self._since = time.monotonic()
        self._call: RunningCall | None = None
        self._told_after_s = self._tell_at = told_after_s

    def watch(self) -> None:
        """Look every half second, until `done` is set."""
        while not self.done.wait(min(_TICK_S, self._told_after_s)):
            now = time.monotonic()
            self._look(now)
            blocked_s = now - self._beat
            if self._task is not None and self._task.cancelling() and blocked_s > 2 * _TICK_S:
                # Other visits may be blocked as well, so this is repeated until all have ended.
                self._beat = now
                if self._in_main_thread and not self.done.is_set():
                    _interrupt_main_thread()
            if self._loop is None:
                self._beat = now
                continue
            try:
                self._loop.call_soon_threadsafe(self._note_beat)
            except RuntimeError:
                return  # the loop was closed

    def _note_beat(self) -> None:
        self._beat = time.monotonic()

    def _look(self, now: float) -> None:
        """Name the call that has been running since an earlier look, if that was long ago."""
        call = _running.get(self._thread)
        if call is not self._call or (call is None and now - self._beat < 2 * _TICK_S):
            self._call, self._since, self._tell_at = call, now, self._told_after_s
        running_s = now - self._since
        if running_s >= self._tell_at:
            self._tell_at = 2 * running_s
            print(f"{self._named(call)} has been running for {running_s:.0f} s", file=sys.stderr)

    def _named(self, call: RunningCall | None) -> str:
        frame = sys._current_frames().get(self._thread)
        stack = traceback.extract_stack(frame) if frame is not None else []
        line = f" ({Path(stack[-1].filename).name}:{stack[-1].lineno})" if stack else ""
        if call is None:
            function = f" in {frame.f_code.co_qualname}" if frame is not None else ""
            return f"code that blocks all visits{function}{line}"
        return f"{call.plugin}, {call.method}({call.place()}){line}"


def _interrupt_main_thread() -> None:
    """Do what Ctrl-C does, also while the main thread waits in the operating system."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:  # Windows
        _thread.interrupt_main()
