"""Validation: the policy plays users it is never trained on, before, during and after a training.

Validations are trials of the run's record with the same users, questions and seeds each time: two
of them differ by the weights alone and are compared user by user.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np

from starec_sim.glossary import metric_info
from starec_sim.learning.episodes import TrainingTrial
from starec_sim.learning.fidelity import audit_version
from starec_sim.learning.rewards import Rewards, outcome_of
from starec_sim.learning.training_run import TrainingRun
from starec_sim.learning.trials import FIRST_VALIDATION_TRIAL, validation_arm
from starec_sim.metrics import Interval
from starec_sim.policies.gateway import Policy
from starec_sim.report import MetricSamples, difference_of, interval_of
from starec_sim.runs import queries
from starec_sim.runs.reader import Reader, RecordedTrial
from starec_sim.types import Node

REWARD = "reward"
"""The name of the weighted sum of the training's rewards, beside the environment's metrics."""

UserMetrics = Mapping[str, Mapping[str, float]]
"""By metric and id of a user: the mean over her visits."""


async def validate(run: TrainingRun, step: int) -> None:
    """Play the validation after a step, audit the policy, and log the metrics of both."""
    settings = run.settings.evaluate
    if not settings.users or run.players is None or run.trials is None:
        return
    policies: Mapping[Node, Policy] = run.players.policies
    if settings.temperature is not None:
        changed = {"temperature": settings.temperature}
        policies = {
            node: replace(policy, model=policy.model.model_copy(update=changed))
            for node, policy in policies.items()
        }
    trial = TrainingTrial(
        FIRST_VALIDATION_TRIAL + step,
        validation_arm(step),
        run.experiment.seed,
        run.split.validated(),
    )
    await run.trials.open(trial, run.split.agent, policies).run(settings.rounds)
    metrics = summary(_metrics_after(run, step))
    entry: dict[str, Any] = {"stage": _stage(run), "step": step, "validation": metrics}
    if settings.audits:
        entry["audits"] = audit_version(run, step)
    run.store.log(entry)
    run.events.validated(entry)


def log_changes(run: TrainingRun, step: int) -> None:
    """Log how the metrics changed from the first validation to the one after a step."""
    if run.settings.evaluate.users and run.players is not None:
        before, after = _metrics_after(run, 0), _metrics_after(run, step)
        changed = changes(before, after)
        run.store.log({"stage": _stage(run), "step": step, "changes": changed})


def _stage(run: TrainingRun) -> str:
    assert run.settings.stage2 is not None, "only stage 2 is validated"
    return run.settings.stage2.name


def _metrics_after(run: TrainingRun, step: int) -> UserMetrics:
    with closing(Reader(run.store.folder)) as reader:
        return user_metrics(reader, FIRST_VALIDATION_TRIAL + step, run.rewards)


def user_metrics(reader: Reader, number: int, rewards: Rewards) -> UserMetrics:
    """Return the metrics of the users of a validation.

    Args:
        reader: Of the run's record.
        number: Of the validation's trial.
        rewards: Those of the training.
    """
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    trial = next(trial for trial in reader.trials() if trial.number == number)
    visits = list(queries.visit_metrics(reader.db, [number]))
    for user, user_id in sorted({(visit.user, visit.user_id) for visit in visits}):
        values[REWARD][user_id] = _earned(reader, trial, user, rewards)
    for visit in visits:
        for name, value in visit.metrics.items():
            values[name][visit.user_id].append(value)
    return {
        name: {user: float(np.mean(each)) for user, each in by_user.items()}
        for name, by_user in values.items()
    }


def _earned(reader: Reader, trial: RecordedTrial, user: int, rewards: Rewards) -> list[float]:
    return [
        rewards.of(outcome_of(step), f"user {user} in a validation")[0]
        for step in reader.steps(trial, user)
    ]


def summary(metrics: UserMetrics) -> dict[str, dict[str, float]]:
    """Return the mean of each metric over users with its 95 % interval, as JSON values."""
    return {
        name: _plain(interval_of(_samples(by_user), metric_info(name)))
        for name, by_user in metrics.items()
    }


def changes(before: UserMetrics, after: UserMetrics) -> dict[str, dict[str, Any]]:
    """Return how each metric changed from one validation to another, as JSON values.

    The figures are those that `starec diff` prints for the two validations.

    Args:
        before: Of the first one.
        after: Of the second one, with the same users.

    Returns:
        By metric: both means with their 95 % intervals, the paired difference with its own, p of a
        permutation test over users, and how many they are.
    """
    changed = {}
    for name in (name for name in after if name in before):
        users = after[name].keys() & before[name].keys()
        a, b = (_samples({user: each[name][user] for user in users}) for each in (after, before))
        info = metric_info(name)
        change = difference_of(a, b, info)
        changed[name] = {
            "before": _plain(interval_of(b, info)),
            "after": _plain(interval_of(a, info)),
            "change": _plain(change.interval),
            "p": change.p,
            "users": change.interval.n,
        }
    return changed


def _samples(by_user: Mapping[str, float]) -> MetricSamples:
    return MetricSamples(by_user, {}, (), (), by_user=True)


def _plain(interval: Interval) -> dict[str, float]:
    return {"mean": interval.mean, "low": interval.low, "high": interval.high}
