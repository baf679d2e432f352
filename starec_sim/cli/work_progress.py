"""Show the progress of work that takes more than a moment, on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from starec_sim.cli.visible_console import console
from starec_sim.progress import progress_listener


@contextmanager
def work_progress() -> Iterator[None]:
    """Draw what `report_progress` reports inside the block; the drawing is removed at the end."""
    text = TextColumn("{task.description}")
    bars = Progress(
        text,
        MofNCompleteColumn(),
        BarColumn(),
        TimeRemainingColumn(),
        console=console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    with bars:
        task = bars.add_task("", visible=False)

        def show(what: str, done: int, total: int) -> None:
            visible = done < total
            bars.update(task, description=what, completed=done, total=total, visible=visible)

        with progress_listener(show):
            yield
