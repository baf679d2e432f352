"""How a policy does with users it never trained on, and what a training changed about that.

Examinations are trials of the run's record with the same users, questions and seeds each time, so
that two of them differ by the weights alone and can be compared user by user.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np

from starec_sim.learning.rewards import Rewards, outcome_of
from starec_sim.metrics import Interval, bootstrap_interval, paired_interval, permutation_test
from starec_sim.runs import queries
from starec_sim.runs.reader import Reader, RecordedTrial
from starec_sim.types import FloatArray

REWARD = "reward"
"""The figure that the training's own rewards make, beside the metrics of the environment."""

UserMetrics = Mapping[str, Mapping[int, float]]
"""By figure and user: the mean over her visits."""


def marks(reader: Reader, number: int, rewards: Rewards) -> UserMetrics:
    """Return what the users of an examination came to.

    Args:
        reader: Of the run's record.
        number: Of the examination's trial.
        rewards: What an answer earns in this training.
    """
    values: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    trial = next(trial for trial in reader.trials() if trial.number == number)
    visits = list(queries.visit_metrics(reader.db, [number]))
    for user in sorted({visit.user for visit in visits}):
        values[REWARD][user] = _earned(reader, trial, user, rewards)
    for visit in visits:
        for name, value in visit.metrics.items():
            values[name][visit.user].append(value)
    return {
        name: {user: float(np.mean(each)) for user, each in by_user.items()}
        for name, by_user in values.items()
    }


def _earned(reader: Reader, trial: RecordedTrial, user: int, rewards: Rewards) -> list[float]:
    return [
        rewards.of(outcome_of(step), f"user {user} in an examination")[0]
        for step in reader.steps(trial, user)
    ]


def figures(found: UserMetrics, seed: int) -> dict[str, dict[str, float]]:
    """Return the mean of each figure over users with its 95 % interval, as JSON values."""
    return {
        name: _plain(bootstrap_interval(np.array(list(by_user.values())), seed=seed))
        for name, by_user in found.items()
    }


def changes(before: UserMetrics, after: UserMetrics, seed: int) -> dict[str, dict[str, Any]]:
    """Return what became of each figure from one examination to another, as JSON values.

    Args:
        before: The marks of one.
        after: The marks of the other, of the same users.
        seed: Of the resampling.

    Returns:
        By figure: both means with their 95 % intervals, the paired difference with its own, p of a
        permutation test over users, and how many they are.
    """
    found = {}
    for name in (name for name in after if name in before):
        a, b = _paired(after[name], before[name])
        change = paired_interval(a, b, seed=seed)
        found[name] = {
            "before": _plain(bootstrap_interval(b, seed=seed)),
            "after": _plain(bootstrap_interval(a, seed=seed)),
            "change": _plain(change),
            "p": permutation_test(a, b, seed=seed),
            "users": change.n,
        }
    return found


def _paired(a: Mapping[int, float], b: Mapping[int, float]) -> tuple[FloatArray, FloatArray]:
    """Return both values of everybody who has both."""
    users = sorted(a.keys() & b.keys())
    return np.array([a[user] for user in users]), np.array([b[user] for user in users])


def _plain(interval: Interval) -> dict[str, float]:
    return {"mean": interval.mean, "low": interval.low, "high": interval.high}
