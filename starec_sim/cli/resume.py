"""`starec resume`. The manifest of the folder says which kind of run it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from starec_sim.cli.options import (
    Answer,
    AsJson,
    BudgetChanges,
    RunArgument,
    RunsDir,
    budget_changes,
)

BudgetByKey = Mapping[str, float | None]


def resume(
    run: RunArgument,
    concurrency: Annotated[
        int | None,
        typer.Option(min=1, max=4096, metavar="N", help="Visits in flight, if it should change."),
    ] = None,
    budget: BudgetChanges = None,
    runs_dir: RunsDir = Path("runs"),
    as_json: AsJson = False,
) -> Answer:
    """Go on with a run or a training that was paused, stopped or killed, or that failed."""
    from starec_sim.errors import RunError
    from starec_sim.runs import folder
    from starec_sim.runs.manifest import read_manifest

    found, changes = folder.find(run, runs_dir), budget_changes(budget)
    kind = read_manifest(found).kind
    if kind not in _RESUME:
        raise RunError(
            f"{found} is the folder of an {kind}, which is not resumed",
            hint=f"give the same `starec {kind}` command again; it goes on where it was",
        )
    return _RESUME[kind](found, concurrency, changes, as_json)


def _resume_run(
    folder: Path, concurrency: int | None, budget: BudgetByKey, as_json: bool
) -> Answer:
    from starec_sim import runner
    from starec_sim.cli.run_result import finish_run

    return finish_run(
        lambda events: runner.resume(folder, events, concurrency=concurrency, budget=budget),
        as_json,
    )


def _resume_evaluation(
    folder: Path, concurrency: int | None, budget: BudgetByKey, as_json: bool
) -> Answer:
    from starec_sim import evaluation
    from starec_sim.cli.evaluate import finish_evaluation
    from starec_sim.evaluation import Table
    from starec_sim.events import RunEvents

    def execute(events: RunEvents) -> tuple[Path, Table]:
        table = evaluation.resume(folder, events, concurrency=concurrency, budget=budget)
        return folder, table

    return finish_evaluation(execute, against=None, into=None, as_json=as_json)


def _resume_training(
    folder: Path, concurrency: int | None, budget: BudgetByKey, as_json: bool
) -> Answer:
    from starec_sim.cli.train_result import finish_training
    from starec_sim.learning.train import resume_training

    return finish_training(
        lambda events: resume_training(folder, events, concurrency=concurrency, budget=budget),
        as_json,
    )


_RESUME: Mapping[str, Callable[[Path, int | None, BudgetByKey, bool], Answer]] = {
    "run": _resume_run,
    "evaluation": _resume_evaluation,
    "training": _resume_training,
}
"""By kind of run, the function that resumes it."""
