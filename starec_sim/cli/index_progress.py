"""Show that an index of words is made, if it takes more than a moment."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from starec_sim.cli.tables import console


@contextmanager
def index_progress() -> Iterator[Callable[[int, int], None]]:
    """Yield a function that takes the rounds that are indexed, and all that are to be."""
    columns = (
        TextColumn("making the index of words, round"),
        MofNCompleteColumn(),
        BarColumn(),
        TimeRemainingColumn(),
    )
    bars = Progress(
        *columns, console=console(stderr=True), transient=True, disable=not sys.stderr.isatty()
    )
    with bars:
        task = bars.add_task("", visible=False)

        def report(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total, visible=done < total)

        yield report
