"""Report the progress of long work to a listener.

Code that works calls `report_progress`. Code that shows progress sets a listener. A context
variable connects them, so that no function in between needs a further argument.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[str, int, int], None]
"""Takes the name of the work, how much of it is done, and how much there is in total."""

_listener: ContextVar[Listener | None] = ContextVar("progress", default=None)


def report_progress(what: str, done: int, total: int) -> None:
    """Call the listener, if there is one; `done == total` means that the work is finished."""
    if (listener := _listener.get()) is not None:
        listener(what, done, total)


@contextmanager
def progress_listener(listener: Listener) -> Iterator[None]:
    """Call a listener for all progress that is reported inside the block.

    >>> with progress_listener(lambda what, done, total: print(f"{what}: {done} of {total}")):
    ...     report_progress("reading", 1, 2)
    reading: 1 of 2
    """
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
