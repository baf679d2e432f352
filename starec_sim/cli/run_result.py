"""Execute a run with a live display, and print its result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from starec_sim.cli.effects_view import print_effects
from starec_sim.cli.kinds_view import print_kinds
from starec_sim.cli.ledger_view import print_estimate_errors, print_ledger
from starec_sim.cli.options import Answer
from starec_sim.cli.run_progress import RunProgress
from starec_sim.cli.run_view import print_left_out, print_level
from starec_sim.cli.tables import print_report
from starec_sim.cli.unfinished import errors_after, unfinished_errors
from starec_sim.cli.visible_console import console
from starec_sim.forks import effects, effects_as_json
from starec_sim.plot import plot_report
from starec_sim.runs.reader import Reader, reading

if TYPE_CHECKING:
    from starec_sim.events import RunEvents
    from starec_sim.runner import RunResult


def finish_run(execute: Callable[[RunEvents], RunResult], as_json: bool) -> Answer:
    """Execute a run with a live display, then print its result.

    Args:
        execute: Starts, resumes or replays the run.
        as_json: Whether to return the answer in place of printing it.
    """
    progress = RunProgress()
    with unfinished_errors(progress), progress:
        result = execute(progress)
    with errors_after(result.folder):
        return _show(result, progress, as_json)


def _show(result: RunResult, progress: RunProgress, as_json: bool) -> Answer:
    """Plot and print the result of a run, or return it as an answer."""
    plot, of_fork = _plot(result, progress), effects(result.folder)
    if as_json:
        answer = {**result.as_json(), "plot": str(plot) if plot else None}
        return answer | {"effects": effects_as_json(of_fork)} if of_fork else answer
    print_report(result.report)
    print_kinds(result.report)
    with reading(result.folder) as reader:
        print_level(console(), reader.level, reader.level_words)
        print_left_out(console(), reader.trials())
        visit, prompts = _shown_visit(reader), reader.level == "everything"
    print_ledger(result.ledger)
    print_effects(of_fork)
    print_estimate_errors(result)
    if result.replayed is not None:
        progress.print_replay_comparison(result.digest, result.replayed)
    progress.print_next_commands(result.folder, result.digest, plot, visit, prompts)
    return None


def _shown_visit(reader: Reader) -> tuple[str, int] | None:
    """Return the user with the most slow thinking, and the round, from 1, of her first visit.

    None if the steps of users are not on record.
    """
    if reader.level == "metrics":
        return None
    trial = reader.trials()[0]
    slowest = reader.most_slow_steps(trial, 1)
    if not slowest:
        return "ID", 1
    user = slowest[0][0]
    keys = reader.step_keys(trial, reader.user(trial, user)[0])
    return user, keys[0][0] + 1 if keys else 1


def _plot(result: RunResult, progress: RunProgress) -> Path | None:
    """Return the file of the plot; None if there is nothing to plot or it cannot be written."""
    path = result.folder / "plot.png"
    try:
        path.unlink(missing_ok=True)  # a link that somebody put there is not followed
        return path if plot_report(result.report, result.folder.name, path) else None
    except OSError as error:  # the run is finished and its metrics are written
        progress.message(f"\nNo plot was written to {path}: {error.strerror or error}")
        return None
