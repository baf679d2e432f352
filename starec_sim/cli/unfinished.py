"""Errors that end a run early, with the folder that can be resumed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol


class UnfinishedError(Exception):
    """An error ended a run early.

    Args:
        run: The folder of the run; None if nothing is kept.
        cause: The error.
        print_how_to_resume: Is called after the cause is printed.
    """

    def __init__(
        self, run: str | None, cause: BaseException, print_how_to_resume: Callable[[], None]
    ) -> None:
        super().__init__(str(cause))
        self.run = run
        self.cause = cause
        self.print_how_to_resume = print_how_to_resume


class LiveDisplay(Protocol):
    """A display that prints how a run is resumed."""

    @property
    def kept(self) -> str | None:
        """The run's folder; None if nothing is kept."""
        ...

    def print_how_to_resume(self, error: BaseException) -> None:
        """Print what is kept of a run that an error ended, and the next command."""
        ...


@contextmanager
def unfinished_errors(progress: LiveDisplay) -> Iterator[None]:
    """Raise an `UnfinishedError` for every error that ends the run."""
    try:
        yield
    except BaseException as error:
        cause = error  # Python forgets `error` at the end of this block
        raise UnfinishedError(
            progress.kept, cause, lambda: progress.print_how_to_resume(cause)
        ) from error
