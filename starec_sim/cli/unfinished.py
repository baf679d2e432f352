"""Runs that end early: what is kept, and the command that goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starec_sim.cli.live_progress import LiveProgress


class UnfinishedError(Exception):
    """A run that did not come to its end.

    Args:
        run: Its folder; None while nothing of it was kept.
        cause: What ended it.
        say_how_to_go_on: Is called once the cause is printed, and prints what is kept and the next
            command.
    """

    def __init__(
        self, run: str | None, cause: BaseException, say_how_to_go_on: Callable[[], None]
    ) -> None:
        super().__init__(str(cause))
        self.run = run
        self.cause = cause
        self.say_how_to_go_on = say_how_to_go_on


@contextmanager
def unfinished_told(progress: LiveProgress) -> Iterator[None]:
    """Turn whatever ends a run early into an `UnfinishedError`."""
    try:
        yield
    except BaseException as error:
        cause = error  # Python forgets `error` at the end of this block
        raise UnfinishedError(
            progress.kept, cause, lambda: progress.say_how_to_go_on(cause)
        ) from error
