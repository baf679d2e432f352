"""A ready display of progress for programs: what the commands show while they run."""

from __future__ import annotations

from typing import Literal

from starec_sim.cli.live_progress import LiveProgress


def progress_display(of: Literal["run", "evaluation", "training"] = "run") -> LiveProgress:
    """Return a display that follows a run, an evaluation or a training on stderr.

    It is a `RunEvents` and a context manager. On a terminal it is drawn anew all the time;
    elsewhere it prints a line for each round or step.

    Args:
        of: What it follows.

    Example::

        with progress_display() as display:
            result = run(experiment, display)
    """
    if of == "training":
        from starec_sim.cli.train_progress import TrainProgress

        return TrainProgress()
    if of == "evaluation":
        from starec_sim.cli.evaluation_progress import EvaluationProgress

        return EvaluationProgress()
    from starec_sim.cli.run_progress import RunProgress

    return RunProgress()
