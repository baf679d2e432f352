"""The live display of an evaluation: that of a run, and a line for each baseline."""

from __future__ import annotations

from collections.abc import Mapping

from starec_sim.cli.run_progress import RunProgress


class EvaluationProgress(RunProgress):
    """Shows the progress of an evaluation on stderr."""

    kind = "evaluation"

    def __init__(self) -> None:
        super().__init__()
        self._baselines = self._finished = 0

    def round_finished(self, round: int, metrics: Mapping[str, float]) -> None:
        """Show the metrics of the round, if it had visits."""
        if metrics:
            super().round_finished(round, metrics)
        else:  # agents without replays visit in the last round only
            self._progress.advance(self._task, 1)

    def baselines_started(self, count: int) -> None:
        """Note the number of baselines."""
        self._baselines = count

    def baseline_finished(self, name: str, seconds: float) -> None:
        """Print how long a baseline took."""
        self._finished += 1
        self.message(f"{name}: {seconds:.1f} s ({self._finished} of {self._baselines})")
