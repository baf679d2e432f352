"""An audit executed with a progress bar, and its report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from starec_sim.cli.options import Answer
from starec_sim.cli.progress_bars import bars
from starec_sim.cli.tables import grid, number
from starec_sim.cli.unfinished import errors_after, how_to_resume, unfinished_errors
from starec_sim.cli.visible_console import console
from starec_sim.events import RunEvents
from starec_sim.experiment import Experiment
from starec_sim.visible_text import visible

if TYPE_CHECKING:
    from starec_sim.evaluation.audits import AuditReport

_STYLES = {"holds": "green", "unsure": "yellow", "fails": "bold red"}


class AuditProgress(RunEvents):
    """Remembers the folder of an audit, for the command that goes on."""

    def __init__(self) -> None:
        self.kept: str | None = None
        """The folder, once something in it is worth going on from."""

    def run_started(self, folder: Path, experiment: Experiment | None) -> None:
        """Remember the folder."""
        self.kept = str(folder)

    def how_to_resume(self, error: BaseException) -> str:
        """Return what is kept of an audit that an error ended, and the next command."""
        return how_to_resume("audit", self.kept, error)


def finish_audit(
    execute: Callable[[RunEvents], tuple[Path, AuditReport]],
    further: Callable[[AuditReport], Path] | None,
    as_json: bool,
) -> Answer:
    """Execute with a progress bar, then show the report.

    Args:
        execute: Audits, and returns the folder and the report.
        further: Returns the page in a further folder, if there is one.
        as_json: Whether to return the answer in place of printing it.
    """
    from starec_sim.evaluation.audits.folder import PAGE

    progress = AuditProgress()
    with unfinished_errors(progress), bars():
        folder, report = execute(progress)
    with errors_after(folder):
        page = folder / PAGE if further is None else further(report)
        return _show(folder, report, page, as_json)


def _show(folder: Path, report: AuditReport, page: Path, as_json: bool) -> Answer:
    """Print the report of an audit, or return it as an answer."""
    from starec_sim.cli.ledger_view import print_failures_of

    if as_json:
        return {
            **report.as_json(),
            "page": str(page),
            "run": str(folder),
            "status": "finished",
        }
    print_audit(report)
    print_failures_of(folder)
    console().print(
        f"\nThe page, with plots and results from the literature: {page}\nThe audit: {folder}",
        soft_wrap=True,
    )
    return None


def print_audit(report: AuditReport) -> None:
    """Print the checks of a report, what was not measured, and the verdict."""
    out, table, left_out = console(), grid(), []
    for result in report.results:
        if result.unmeasured:
            left_out.append(result)
        for place, check in enumerate(result.checks):
            metric = result.metrics[check.metric]
            interval, people = metric.interval, metric.people
            table.add_row(
                result.title if place == 0 else "",
                check.metric,
                Text(number(interval.mean), "bold"),
                Text(f"{number(interval.low)} to {number(interval.high)}", "dim"),
                Text(check.outcome, _STYLES[check.outcome]),
                Text(check.bound.short, "dim"),
                Text("" if people is None else f"people {number(people.mean)}", "dim"),
            )
    out.print()
    out.print(table)
    for result in report.results:
        for metric in (each for each in result.metrics.values() if each.not_comparable):
            figure = f"{result.title}: {metric.label} {number(metric.interval.mean)}"
            out.print(f"{figure}, not comparable with people: {metric.not_comparable}", style="dim")
    for result in left_out:
        out.print(f"{result.title} was not measured: {result.unmeasured}.", style="yellow")
    if report.refused:
        out.print(f"\n{visible(report.refused)}", style="yellow", soft_wrap=True)
    out.print(f"\n{report.verdict[0].upper()}{report.verdict[1:]}.")
