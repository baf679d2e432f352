"""Text from outside, made safe for a terminal; and our own name and commands, to be typed."""

import os
import shlex
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path


def clean(text: str) -> str:
    r"""Return text without control characters, which a terminal would obey.

    >>> clean("a\x1b[31mb\tc\nd")
    'a[31mb c\nd'
    """
    return "".join(c for c in text.replace("\t", " ") if c == "\n" or c.isprintable())


def program() -> str:
    """Return how this program is called from here: by its name, or by its path where it has to be.

    In a fresh checkout it lies in `.venv/bin`, which is on nobody's PATH.
    """
    called = Path(sys.argv[0])
    if called.name != "starec" or shutil.which("starec") or not called.exists():
        return "starec"
    path = os.path.relpath(called)
    return shlex.quote(path if not path.startswith("..") else str(called))


def suggested(commands: Iterable[tuple[str, str]]) -> str:
    """Return what one can do next, a line each.

    Args:
        commands: What follows our own name, and what it is good for.
    """
    lines = (f"    {program()} {command}    # {what}" for command, what in commands)
    return "\n".join(["\nNext:", *lines])
