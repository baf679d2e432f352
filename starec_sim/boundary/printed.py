"""What plug-ins print goes to stderr, and who printed is named once.

Commands print their results to stdout, as JSON with `--json`: a line of a plug-in between them
would spoil them. What others print in the meantime, as an observer of a run does, stays where it
is.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

from starec_sim.errors import ContractWarning

_CALLERS = ("starec_sim.boundary", "starec_sim.policies", "starec_sim.world", "starec_sim.learning")
"""Modules that call plug-ins, or are their base classes."""
_FRAMEWORKS = ("langchain_core", "langgraph")
"""Packages that call agents and policies, also in threads of their own."""


@contextmanager
def prints_named() -> Iterator[None]:
    """Send to stderr what plug-ins print inside the block, and warn of each function that does."""
    stdout = sys.stdout
    named: Any = _Stdout(stdout)
    sys.stdout = named
    try:
        yield
    finally:
        if sys.stdout is named:
            sys.stdout = stdout


class _Stdout:
    """A stdout that knows whether a plug-in writes to it."""

    def __init__(self, stdout: TextIO) -> None:
        self._stdout = stdout
        self._named: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stdout, name)

    def write(self, text: str) -> int:
        """Write a text, to stderr if it is a plug-in's."""
        frame = sys._getframe(1)
        if not is_plugin(frame):
            return self._stdout.write(text)
        code = frame.f_code
        if code.co_qualname not in self._named:
            self._named.add(code.co_qualname)
            warnings.warn(
                f"{code.co_qualname} ({Path(code.co_filename).name}:{frame.f_lineno}) printed to "
                "stdout, where commands print their results; what it prints goes to stderr. Remove "
                "the print, or write to the log: logging.getLogger(__name__).info(...)",
                ContractWarning,
                stacklevel=2,
            )
        return sys.stderr.write(text)


def is_plugin(frame: FrameType) -> bool:
    """Return whether code runs for a plug-in: the nearest caller that ships calls plug-ins."""
    printing = str(frame.f_globals.get("__name__", ""))
    if printing.partition(".")[0] in ("starec_sim", "rich"):
        return False
    module = nearest_caller(frame)
    return module.startswith(_CALLERS) or module.partition(".")[0] in _FRAMEWORKS


def nearest_caller(frame: FrameType) -> str:
    """Return the module of the nearest caller that ships, or is a framework; empty without one."""
    caller = frame.f_back
    while caller is not None:
        module = str(caller.f_globals.get("__name__", ""))
        if module.startswith("starec_sim.") or module.partition(".")[0] in _FRAMEWORKS:
            return module
        caller = caller.f_back
    return ""
