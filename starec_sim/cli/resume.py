"""`starec resume`. The manifest of the folder says which kind of run it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from starec_sim.cli.options import (
    AllowChangedCode,
    Answer,
    AsJson,
    BudgetChanges,
    RunArgument,
    RunsDir,
    Trust,
    budget_changes,
)

if TYPE_CHECKING:
    from starec_sim.events import RunEvents
    from starec_sim.runs.manifest import RunKind


def resume(
    run: RunArgument,
    concurrency: Annotated[
        int | None,
        typer.Option(
            min=1, max=4096, metavar="N", help="Visits in progress at once, if it should change."
        ),
    ] = None,
    executor: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What plays the visits, if it should change: per_user, cohort, processes or ray.",
        ),
    ] = None,
    budget: BudgetChanges = None,
    trust: Trust = False,
    allow_changed_code: AllowChangedCode = False,
    runs_dir: RunsDir = Path("runs"),
    as_json: AsJson = False,
) -> Answer:
    """Resume a run, evaluation, audit or training that was paused, stopped or killed, or failed."""
    from starec_sim import resume_any
    from starec_sim.runs import folder
    from starec_sim.runs.manifest import read_manifest

    found, changes = folder.find(run, runs_dir), budget_changes(budget)

    def execute(events: RunEvents) -> Any:
        return resume_any.resume(
            found,
            events,
            concurrency=concurrency,
            executor=executor,
            budget=changes,
            trust=trust,
            allow_changed_code=allow_changed_code,
        )

    return _finished(read_manifest(found).kind, found, execute, as_json)


def _finished(
    kind: RunKind, folder: Path, execute: Callable[[RunEvents], Any], as_json: bool
) -> Answer:
    """Execute with the display of a kind of run, then show the result."""
    if kind == "run":
        from starec_sim.cli.run_result import finish_run

        return finish_run(execute, as_json)
    if kind == "evaluation":
        from starec_sim.cli.evaluate import finish_evaluation
        from starec_sim.evaluation.folder import read_settings

        against = read_settings(folder).against
        return finish_evaluation(
            lambda events: (folder, execute(events)), against, into=None, as_json=as_json
        )
    if kind == "audit":
        from starec_sim.cli.audit_result import finish_audit

        return finish_audit(lambda events: (folder, execute(events)), None, as_json)
    from starec_sim.cli.train_result import finish_training

    return finish_training(execute, as_json)
