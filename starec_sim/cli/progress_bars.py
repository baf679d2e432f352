"""Progress bars for long work outside of a run, such as reading a dataset."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def bars() -> Iterator[None]:
    """Show a bar on stderr for all work that reports its progress; only on a terminal."""
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    from starec_sim.cli.visible_console import console
    from starec_sim.progress import progress_listener

    stderr = console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    shown = Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal)
    tasks: dict[str, TaskID] = {}

    def listen(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = shown.add_task(what)
        shown.update(tasks[what], completed=done, total=total)
        if done >= total:
            shown.remove_task(tasks.pop(what))

    with shown, progress_listener(listen):
        yield
