"""The result of one audit: metrics, their comparison with bounds, a chart, and references."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from starec_sim.evaluation.audits.bounds import Bound, Outcome
from starec_sim.metrics import Interval, bootstrap_interval
from starec_sim.types import FloatArray, IntArray

RESAMPLES = 1_000
"""Bootstrap samples of an interval."""


@dataclass(frozen=True, slots=True)
class AuditMetric:
    """A mean over users and its label."""

    label: str
    interval: Interval
    at: str = ""
    """The condition, for metrics that are measured under several (e.g. `1:9`)."""
    people: Interval | None = None
    """The same of the people in the data, for metrics that are compared with it."""
    not_comparable: str = ""
    """Why the data has no such figure of people; empty where nothing is compared."""

    @property
    def named(self) -> str:
        """The label with the condition."""
        return f"{self.label} at {self.at}" if self.at else self.label


@dataclass(frozen=True, slots=True)
class BoundCheck:
    """A metric compared with its bound."""

    metric: str
    bound: Bound
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Chart:
    """One plot: series over the same x values."""

    kind: Literal["line", "bar"]
    x: tuple[str, ...]
    x_label: str
    y_label: str
    series: Mapping[str, tuple[float, ...]]
    reference: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Drawn dashed: chance, true values, or values from the literature."""


@dataclass(frozen=True, slots=True)
class AuditResult:
    """The result of one audit."""

    name: str
    """The name in the file of bounds."""
    title: str
    asks: str
    """The question that the audit answers, in one sentence."""
    metrics: Mapping[str, AuditMetric] = field(default_factory=dict)
    chart: Chart | None = None
    references: tuple[str, ...] = ()
    """Findings from the literature, each with its source."""
    unmeasured: str = ""
    """Why it could not be measured; empty when it could."""
    checks: tuple[BoundCheck, ...] = ()


def over_users(values: FloatArray) -> Interval:
    """Return the mean over users and its 95 % interval."""
    return bootstrap_interval(values, resamples=RESAMPLES, seed=0)


def resampled_share(statistic: Callable[[IntArray], float], users: int) -> Interval:
    """Return a share or a correlation with its interval: percentiles of its bootstrap over users.

    Unlike the basic interval, it never goes beyond the values that the statistic can have.
    """
    rng = np.random.default_rng(0)
    point = statistic(np.arange(users))
    drawn = [statistic(rng.integers(users, size=users)) for _ in range(RESAMPLES // 2)]
    known = np.array([value for value in drawn if not np.isnan(value)])
    if users < 2 or not len(known):
        return Interval(point, float("nan"), float("nan"), users)
    low, high = np.quantile(known, [0.025, 0.975])
    return Interval(point, float(low), float(high), users)


def resampled(statistic: Callable[[IntArray], float], users: int) -> Interval:
    """Return a statistic that is no mean, with the interval of its bootstrap over users.

    The basic interval (Davison and Hinkley, 1997, section 5.2): a divergence of two samples is
    biased upwards, the more so the fewer they are, and this one takes the bias back.

    Args:
        statistic: A function of the places of the users that count, some of them repeatedly.
        users: How many there are.
    """
    rng = np.random.default_rng(0)
    point = statistic(np.arange(users))
    drawn = [statistic(rng.integers(users, size=users)) for _ in range(RESAMPLES // 2)]
    known = np.array([value for value in drawn if not np.isnan(value)])
    if users < 2 or not len(known):
        return Interval(point, float("nan"), float("nan"), users)
    high, low = 2 * point - np.quantile(known, [0.025, 0.975])
    if (known >= 0).all():  # a divergence, say, is never negative
        high, low = max(high, 0.0), max(low, 0.0)
    return Interval(point, float(low), float(high), users)
