"""What an audit finds: figures, bounds they are held against, a chart, and what others found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Self

import numpy as np
from pydantic import model_validator

from starec_sim.metrics import Interval, bootstrap_interval
from starec_sim.settings import Settings
from starec_sim.types import FloatArray, IntArray

Outcome = Literal["holds", "unsure", "fails"]

RESAMPLES = 1_000


class Bound(Settings):
    """What a figure has to be for a policy to be fit to simulate with."""

    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.at_least is None and self.at_most is None:
            raise ValueError("a bound says at_least, at_most, or both")
        return self

    def judge(self, figure: Interval) -> Outcome:
        """Hold an interval against the bound: it fails only when no value of it would do.

        >>> from starec_sim.metrics import Interval
        >>> Bound(at_most=0.2).judge(Interval(0.3, 0.1, 0.5, 40))
        'unsure'
        """
        low, high = (
            (figure.mean, figure.mean)
            if np.isnan(figure.low)
            else (float(figure.low), float(figure.high))
        )
        least = -np.inf if self.at_least is None else self.at_least
        most = np.inf if self.at_most is None else self.at_most
        if np.isnan(figure.mean):
            return "unsure"
        if least <= low and high <= most:
            return "holds"
        return "fails" if high < least or low > most else "unsure"

    @property
    def short(self) -> str:
        """The bound in signs."""
        if self.at_least is None:
            return f"≤ {self.at_most:g}"
        if self.at_most is None:
            return f"≥ {self.at_least:g}"
        return f"{self.at_least:g} to {self.at_most:g}"

    def __str__(self) -> str:
        least = None if self.at_least is None else f"at least {self.at_least:g}"
        most = None if self.at_most is None else f"at most {self.at_most:g}"
        return " and ".join(part for part in (least, most) if part)


@dataclass(frozen=True, slots=True)
class AuditMetric:
    """A number over users, and what it is."""

    label: str
    interval: Interval
    at: str = ""
    """Where it was taken, for figures that are taken in several places."""

    @property
    def named(self) -> str:
        """The label, and where it was taken."""
        return f"{self.label} at {self.at}" if self.at else self.label


@dataclass(frozen=True, slots=True)
class BoundCheck:
    """A figure held against its bound."""

    figure: str
    bound: Bound
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Chart:
    """One plot: series over the same places."""

    kind: Literal["line", "bar"]
    x: tuple[str, ...]
    x_label: str
    y_label: str
    series: Mapping[str, tuple[float, ...]]
    reference: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Drawn dashed: chance, truth, or what others found."""


@dataclass(frozen=True, slots=True)
class AuditResult:
    """What one audit found."""

    name: str
    """As in the file of bounds."""
    title: str
    asks: str
    """The question that the audit answers, in one sentence."""
    figures: Mapping[str, AuditMetric] = field(default_factory=dict)
    chart: Chart | None = None
    references: tuple[str, ...] = ()
    """What is known from the literature, each with its source."""
    unmeasured: str = ""
    """Why it could not be measured; empty when it could."""
    checks: tuple[BoundCheck, ...] = ()


def over_users(values: FloatArray) -> Interval:
    """Return the mean over users and its 95 % interval."""
    return bootstrap_interval(values, resamples=RESAMPLES, seed=0)


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
