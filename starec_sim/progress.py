"""How far a long piece of work is, told to whoever wants to know.

Whoever works says so and knows nothing of terminals; whoever shows it asks to be told. In between
lies no argument that everybody would have to pass on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[str, int, int], None]
"""Takes what is being done, how much of it is done, and how much there is."""

_listener: ContextVar[Listener | None] = ContextVar("progress", default=None)


def tell(what: str, done: int, total: int) -> None:
    """Say how far a piece of work is; `done == total` says that it is over."""
    if (listener := _listener.get()) is not None:
        listener(what, done, total)


@contextmanager
def told(listener: Listener) -> Iterator[None]:
    """Have a listener told of all that is done within the context.

    >>> with told(lambda what, done, total: print(f"{what}: {done} of {total}")):
    ...     tell("reading", 1, 2)
    reading: 1 of 2
    """
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
