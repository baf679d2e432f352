"""SIGTERM lets a run pause: what is in progress ends, and nothing further begins.

Schedulers such as Slurm and Kubernetes send SIGTERM some time before they kill. A second SIGTERM
ends the run at once, as Ctrl-C does.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import threading
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

from starec_sim.errors import PausedError

T = TypeVar("T")

DRAIN_S = 20.0
"""Seconds that visits in progress are given to end. Kubernetes kills 30 s after its SIGTERM."""
_LOOK_S = 0.2
"""How often it is looked whether the run drains; a signal wakes the event loop, but no task."""

_drain = threading.Event()


def draining() -> bool:
    """Return whether no further visit, question or step may begin."""
    return _drain.is_set()


def drain() -> None:
    """Let no further visit, question or step begin in this process."""
    _drain.set()


def drained() -> PausedError:
    """Return the error of a run that paused because it had to drain."""
    return PausedError("stopped by SIGTERM", reason="stopped")


def stop_if_draining() -> None:
    """End the run here if it drains.

    Raises:
        PausedError: It does.
    """
    if draining():
        raise drained()


@contextlib.contextmanager
def drains_at_sigterm() -> Iterator[None]:
    """Drain at the first SIGTERM inside the block, and end at once at the second.

    Outside of the main thread, where no signal can be handled, it does nothing. A block inside of
    another one, as an audit in a training, leaves the signal to the outer one.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is _handle:
        yield
        return
    before = signal.signal(signal.SIGTERM, _handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        _drain.clear()


def _handle(number: int, frame: object) -> None:
    if _drain.is_set():
        if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # a job in the background of a script
            raise KeyboardInterrupt
        signal.raise_signal(signal.SIGINT)  # what Ctrl-C does
        return
    _drain.set()
    print(
        f"SIGTERM: what is in progress ends, visits within {DRAIN_S:.0f} s; "
        "a second SIGTERM stops at once",
        file=sys.stderr,
    )


async def drained_in_time(visits: Coroutine[Any, Any, T]) -> T:
    """Await the visits of a round, or questions; once the run drains, no longer than `DRAIN_S`.

    They are awaited in the running task: a `KeyboardInterrupt` in a visit ends the event loop, and
    a task around them would never end.

    Raises:
        PausedError: They did not end in time, and were cancelled.
    """
    own = asyncio.current_task()
    assert own is not None, "a coroutine runs in a task"
    before, late = own.cancelling(), asyncio.Event()
    watch = asyncio.ensure_future(_cancelled_late(own, late))
    try:
        return await visits
    except asyncio.CancelledError:
        if late.is_set() and own.uncancel() <= before:  # and nothing else cancelled it
            raise drained() from None
        raise
    finally:
        watch.cancel()


async def _cancelled_late(task: asyncio.Task[Any], late: asyncio.Event) -> None:
    while not draining():
        await asyncio.sleep(_LOOK_S)
    await asyncio.sleep(DRAIN_S)
    late.set()
    task.cancel()
