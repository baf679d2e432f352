"""Print hints for old names and warnings about plug-ins, in place of Python's warnings."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from starec_sim.errors import ContractWarning, DeprecatedKeyWarning


@contextmanager
def hints_for_old_names() -> Iterator[None]:
    """Print our own warnings as a line on stderr, each text once; print others as usual."""
    shown: set[str] = set()
    with warnings.catch_warnings():
        warnings.simplefilter("always", DeprecatedKeyWarning)
        warnings.simplefilter("always", ContractWarning)
        print_warning = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if not issubclass(category, DeprecatedKeyWarning | ContractWarning):
                print_warning(message, category, filename, lineno, file, line)
            elif str(message) not in shown:
                shown.add(str(message))
                word = "hint" if issubclass(category, DeprecatedKeyWarning) else "warning"
                print(f"{word}: {message}", file=sys.stderr)

        warnings.showwarning = show
        yield
