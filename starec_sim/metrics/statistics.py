"""Confidence intervals and significance tests over users.

Users are resampled, not visits, because two visits of one user are not independent observations.
So average the values of each user first. Users whose value is NaN are left out; `n` is the number
of the others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from starec_sim.types import FloatArray, IntArray

_BATCH_CELLS = 2**20
"""Resampled values held at once (8 MiB)."""


class Interval(NamedTuple):
    """A mean with its confidence interval."""

    mean: float
    low: float
    high: float
    n: int
    """Users with a value. With fewer than two of them, `low` and `high` are NaN."""

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside; False without bounds."""
        return self.low > 0 or self.high < 0

    @property
    def is_zero(self) -> bool:
        """Whether every value is zero. A mean of zero alone says less: values can cancel out."""
        return self.mean == 0 and (self.n < 2 or self.low == self.high == 0)

    def as_json(self) -> dict[str, float | None]:
        """Return the interval as JSON values; a missing value is null."""
        return {
            name: None if math.isnan(value) else value for name, value in self._asdict().items()
        }


class PairedDifference(NamedTuple):
    """The mean difference of two conditions over the same users."""

    interval: Interval
    p: float
    """Two-sided, from a permutation test over users."""

    @property
    def sure(self) -> bool:
        """Whether the interval excludes zero."""
        return self.interval.excludes_zero

    def as_json(self) -> dict[str, Any]:
        """Return the difference as JSON values."""
        return {**self.interval._asdict(), "p": self.p, "sure": self.sure}


_ROUNDING = 1e-12
"""Smaller differences, as a share of the greatest value, come from the order of additions."""
_LOPSIDED = 0.1
"""An interval is lopsided if its middle is further from the mean, as a share of half its width."""


def lopsided(interval: Interval) -> bool:
    """Return whether "mean ± half of the width" would misstate an interval.

    >>> lopsided(Interval(0.5, 0.4, 0.6, n=9)), lopsided(Interval(-0.661, -1.86, -0.03, n=9))
    (False, True)
    """
    half = (interval.high - interval.low) / 2
    off = abs((interval.high + interval.low) / 2 - interval.mean)
    holds_zero = interval.low <= 0 <= interval.high
    return off > _LOPSIDED * half or holds_zero != (abs(interval.mean) <= half)


def bootstrap_interval(
    values: FloatArray, *, level: float = 0.95, resamples: int = 2000, seed: int
) -> Interval:
    """Return the percentile bootstrap interval of the mean over users.

    Efron and Tibshirani (1993), "An introduction to the bootstrap", chapter 13. The result is that
    of `scipy.stats.bootstrap` to the bit, without the second that `scipy.stats` takes to import:
    every run ends with such intervals.

    Args:
        values: One value per user, shape (users,); NaN for a user without one.
        level: Confidence level, in (0, 1).
        resamples: Bootstrap samples drawn.
        seed: The same seed gives the same interval.

    Returns:
        The mean of the values and its interval; all NaN if no user has a value.
    """
    assert values.ndim == 1, f"values must have shape (users,), got {values.shape}"
    assert 0 < level < 1, f"level must lie between 0 and 1, got {level}"
    x = values[~np.isnan(values)]
    n = len(x)
    if n < 2:
        return Interval(float(x[0]) if n else float("nan"), float("nan"), float("nan"), n)
    rng = np.random.default_rng(seed)
    means = np.concatenate(
        [x[rng.integers(n, size=(rows, n))].mean(axis=1) for rows in _batches(resamples, n)]
    )
    tail = (1 - level) / 2
    means.sort()
    low, high = (_percentile(means, share) for share in (tail, 1 - tail))
    return Interval(float(x.mean()), low, high, n)


def _percentile(ordered: FloatArray, share: float) -> float:
    """Return a percentile, interpolated and rounded as `scipy.stats.quantile` does."""
    n = len(ordered)
    place = share * n + (1 - share)
    below, weight = max(int(place), 1), place % 1
    low, high = ordered[below - 1], ordered[min(below, n - 1)]
    return float((1 - weight) * low + weight * high)


def _batches(rows: int, n: int) -> list[int]:
    """Return the sizes of batches of rows of n values, which are held at once."""
    size = min(rows, max(1, _BATCH_CELLS // n))
    return [min(size, rows - start) for start in range(0, rows, size)]


def student_interval(
    values: Sequence[float] | FloatArray, bounds: tuple[float, float] = (-math.inf, math.inf)
) -> Interval:
    """Return the mean with Student's 95 % interval; NaN ends for fewer than two values.

    Args:
        values: One value per unit.
        bounds: The least and the greatest value that a mean can have. The interval ends there:
            of few seeds it would hold shares above 1 (decision 133).

    >>> student_interval([0.8, 1.0, 0.9], (0.0, 1.0)).high
    1.0
    >>> student_interval([0.84, 0.8400000000000002]).low >= 0.84
    True
    """
    x = np.asarray(values, np.float64)
    n, nan = len(x), math.nan
    if n < 2:
        return Interval(float(x[0]) if n else nan, nan, nan, n)
    mean = float(x.mean())
    from scipy.special import stdtrit  # a fifth of the time that scipy.stats takes to import

    spread = float(x.std(ddof=1))
    if spread <= _ROUNDING * float(np.max(np.abs(x))):
        spread = 0.0  # the order of additions, which would be printed as ±1e-15
    half = float(stdtrit(n - 1, 0.975) * spread / np.sqrt(n))
    least, greatest = bounds
    return Interval(mean, max(mean - half, least), min(mean + half, greatest), n)


def paired_interval(
    a: FloatArray, b: FloatArray, *, level: float = 0.95, resamples: int = 2000, seed: int
) -> Interval:
    """Return the bootstrap interval of the mean difference a - b over the same users.

    Args:
        a: One value per user, shape (users,).
        b: The same users' values under the other condition, in the same order.
        level: Confidence level, in (0, 1).
        resamples: Bootstrap samples drawn.
        seed: The same seed gives the same interval.

    Returns:
        The mean difference over the users who have both values, and its interval.
    """
    assert a.ndim == 1 and a.shape == b.shape, (a.shape, b.shape)
    difference = differences(a, b)
    found = bootstrap_interval(difference, level=level, resamples=resamples, seed=seed)
    size = np.max(np.abs(difference), initial=0.0, where=~np.isnan(difference))
    noise = _ROUNDING * float(size)
    mean, low, high = (0.0 if abs(value) <= noise else value for value in found[:3])
    return Interval(mean, low, high, found.n)


def differences(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return a - b; values that are equal but for rounding have the difference 0.

    >>> differences(np.array([0.1 + 0.2, 0.5]), np.array([0.3, 0.25]))
    array([0.  , 0.25])
    """
    difference = a - b
    difference[np.abs(difference) < _ROUNDING * np.maximum(np.abs(a), np.abs(b))] = 0.0
    return difference


def paired_difference(a: FloatArray, b: FloatArray, *, seed: int) -> PairedDifference:
    """Return the mean difference a - b over the same users, with its 95 % interval and p-value.

    Args:
        a: One value per user, shape (users,).
        b: The same users' values under the other condition, in the same order.
        seed: The same seed gives the same interval and p-value.
    """
    return PairedDifference(paired_interval(a, b, seed=seed), permutation_test(a, b, seed=seed))


def permutation_test(
    a: FloatArray, b: FloatArray, *, resamples: int = 9999, seed: int = 0
) -> float:
    """Return the two-sided p-value of "a and b do not differ", by exchanging a user's two values.

    The paired randomisation test of Fisher (1935) on the mean difference: exact if there are at
    most `resamples` of the 2^n exchanges, else over a random sample of them and never 0 (Phipson
    and Smyth, 2010). Smucker et al. (2007), "A comparison of statistical significance tests for
    information retrieval evaluation", recommend it for per-user measures.

    Args:
        a: One value per user, shape (users,).
        b: The same users' values under the other condition, in the same order.
        resamples: The greatest number of exchanges.
        seed: The same seed gives the same p-value.

    Returns:
        A number in (0, 1]; NaN if fewer than two users have both values.
    """
    assert a.ndim == 1 and a.shape == b.shape, (a.shape, b.shape)
    difference = differences(a, b)
    difference = difference[~np.isnan(difference)]
    n = len(difference)
    if n < 2:
        return float("nan")
    exact = n <= math.log2(resamples)
    exchanges = [_all_exchanges(n)] if exact else _some_exchanges(n, resamples, seed)
    means = np.concatenate(
        [np.where(exchanged, -difference, difference).mean(axis=-1) for exchanged in exchanges]
    )
    observed = difference.mean()
    slack = 100 * np.finfo(np.float64).eps * abs(observed)  # equal means may differ by rounding
    at_most = np.count_nonzero(means <= observed + slack)
    at_least = np.count_nonzero(means >= observed - slack)
    unseen = 0 if exact else 1  # the values as they are, which a random sample may lack
    return float(min(1.0, 2 * (min(at_most, at_least) + unseen) / (len(means) + unseen)))


def _all_exchanges(n: int) -> IntArray:
    """Return all ways to exchange the values of some of n users, one a row."""
    return np.arange(2**n)[:, np.newaxis] >> np.arange(n) & 1


def _some_exchanges(n: int, resamples: int, seed: int) -> Iterator[IntArray]:
    """Yield random ways to exchange the values of some of n users, one a row, in batches."""
    rng = np.random.default_rng(seed)
    for rows in _batches(resamples, n):
        yield rng.permuted(np.tile([0, 1], (rows, n, 1)), axis=-1)[..., 0]
