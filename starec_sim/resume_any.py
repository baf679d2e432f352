"""Resume a run of any kind: its manifest says whether it is a run, an evaluation or a training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from starec_sim.errors import RunError
from starec_sim.events import RunEvents
from starec_sim.runs.manifest import read_manifest

if TYPE_CHECKING:
    from starec_sim.evaluation import Table
    from starec_sim.learning.train import TrainResult
    from starec_sim.runner import RunResult


def resume(
    folder: str | Path,
    events: RunEvents | None = None,
    *,
    concurrency: int | None = None,
    budget: Mapping[str, float | None] | None = None,
) -> RunResult | Table | TrainResult:
    """Continue from the last committed point; what is finished is returned as it is.

    Args:
        folder: The folder of a run, an evaluation or a training.
        events: Is told what happens.
        concurrency: Visits in progress at once, if it should change.
        budget: Keys of the budget that change; None is no limit.

    Returns:
        What `run`, `evaluate` or `train` returns; of an evaluation, the table.

    Raises:
        PausedError: It paused itself once more.
        RunError: It is in progress, damaged, or was made with another version or other data.
        StarecError: What went wrong.
    """
    folder = Path(folder)
    kind = read_manifest(folder).kind
    if kind == "run":
        from starec_sim import runner

        return runner.resume(folder, events, concurrency=concurrency, budget=budget)
    if kind == "evaluation":
        from starec_sim import evaluation

        return evaluation.resume(folder, events, concurrency=concurrency, budget=budget)
    if kind == "training":
        from starec_sim.learning.train import resume_training

        return resume_training(folder, events, concurrency=concurrency, budget=budget)
    raise RunError(
        f"{folder} is an audit; audits are not resumed",
        hint="give the audit's command again: answers in its cache are not asked for twice",
    )
