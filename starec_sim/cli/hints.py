"""Print our warnings as lines of their own, in place of Python's."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from starec_sim.errors import (
    ContractWarning,
    DataWarning,
    DeprecatedKeyWarning,
    PolicyWarning,
    WorkerWarning,
)
from starec_sim.visible_text import visible

_WORD = {
    DeprecatedKeyWarning: "hint",
    DataWarning: "note",
    PolicyWarning: "note",
    ContractWarning: "warning",
    WorkerWarning: "warning",
}
"""What begins the line of a warning."""


@contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Print our warnings as lines on stderr, each text once; print others as usual."""
    shown: set[str] = set()
    with warnings.catch_warnings():
        for ours in _WORD:
            warnings.simplefilter("always", ours)
        print_warning = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if category not in _WORD:
                print_warning(visible(str(message)), category, filename, lineno, file, line)
            elif str(message) not in shown:
                shown.add(str(message))
                print(f"{_WORD[category]}: {visible(str(message))}", file=sys.stderr)

        warnings.showwarning = show
        yield
