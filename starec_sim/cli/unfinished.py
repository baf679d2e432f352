"""Errors that end a run early, with the folder that can be resumed."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from starec_sim.cli.text import program, resume_command
from starec_sim.errors import (
    MEND,
    ConfigError,
    ContractError,
    PausedError,
    PluginError,
    PluginInterrupt,
    PolicyError,
)
from starec_sim.visible_text import visible_line


class UnfinishedError(Exception):
    """An error ended a run early, or the display of its result.

    Args:
        run: The folder of the run; None if nothing is kept.
        cause: The error.
        how_to_resume: Is printed after the cause; empty if nothing is kept.
    """

    def __init__(self, run: str | None, cause: BaseException, how_to_resume: str) -> None:
        super().__init__(str(cause))
        self.run = run
        self.cause = cause
        self.how_to_resume = how_to_resume


class ResumableDisplay(Protocol):
    """A display that knows how its run is resumed."""

    @property
    def kept(self) -> str | None:
        """The run's folder; None if nothing is kept."""
        ...

    def how_to_resume(self, error: BaseException) -> str:
        """Return what is kept of a run that an error ended, and the next command."""
        ...


@contextmanager
def unfinished_errors(progress: ResumableDisplay) -> Iterator[None]:
    """Raise an `UnfinishedError` for every error that ends the run."""
    try:
        yield
    except BaseException as error:
        raise UnfinishedError(progress.kept, error, progress.how_to_resume(error)) from error


@contextmanager
def errors_after(run: Path) -> Iterator[None]:
    """Name the finished run with every error in writing or printing its result."""
    try:
        yield
    except Exception as error:
        raise UnfinishedError(str(run), error, how_to_show(str(run))) from error


def how_to_resume(kind: str, folder: str | None, error: BaseException) -> str:
    """Return how a run ended early, and the command that resumes it.

    Args:
        kind: What it is, for the message: a run, an evaluation, an audit or a training.
        folder: The folder of the run; None if nothing is kept, then the text is empty.
        error: What ended it.

    >>> error = PausedError("the budget is spent", reason="budget", options="--budget calls=6")
    >>> print(how_to_resume("training", "runs/mine", error).strip())
    The training paused; everything committed is kept. Go on with
    <BLANKLINE>
        starec resume runs/mine --budget calls=6
    """
    if folder is None:
        return ""
    word, options = "failed", ""
    if isinstance(error, PausedError):
        word, options = "paused", error.options
        if error.reason == "replay":  # a resume would stop at the same question
            return "\nThe replay stopped; what it played so far is kept.\n"
    elif isinstance(error, KeyboardInterrupt):
        word = "stopped"
    go_on = "Go on with"
    reason = error.__cause__
    if isinstance(error, PluginError | ContractError) or (
        isinstance(reason, PolicyError) and reason.hint == MEND
    ):
        go_on, options = "Mend the plug-in, then go on with", "--allow-changed-code"
    elif isinstance(error, PluginInterrupt):
        go_on, options = "If you mend the plug-in, go on with", "--allow-changed-code"
    elif isinstance(error, ConfigError):
        # A resume has the settings that the run began with, so it alone would fail again.
        go_on = "If you change something else than the settings, go on with"
    elif isinstance(reason, PolicyError) and reason.cause == "refused":
        # A resume sends what was refused again, so it helps only if the server is changed.
        go_on = "If you change the server and not the settings, go on with"
    command = resume_command(folder, options)
    return f"\nThe {kind} {word}; everything committed is kept. {go_on}\n\n    {command}\n"


def how_to_show(run: str) -> str:
    """Return that a finished run is kept, and the command that shows it."""
    command = f"{program()} show {shlex.quote(visible_line(run))}"
    return f"\nThe run is finished and kept. Show it with\n\n    {command}\n"
