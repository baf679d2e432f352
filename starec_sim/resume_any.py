"""Resume a run, an evaluation, an audit or a training, by the kind in its manifest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from starec_sim.errors import ConfigError
from starec_sim.events import RunEvents
from starec_sim.runs.code import CodeRules
from starec_sim.runs.manifest import read_manifest

if TYPE_CHECKING:
    from starec_sim.evaluation import Table
    from starec_sim.evaluation.audits import AuditReport
    from starec_sim.learning.train import TrainResult
    from starec_sim.runner import RunResult


def resume(
    folder: str | Path,
    events: RunEvents | None = None,
    *,
    concurrency: int | None = None,
    executor: str | None = None,
    budget: Mapping[str, float | None] | None = None,
    trust: bool = False,
    allow_changed_code: bool = False,
) -> RunResult | Table | AuditReport | TrainResult:
    """Continue from the last commit. The result of a finished run is read from its folder.

    Args:
        folder: The folder of a run, an evaluation, an audit or a training.
        events: Is called at each event of the run.
        concurrency: Visits in progress at once, if it should change.
        executor: What plays the visits of a run, if it should change.
        budget: Keys of the budget that change; None is no limit.
        trust: Whether to run code that the folder names, though it was not made here.
        allow_changed_code: Whether to go on though the code of a plug-in was changed.

    Returns:
        What `run` or `train` returns; the table of an evaluation, the report of an audit.

    Raises:
        PausedError: It paused itself again.
        RunError: It is in progress or damaged, was made with another version or other data, or
            its code is not allowed.
        StarecError: Anything else went wrong.
    """
    folder = Path(folder)
    kind, code = read_manifest(folder).kind, CodeRules(trust, allow_changed_code)
    if kind == "run":
        from starec_sim import runner

        return runner.resume(
            folder, events, concurrency=concurrency, executor=executor, budget=budget, code=code
        )
    if executor is not None:
        raise ConfigError(
            f"{folder} is of the kind {kind}, and `executor` changes how a run is played",
            hint=f"leave out --executor {executor}",
        )
    if kind == "evaluation":
        from starec_sim import evaluation

        return evaluation.resume(folder, events, concurrency=concurrency, budget=budget, code=code)
    if kind == "audit":
        from starec_sim.evaluation import audits

        return audits.resume(folder, events, concurrency=concurrency, budget=budget, code=code)
    from starec_sim.learning.train import resume_training

    return resume_training(folder, events, concurrency=concurrency, budget=budget, code=code)
