"""Return the commands that a message suggests."""

import os
import shlex
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from starec_sim.visible_text import visible


def program() -> str:
    """Return the command that starts this program: `starec`, or its path if it is not on PATH.

    In a fresh checkout it is in `.venv/bin`, which is not on PATH.
    """
    called = Path(sys.argv[0])
    if called.name != "starec" or shutil.which("starec") or not called.exists():
        return "starec"
    path = os.path.relpath(called)
    return shlex.quote(path if not path.startswith("..") else str(called))


def runnable(command: str) -> str:
    """Return a command that begins with `starec` as it can be run here, for a terminal."""
    return visible(f"{program()}{command.removeprefix('starec')}")


def resume_command(folder: str | Path, options: str | None = None) -> str:
    """Return the command that resumes a run; `options` are those that it needs after a pause."""
    return visible(f"{program()} resume {shlex.quote(str(folder))} {options or ''}".rstrip())


def suggested(commands: Iterable[tuple[str, str]]) -> str:
    """Return commands that the user can run next, one a line.

    Args:
        commands: Arguments of `starec`, and what the command does.
    """
    lines = (f"    {program()} {command}    # {what}" for command, what in commands)
    return "\n".join(["\nNext:", *lines])
