"""`starec run`, `starec resume` and `starec replay`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from starec_sim.cli.options import (
    AsJson,
    BudgetChanges,
    Changes,
    ExperimentFile,
    OtherData,
    Run,
    RunsDir,
    budget_changes,
    read_experiment,
)
from starec_sim.cli.unfinished import unfinished_told

if TYPE_CHECKING:
    from starec_sim.events import RunEvents
    from starec_sim.runner import RunResult


def run(
    experiment: ExperimentFile,
    changes: Changes = None,
    data: OtherData = None,
    as_json: AsJson = False,
) -> dict[str, Any] | None:
    """Run an experiment.

    For example: starec run experiments/01_quickstart --set rounds=5
    """
    from starec_sim import runner

    loaded = read_experiment(experiment, changes, data)
    return _finish(lambda events: runner.run(loaded, events), as_json)


def resume(
    run: Run,
    concurrency: Annotated[
        int | None,
        typer.Option(min=1, max=4096, metavar="N", help="Visits in flight, if it should change."),
    ] = None,
    budget: BudgetChanges = None,
    runs_dir: RunsDir = Path("runs"),
    as_json: AsJson = False,
) -> dict[str, Any] | None:
    """Go on with a run or a training that was paused, stopped or killed, or that failed."""
    from starec_sim import runner
    from starec_sim.runs import folder
    from starec_sim.runs.manifest import read_manifest

    found, allowed = folder.find(run, runs_dir), budget_changes(budget)
    kind = read_manifest(found).kind
    if kind == "evaluation":
        return _resume_evaluation(found, allowed, concurrency, as_json)
    if kind == "training":
        return _resume_training(found, allowed, concurrency, as_json)
    return _finish(
        lambda events: runner.resume(found, events, concurrency=concurrency, budget=allowed),
        as_json,
    )


def _resume_evaluation(
    folder: Path, budget: Mapping[str, float | None], concurrency: int | None, as_json: bool
) -> dict[str, Any] | None:
    """Go on with an evaluation."""
    from starec_sim import evaluation
    from starec_sim.cli.evaluate import finish_evaluation

    return finish_evaluation(
        lambda events: (
            folder,
            evaluation.resume(folder, events, concurrency=concurrency, budget=budget),
        ),
        against=None,
        into=None,
        as_json=as_json,
    )


def _resume_training(
    folder: Path, budget: Mapping[str, float | None], concurrency: int | None, as_json: bool
) -> dict[str, Any] | None:
    """Go on with a training."""
    from starec_sim.cli.train import finish
    from starec_sim.learning.train import resume_training

    return finish(
        lambda events: resume_training(folder, events, concurrency=concurrency, budget=budget),
        as_json,
    )


def replay(
    run: Run, runs_dir: RunsDir = Path("runs"), as_json: AsJson = False
) -> dict[str, Any] | None:
    """Run a recorded run again with its own answers, without any model, in a new folder.

    The digest tells whether everything was as before.
    """
    from starec_sim import runner
    from starec_sim.runs import folder

    found = folder.find(run, runs_dir)
    return _finish(lambda events: runner.replay(found, events), as_json)


def _finish(execute: Callable[[RunEvents], RunResult], as_json: bool) -> dict[str, Any] | None:
    """Execute with a live display, then show what came of it."""
    from starec_sim.cli.ledger_view import print_error, print_ledger
    from starec_sim.cli.run_progress import RunProgress
    from starec_sim.cli.tables import print_report
    from starec_sim.runs.reader import reading

    display = RunProgress()
    with unfinished_told(display), display:
        result = execute(display)
    plot = _plot(result, display)
    if as_json:
        return {**result.as_json(), "plot": str(plot) if plot else None}
    print_report(result.report)
    print_ledger(result.ledger)
    print_error(result)
    with reading(result.folder) as reader:
        busiest = reader.busiest(reader.trials()[0], 1)
    someone = busiest[0][0] if busiest else "ID"
    if result.replayed is not None:
        display.say_whether_it_is_the_same(result.digest, result.replayed)
    display.say_what_is_next(result.folder, result.digest, plot, someone)
    return None


def _plot(result: RunResult, display: Any) -> Path | None:
    from starec_sim.plot import plot_report

    path = result.folder / "plot.png"
    try:
        return path if plot_report(result.report, result.folder.name, path) else None
    except OSError as error:  # the run is done, and its figures are safe
        display.message(f"\nNo plot was written: {error}")
        return None
