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
Student's. Trials with other seeds have samples of their own; estimates are means over trials.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from starec_sim.metrics import Interval
from starec_sim.types import FloatArray

REGRESSION_FROM = 30
"""Users of the sample; with fewer, an estimated slope makes intervals too narrow."""
_ROUNDING = 1e-10
"""Smaller differences, as a share of the greatest value, come from the order of additions."""


class CalibrationSample(NamedTuple):
    """One metric in one trial: a value for each user, NaN for those without one."""

    cheap: FloatArray
    """Of all users of the cheap kind, shape (N,)."""
    cheap_of_sample: FloatArray
    """Of those users whom both kinds played, shape (n,)."""
    costly: FloatArray
    """Of the same users, as the costly kind plays them."""

    @property
    def users(self) -> int:
        """How many users of the sample have a value, of the kind for which fewer have."""
        return int(min(np.sum(~np.isnan(self.cheap_of_sample)), np.sum(~np.isnan(self.costly))))


class CalibratedMetric(NamedTuple):
    """The error of a cheap kind in one metric."""

    cheap: float
    """The mean over all users of the cheap kind."""
    bias: Interval
    """The cheap kind minus the costly one. Without bounds where all differences are equal, or for
    fewer than two users."""
    corrected: Interval
    """What the costly kind would have for all of these users."""
    slope: float
    """By which the corrected figure follows the cheap one: 1 for the difference estimator."""


def calibrated(samples: Sequence[CalibrationSample]) -> CalibratedMetric | None:
    """Return the bias of the cheap kind in a metric, and the corrected figure.

    Args:
        samples: One for each trial. Those in which one of the kinds has no value do not count.

    Returns:
        The estimates; None without a sample that counts.
    """
    used = [sample for sample in samples if sample.users]
    if not used:
        return None
    biases, corrections, slopes = [], [], []
    for sample in used:
        cheap_mean, cheap = _linear(sample.cheap_of_sample)
        costly_mean, costly = _linear(sample.costly)
        size = _ROUNDING * float(np.nanmax(np.abs([sample.cheap_of_sample, sample.costly])))
        slope = _slope(cheap, costly) if sample.users >= REGRESSION_FROM else 1.0
        bias = cheap_mean - costly_mean
        moved = slope * (float(np.nanmean(sample.cheap)) - cheap_mean)
        fitted = 1 if sample.users < REGRESSION_FROM else 2
        biases.append(_part(bias if abs(bias) > size else 0.0, cheap - costly, sample, 1, size))
        corrections.append(_part(costly_mean + moved, costly - slope * cheap, sample, fitted, size))
        slopes.append(slope)
    users = sum(sample.users for sample in used)
    mean = float(np.mean([np.nanmean(sample.cheap) for sample in used]))
    return CalibratedMetric(
        mean, _interval(biases, users), _interval(corrections, users), float(np.mean(slopes))
    )


class _Part(NamedTuple):
    """The estimate of one trial."""

    mean: float
    variance: float
    """NaN where it is unknown."""
    freedom: int
    """Degrees of freedom of the variance."""


def _linear(values: FloatArray) -> tuple[float, FloatArray]:
    """Return the mean of the values that are there, and the linear part of each user in it."""
    there = ~np.isnan(values)
    mean = float(values[there].mean())
    return mean, np.where(there, values - mean, 0.0) / there.mean()


def _part(
    mean: float, linear: FloatArray, sample: CalibrationSample, fitted: int, size: float
) -> _Part:
    """Return an estimate with its variance.

    Args:
        mean: The estimate.
        linear: The linear part of each user of the sample in it; their mean is 0.
        sample: Of one trial.
        fitted: Numbers that were fitted to the sample, the mean included.
        size: Numbers up to this size are 0 but for rounding.
    """
    n, users, freedom = len(linear), len(sample.cheap), sample.users - fitted
    if n == users:
        return _Part(mean, 0.0, max(freedom, 1))  # everybody was played by both
    if freedom < 1 or np.max(np.abs(linear)) <= size:
        # Equal values say nothing about how much others differ.
        return _Part(mean, math.nan, freedom)
    variance = float(linear @ linear) / (n - fitted) / n * (1 - n / users)
    return _Part(mean, variance, freedom)


def _slope(cheap: FloatArray, costly: FloatArray) -> float:
    """Return the least-squares slope of the costly values on the cheap ones."""
    spread = float(cheap @ cheap)
    return float(cheap @ costly / spread) if spread > 0 else 0.0


def _interval(parts: Sequence[_Part], n: int) -> Interval:
    from scipy.special import stdtrit  # a fifth of the time that scipy.stats takes to import

    mean = float(np.mean([part.mean for part in parts]))
    variance = sum(part.variance for part in parts) / len(parts) ** 2
    if math.isnan(variance):
        return Interval(mean, math.nan, math.nan, n)
    freedom = sum(part.freedom for part in parts)
    half = float(stdtrit(freedom, 0.975)) * math.sqrt(variance)
    return Interval(mean, mean - half, mean + half, n)
