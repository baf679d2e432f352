"""Estimate the error of a cheap kind of users from some whom a costly kind played as well.

The figure that is wanted is the mean of a metric over all N users of the cheap kind, had the costly
kind played their visits. Known are the cheap values y of all N, and the costly values z of a random
sample of n of them. Two estimators use both (Cochran 1977, "Sampling techniques", chapter 7;
control variates in simulation, Lavenberg and Welch 1981):

- difference: mean(y) + mean over the sample of (z - y), for small samples;
- regression: mean(z) + b * (mean(y) over all - mean(y) over the sample), with the least-squares
  slope b of z on y, from `REGRESSION_FROM` users on. It has at most the variance of the difference.

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


class CalibrationSample(NamedTuple):
    """One metric in one trial: a value for each user."""

    cheap: FloatArray
    """Of all users of the cheap kind who have a value, shape (N,)."""
    cheap_too: FloatArray
    """Of those users whom both kinds played, shape (n,)."""
    costly: FloatArray
    """Of the same users, as the costly kind plays them."""


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


def calibrated(samples: Sequence[CalibrationSample]) -> CalibratedMetric:
    """Return the bias of the cheap kind in a metric, and the corrected figure.

    Args:
        samples: One for each trial; at least one, each with a user whom both kinds played.
    """
    biases, corrections, slopes = [], [], []
    for all_cheap, cheap, costly in samples:
        n, of = len(cheap), max(len(all_cheap), len(cheap))
        difference = cheap - costly
        bias = _Part(float(difference.mean()), *_variance(difference, of, 1))
        slope = _slope(cheap, costly) if n >= REGRESSION_FROM else 1.0
        left = costly - slope * cheap
        mean = float(left.mean() + slope * all_cheap.mean())
        fitted = 1 if n < REGRESSION_FROM else 2
        biases.append(bias)
        corrections.append(_Part(mean, *_variance(left, of, fitted)))
        slopes.append(slope)
    n = sum(len(sample.cheap_too) for sample in samples)
    cheap_mean = float(np.mean([sample.cheap.mean() for sample in samples]))
    return CalibratedMetric(
        cheap_mean, _interval(biases, n), _interval(corrections, n), float(np.mean(slopes))
    )


class _Part(NamedTuple):
    """The estimate of one trial."""

    mean: float
    variance: float
    freedom: int
    """Degrees of freedom of the variance."""


def _variance(values: FloatArray, of: int, fitted: int) -> tuple[float, int]:
    """Return the variance of the mean of a sample, and its degrees of freedom.

    Args:
        values: Of the sample.
        of: Size of the population that it is drawn from.
        fitted: Numbers that were fitted to the sample, the mean included.
    """
    n, freedom = len(values), len(values) - fitted
    if n == of:
        return 0.0, max(freedom, 1)  # everybody was played by both
    spread = float(np.sum((values - values.mean()) ** 2))
    if freedom < 1 or spread <= 1e-20 * max(1.0, float(np.sum(values**2))):
        return math.nan, freedom  # equal values say nothing about how much others differ
    return spread / freedom / n * (1 - n / of), freedom


def _slope(cheap: FloatArray, costly: FloatArray) -> float:
    """Return the least-squares slope of the costly values on the cheap ones."""
    off = cheap - cheap.mean()
    spread = float(off @ off)
    return float(off @ (costly - costly.mean()) / spread) if spread > 0 else 0.0


def _interval(parts: Sequence[_Part], n: int) -> Interval:
    from scipy.special import stdtrit  # a fifth of the time that scipy.stats takes to import

    mean = float(np.mean([part.mean for part in parts]))
    variance = sum(part.variance for part in parts) / len(parts) ** 2
    if math.isnan(variance):
        return Interval(mean, math.nan, math.nan, n)
    freedom = sum(part.freedom for part in parts)
    half = float(stdtrit(freedom, 0.975)) * math.sqrt(variance)
    return Interval(mean, mean - half, mean + half, n)
