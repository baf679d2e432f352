"""The base of the live displays of runs and trainings."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from rich.console import RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from starec_sim.cli.unfinished import how_to_resume
from starec_sim.cli.visible_console import console
from starec_sim.events import RunEvents
from starec_sim.experiment import Experiment


class LiveProgress(RunEvents):
    """A display on stderr: refreshed in place on a terminal, lines of text elsewhere.

    Args:
        quiet: Whether to print nothing.
    """

    kind: ClassVar[str] = "run"
    """What is shown, for messages."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = console(stderr=True, quiet=quiet)
        self._progress = Progress(
            TextColumn("{task.description}", style="bold", markup=False),
            BarColumn(bar_width=max(10, min(30, self._console.width - 60))),
            TaskProgressColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=self._console,
        )
        self._task = self._progress.add_task("", total=1.0, note="")
        self._live: Live | None = None
        self.kept: str | None = None
        """The run's folder, once it can be resumed; None before."""

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(
                get_renderable=self._render,
                console=self._console,
                refresh_per_second=5,
                transient=True,
            )
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def run_started(self, folder: Path, experiment: Experiment | None) -> None:
        """Show the run's name, and remember its folder for the command that goes on."""
        self.kept = str(folder)
        name = experiment.name if experiment is not None else folder.name
        self._progress.update(self._task, description=name)

    def message(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def how_to_resume(self, error: BaseException) -> str:
        """Return what is kept of a run that an error ended, and the command that resumes it."""
        return how_to_resume(self.kind, self.kept, error)

    @abstractmethod
    def _render(self) -> RenderableType:
        """Return what is shown on a terminal."""
