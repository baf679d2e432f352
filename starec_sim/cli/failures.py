"""Turn errors into what the command line prints and the exit status."""

from __future__ import annotations

import shlex
import sys
from typing import Any, NamedTuple, Protocol, runtime_checkable

from starec_sim.cli.unfinished import UnfinishedError
from starec_sim.cli.usage_errors import UsageError, usage_message
from starec_sim.errors import PausedError, PluginInterrupt, StarecError, import_problem, os_hint
from starec_sim.visible_text import visible, visible_line

DEFECT, USER, PAUSED, STOPPED = 1, 2, 3, 130
"""Exit statuses: a defect of this program, an error that the user can correct, a run that paused
itself, a command that the user stopped."""


_MAX_PATH = 200
"""Characters of a path that are printed."""


class Failure(NamedTuple):
    """An error, as the command line reports it."""

    status: int
    answer: dict[str, Any]
    """The JSON object of `--json`; it has an `error` and a `hint`."""


@runtime_checkable
class InCommand(Protocol):
    """An error with the command in which it was raised."""

    ctx: Any
    """Typer's context, or None."""


def stopped() -> Failure:
    """Return the failure of a command that the user stopped."""
    return Failure(STOPPED, {"status": "paused", "error": "stopped by the user", "hint": ""})


def failure_of(error: BaseException) -> Failure:
    """Return the failure of an error."""
    if isinstance(error, UnfinishedError):
        status, answer = failure_of(error.cause)
        if status == STOPPED and error.run is not None:
            mended = " --allow-changed-code" if isinstance(error.cause, PluginInterrupt) else ""
            answer = answer | {"hint": f"starec resume {shlex.quote(error.run)}{mended}"}
        return Failure(status, answer | {"run": error.run})
    if isinstance(error, KeyboardInterrupt):
        return stopped()
    if isinstance(error, PausedError):
        answer = {"status": "paused", "reason": error.reason, "options": error.options}
        return Failure(PAUSED, answer | _text(error.message, error.hint))
    if isinstance(error, StarecError):
        return _failed(USER, error.message, error.hint)
    if isinstance(error, UsageError):
        context = error.ctx if isinstance(error, InCommand) else None
        command = context.command_path if context else "starec"
        return _failed(USER, usage_message(error, sys.argv[1:]), f"{command} --help")
    if isinstance(error, OSError) and error.strerror:
        where = f"{_short(visible_line(str(error.filename)))}: " if error.filename else ""
        return _failed(USER, f"{where}{error.strerror}", os_hint(error))
    if isinstance(error, ImportError):
        package = (error.name or "").partition(".")[0]
        return _failed(USER, *import_problem(error, f"pip install {package}"))
    message = f"unexpected {type(error).__name__}: {error}"
    return _failed(DEFECT, message, "run it again with --debug for the traceback")


def _short(path: str) -> str:
    return path if len(path) <= _MAX_PATH else f"{path[:_MAX_PATH]}… ({len(path):,} characters)"


def _failed(status: int, message: str, hint: str) -> Failure:
    return Failure(status, {"status": "failed"} | _text(message, hint))


def _text(message: str, hint: str) -> dict[str, Any]:
    return {"error": visible(message), "hint": visible(hint)}
