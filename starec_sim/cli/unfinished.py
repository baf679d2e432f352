"""Errors that end a run early, with the folder that can be resumed."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from starec_sim.cli.text import program
from starec_sim.visible_text import visible_line


class UnfinishedError(Exception):
    """An error ended a run early, or the display of its result.

    Args:
        run: The folder of the run; None if nothing is kept.
        cause: The error.
        print_how_to_go_on: Is called after the cause is printed.
    """

    def __init__(
        self, run: str | None, cause: BaseException, print_how_to_go_on: Callable[[], None]
    ) -> None:
        super().__init__(str(cause))
        self.run = run
        self.cause = cause
        self.print_how_to_go_on = print_how_to_go_on


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


@contextmanager
def errors_after(run: Path) -> Iterator[None]:
    """Name the finished run with every error in writing or printing its result."""
    try:
        yield
    except Exception as error:
        raise UnfinishedError(str(run), error, lambda: print_how_to_show(str(run))) from error


def print_how_to_show(run: str) -> None:
    """Print that a finished run is kept, and the command that shows it."""
    print(
        f"\nThe run is finished and kept. Show it with\n\n"
        f"    {program()} show {shlex.quote(visible_line(run))}\n",
        file=sys.stderr,
    )
