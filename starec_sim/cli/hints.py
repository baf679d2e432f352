"""Print hints for old names, in place of Python's warnings."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from starec_sim.errors import DeprecatedKeyWarning
from starec_sim.visible_text import visible


@contextmanager
def hints_for_old_names() -> Iterator[None]:
    """Print a `DeprecatedKeyWarning` as a hint on stderr, each text once; print others as usual."""
    shown: set[str] = set()
    with warnings.catch_warnings():
        warnings.simplefilter("always", DeprecatedKeyWarning)
        print_warning = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if not issubclass(category, DeprecatedKeyWarning):
                print_warning(visible(str(message)), category, filename, lineno, file, line)
            elif str(message) not in shown:
                shown.add(str(message))
                print(f"hint: {visible(str(message))}", file=sys.stderr)

        warnings.showwarning = show
        yield
