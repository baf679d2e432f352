"""Estimate calls, tokens, money and time of an experiment from a dry run with a few users."""

from __future__ import annotations

from typing import Any, NamedTuple

from starec_sim.dry_run import dry_run
from starec_sim.experiment import Experiment
from starec_sim.runs import estimates


class Estimate(NamedTuple):
    """Estimated calls, tokens, cost and time of a run."""

    calls: int
    tokens_in: int
    tokens_out: int
    usd: float | None
    """None if a policy has no price."""
    seconds: float
    """Wall time if nothing else keeps the processors busy."""
    seconds_busy: float
    """Wall time if they stay as busy as they were during the dry run; at least `seconds`."""
    unpriced: tuple[str, ...]
    """Keys of the policies that need a price and have none."""
    users: int
    rounds: int
    played: int
    """Calls of the dry run. `users` is its visitors in each round, `rounds` its rounds."""
    visits: int
    """Visits of the dry run."""
    warnings: tuple[str, ...]
    """What makes the estimate uncertain."""

    def as_json(self) -> dict[str, Any]:
        """Return the estimate as JSON values."""
        return self._asdict()


def estimate(experiment: Experiment, users: int = 8, rounds: int = 3) -> Estimate:
    """Estimate an experiment, and store the estimate for the final summary of its run.

    The policies of the experiment are asked. Their answers are discarded, unless the experiment
    has a cache, from which the run can read them.

    Args:
        experiment: The experiment.
        users: Visitors that are played in each round.
        rounds: Rounds that are played.

    Raises:
        StarecError: A part cannot be built, or a policy does not answer.
    """
    measured = dry_run(experiment, users, rounds)
    total = measured.total() * experiment.replicates
    calls, tokens_in, tokens_out, usd, seconds = total[:5].tolist()
    result = Estimate(
        round(calls),
        round(tokens_in),
        round(tokens_out),
        None if measured.unpriced else usd,
        seconds,
        seconds * measured.slowdown,
        measured.unpriced,
        users,
        min(rounds, experiment.rounds),
        measured.played,
        measured.visits,
        measured.few_visits(users),
    )
    configuration = experiment.model_dump(mode="json")
    estimates.write(configuration, experiment.runs_dir, result.as_json())
    return result
