"""Estimate the error of a cheap kind of users from some whom a costly kind played as well.

The figure that is wanted is the mean of a metric over N users of the cheap kind, had the costly
kind played their visits. Known are the cheap values y of all N, and the costly values z of a random
sample of n of them. Two estimators use both (Cochran 1977, "Sampling techniques", chapter 7;
control variates in simulation, Lavenberg and Welch 1981):

- difference: mean(y) + mean(z) over the sample - mean(y) over the sample, for small samples;
- regression: mean(z) over the sample + b * (mean(y) - mean(y) over the sample), with the
  least-squares slope b of z on y, from `REGRESSION_FROM` users on. In large samples its variance is
  at most that of the difference.

Some metrics have no value for some users: who watches nothing has no satisfaction. A mean is over
those who have one, who may be others for the two kinds, so it is a ratio: the variance is that of
its linear part, x - mean(x) divided by the share of users with a value, and 0 for those without.

The sample is drawn without replacement from N users, so variances carry 1 - n / N. Intervals are
Student's.

Trials with other seeds have samples of their own, and estimates are means over trials. Trials
differ by random numbers only, so users differ as much in one as in another: there is one variance,
pooled over trials by degrees of freedom, as in the t-test with equal variances. So

- a trial with one user counts in the mean, and the others tell how much users differ;
- a trial whose differences are all equal counts as a variance of 0, an estimate like others;
- there is no interval where no trial has two users, or where the differences within each trial are
  equal: then nothing is known about how much users differ.

All trials have the regression estimator, or all have the difference, so that the variances are of
the same thing. A mean lies within the range of its metric, as does the truth: estimates and ends of
intervals outside of a known range are clipped to it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from starec_sim.metrics import Interval
from starec_sim.types import FloatArray

REGRESSION_FROM = 30
"""Users of the sample; with fewer, an estimated slope makes intervals too narrow."""
_ROUNDING = 1e-10
"""Smaller differences, as a share of the greatest value, come from the order of additions."""
ANY = (-math.inf, math.inf)
"""The range of a metric whose range is not known."""


class CalibrationSample(NamedTuple):
    """One metric in one trial: a value for each user, NaN for those without one."""

    cheap: FloatArray
    """Of all users of the cheap kind, shape (N,)."""
    cheap_of_sample: FloatArray
    """Of those users whom both kinds played, shape (n,)."""
    costly: FloatArray
    """Of the same users, as the costly kind plays them."""
    seed: int = 0
    """Of the trial."""

    @property
    def users(self) -> int:
        """How many users of the sample have a value, of the kind for which fewer have."""
        return int(min(np.sum(~np.isnan(self.cheap_of_sample)), np.sum(~np.isnan(self.costly))))


class SeedWithoutSpread(NamedTuple):
    """A trial that by itself does not say how much users differ."""

    seed: int
    users: int
    """With a value."""
    why: Literal["equal", "one user", "no user"]
    """`equal`: all differences are equal. A trial with no user does not count in the means."""


class CalibratedMetric(NamedTuple):
    """The error of a cheap kind in one metric."""

    cheap: float
    """The mean over all users of the cheap kind."""
    bias: Interval
    """The cheap kind minus the costly one. Without bounds where nothing is known about how much
    users differ: `seeds` says why."""
    corrected: Interval
    """What the costly kind would have for all of these users."""
    slope: float
    """By which the corrected figure follows the cheap one: 1 for the difference estimator."""
    clipped: tuple[str, ...] = ()
    """What lay outside the range of the metric and was put to its end, such as `corrected.mean`."""
    seeds: tuple[SeedWithoutSpread, ...] = ()
    """Trials that by themselves do not say how much users differ."""


def calibrated(
    samples: Sequence[CalibrationSample], bounds: tuple[float, float] = ANY
) -> CalibratedMetric | None:
    """Return the bias of the cheap kind in a metric, and the corrected figure.

    Args:
        samples: One for each trial. Those in which one of the kinds has no value do not count.
        bounds: The least and the greatest value that the metric can have.

    Returns:
        The estimates; None without a sample that counts.
    """
    used = [sample for sample in samples if sample.users]
    if not used:
        return None
    regression = min(sample.users for sample in used) >= REGRESSION_FROM
    biases, corrections, slopes = [], [], []
    for sample in used:
        cheap_mean, cheap = _linear(sample.cheap_of_sample)
        costly_mean, costly = _linear(sample.costly)
        size = _ROUNDING * float(np.nanmax(np.abs([sample.cheap_of_sample, sample.costly])))
        slope = _slope(cheap, costly) if regression else 1.0
        bias = cheap_mean - costly_mean
        moved = slope * (float(np.nanmean(sample.cheap)) - cheap_mean)
        fitted = 2 if regression else 1
        biases.append(_part(bias if abs(bias) > size else 0.0, cheap - costly, sample, 1, size))
        corrections.append(_part(costly_mean + moved, costly - slope * cheap, sample, fitted, size))
        slopes.append(slope)
    users = sum(sample.users for sample in used)
    mean = float(np.mean([np.nanmean(sample.cheap) for sample in used]))
    least, greatest = bounds
    differences = least - greatest, greatest - least
    bias_interval, outside = _clipped("bias", _interval(biases, users), differences)
    corrected, too = _clipped("corrected", _interval(corrections, users), bounds)
    without = _without_spread(samples, biases)
    return CalibratedMetric(
        mean, bias_interval, corrected, float(np.mean(slopes)), (*outside, *too), without
    )


class _Part(NamedTuple):
    """The estimate of one trial."""

    mean: float
    weight: float
    """The variance of the estimate for users whose variance is 1; 0 where everybody was played."""
    variance: float
    """Of a user with a value; 0 where all are equal or where it is unknown."""
    freedom: int
    """Degrees of freedom of the variance; 0 where it is unknown."""


def _linear(values: FloatArray) -> tuple[float, FloatArray]:
    """Return the mean of the values that are there, and the linear part of each user in it."""
    there = ~np.isnan(values)
    mean = float(values[there].mean())
    return mean, np.where(there, values - mean, 0.0) / there.mean()


def _part(
    mean: float, linear: FloatArray, sample: CalibrationSample, fitted: int, size: float
) -> _Part:
    """Return an estimate with the variance of a user.

    Args:
        mean: The estimate.
        linear: The linear part of each user of the sample in it; their mean is 0.
        sample: Of one trial.
        fitted: Numbers that were fitted to the sample, the mean included.
        size: Numbers up to this size are 0 but for rounding.
    """
    n, valued = len(linear), sample.users
    weight, freedom = (1 - n / len(sample.cheap)) / valued, max(valued - fitted, 0)
    if not freedom or np.max(np.abs(linear)) <= size:
        return _Part(mean, weight, 0.0, freedom)
    # Linear parts are values divided by the share of users who have one.
    variance = float(linear @ linear) * (valued / n) ** 2 / freedom
    return _Part(mean, weight, variance, freedom)


def _slope(cheap: FloatArray, costly: FloatArray) -> float:
    """Return the least-squares slope of the costly values on the cheap ones."""
    spread = float(cheap @ cheap)
    return float(cheap @ costly / spread) if spread > 0 else 0.0


def _interval(parts: Sequence[_Part], n: int) -> Interval:
    """Return the mean of the estimates of trials, with their pooled variance."""
    from scipy.special import stdtrit  # a fifth of the time that scipy.stats takes to import

    mean = float(np.mean([part.mean for part in parts]))
    weight = sum(part.weight for part in parts) / len(parts) ** 2
    if not weight:
        return Interval(mean, mean, mean, n)  # everybody was played by both
    freedom = sum(part.freedom for part in parts)
    squares = sum(part.freedom * part.variance for part in parts)
    if not squares:
        # Equal values say nothing about how much others differ, nor does one value.
        return Interval(mean, math.nan, math.nan, n)
    half = float(stdtrit(freedom, 0.975)) * math.sqrt(squares / freedom * weight)
    return Interval(mean, mean - half, mean + half, n)


def _clipped(
    name: str, found: Interval, bounds: tuple[float, float]
) -> tuple[Interval, tuple[str, ...]]:
    """Return an interval within bounds, and the names of what lay outside of them."""
    least, greatest = bounds
    # The value stands first: only so NaN stays.
    mean, low, high = (min(max(value, least), greatest) for value in found[:3])
    if found.low > greatest or found.high < least:
        low = high = math.nan  # all of it lies outside; an interval of no width would be wrong
    inside = Interval(mean, low, high, found.n)
    outside = tuple(
        f"{name}.{end}"
        for end in ("mean", "low", "high")
        if abs(getattr(found, end) - getattr(inside, end)) > _ROUNDING
    )
    return inside, outside


def _without_spread(
    samples: Sequence[CalibrationSample], biases: Sequence[_Part]
) -> tuple[SeedWithoutSpread, ...]:
    """Return the trials without a spread, given the biases of those that have users."""
    found, of_used = [], iter(biases)
    for sample in samples:
        part = next(of_used) if sample.users else None
        if part is None:
            found.append(SeedWithoutSpread(sample.seed, 0, "no user"))
        elif not part.weight:
            continue  # everybody was played by both: there is nothing to estimate
        elif not part.freedom:
            found.append(SeedWithoutSpread(sample.seed, sample.users, "one user"))
        elif not part.variance:
            found.append(SeedWithoutSpread(sample.seed, sample.users, "equal"))
    return tuple(found)
