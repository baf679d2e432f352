"""The intervals of a calibration hold the truth, where it is known."""

import math

import numpy as np
import pytest

from starec_sim.population.estimators import REGRESSION_FROM, CalibrationSample, calibrated

SIZE = 400


def world(shape, rng):
    """Return what a metric is for all users as the cheap kind and as the costly one."""
    taste = rng.normal(size=SIZE)
    if shape == "alike":
        return taste, 0.7 * taste + 0.3 + 0.3 * rng.normal(size=SIZE)
    if shape == "opposite":
        return taste, 2 - taste + rng.normal(size=SIZE)
    if shape == "unrelated":
        return rng.exponential(size=SIZE), taste
    if shape == "some have none":
        cheap = np.where(taste > -0.5, taste, np.nan)
        return cheap, np.where(rng.random(SIZE) < 0.7, taste + rng.normal(size=SIZE), np.nan)
    liking = 1 / (1 + np.exp(-taste))
    return (rng.random(SIZE) < liking) * 1.0, (rng.random(SIZE) < 0.8 * liking) * 1.0


@pytest.mark.parametrize("n", [15, 60, 200])
@pytest.mark.parametrize("shape", ["alike", "opposite", "unrelated", "yes or no", "some have none"])
def test_the_95_percent_interval_holds_the_truth(shape, n):
    rng = np.random.default_rng(7)
    held, repeats = np.zeros(2), 400
    for _ in range(repeats):
        cheap, costly = world(shape, rng)
        some = rng.choice(SIZE, n, replace=False)
        found = calibrated([CalibrationSample(cheap, cheap[some], costly[some])])
        truths = np.nanmean(cheap) - np.nanmean(costly), np.nanmean(costly)
        for at, interval in enumerate((found.bias, found.corrected)):
            held[at] += interval.low <= truths[at] <= interval.high
    assert (held / repeats > 0.92).all() and (held / repeats < 0.98).all(), held / repeats


def test_several_trials_have_one_interval_that_holds_the_mean_of_their_truths():
    rng, held = np.random.default_rng(8), 0
    for _ in range(300):
        worlds = [world("alike", rng) for _ in range(3)]
        some = [rng.choice(SIZE, 40, replace=False) for _ in worlds]
        samples = [
            CalibrationSample(cheap, cheap[rows], costly[rows])
            for (cheap, costly), rows in zip(worlds, some, strict=True)
        ]
        corrected = calibrated(samples).corrected
        held += corrected.low <= np.mean([costly.mean() for _, costly in worlds]) <= corrected.high
    assert 0.92 < held / 300 < 0.98


def test_the_slope_narrows_the_interval_where_kinds_differ_by_a_factor():
    rng = np.random.default_rng(9)
    cheap = rng.normal(size=SIZE)
    costly = 3 * cheap + 0.1 * rng.normal(size=SIZE)
    found = calibrated([CalibrationSample(cheap, cheap[:100], costly[:100])])
    width = found.corrected.high - found.corrected.low
    assert found.slope == pytest.approx(3, abs=0.1)
    assert width < (found.bias.high - found.bias.low) / 10


def test_few_users_are_corrected_by_the_mean_difference():
    cheap, costly = np.arange(100.0), np.arange(100.0) ** 2
    few = REGRESSION_FROM - 1
    found = calibrated([CalibrationSample(cheap, cheap[:few], costly[:few])])
    assert found.slope == 1
    assert found.corrected.mean == pytest.approx(found.cheap - found.bias.mean)


def test_if_both_kinds_played_everybody_the_figure_is_exact():
    cheap, costly = np.array([1.0, 2, 4]), np.array([2.0, 2, 2])
    bias, corrected = calibrated([CalibrationSample(cheap, cheap, costly)])[1:3]
    assert bias.mean == bias.low == bias.high == pytest.approx(1 / 3)
    assert corrected.mean == corrected.low == corrected.high == pytest.approx(2)


@pytest.mark.parametrize("n", [1, 5, 50])
def test_equal_differences_give_no_interval(n):
    cheap = np.zeros(100)
    found = calibrated([CalibrationSample(cheap, cheap[:n], cheap[:n])])
    assert found.bias.mean == 0 and math.isnan(found.bias.low)
    assert math.isnan(found.corrected.high)
