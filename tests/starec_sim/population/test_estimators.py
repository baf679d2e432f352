"""The intervals of a calibration hold the truth, where it is known."""

import math

import numpy as np
import pytest

from starec_sim.cli.calibration_notes import calibration_notes
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


def told(metric):
    return {seed.seed: (seed.users, seed.why) for seed in metric.seeds}


@pytest.mark.parametrize("sizes", [(1, 12, 12), (2, 2, 40), (1, 1, 6)])
@pytest.mark.parametrize("shape", ["alike", "unrelated", "rare"])
def test_seeds_with_few_users_keep_an_interval_that_holds_the_mean_of_the_truths(shape, sizes):
    rng, held, repeats = np.random.default_rng(11), np.zeros(2), 1500
    for _ in range(repeats):
        if shape == "rare":  # a fifth of the users differ, so that all of a few are often equal
            worlds = [(np.zeros(SIZE), rng.normal(size=SIZE) * (rng.random(SIZE) < 0.2))] * 3
        else:
            worlds = [world(shape, rng) for _ in sizes]
        samples, truths = [], []
        for seed, ((cheap, costly), n) in enumerate(zip(worlds, sizes, strict=True)):
            some = rng.choice(SIZE, n, replace=False)
            samples.append(CalibrationSample(cheap, cheap[some], costly[some], seed))
            truths.append((cheap.mean() - costly.mean(), costly.mean()))
        found = calibrated(samples)
        for at, interval in enumerate((found.bias, found.corrected)):
            if math.isnan(interval.low):
                assert shape == "rare"  # nothing is claimed
                held[at] += 1
            else:
                held[at] += interval.low <= np.mean(truths, axis=0)[at] <= interval.high
    assert (held / repeats > 0.9).all() and (held / repeats < 0.99).all(), held / repeats


def test_a_seed_with_one_user_takes_no_interval_from_the_others():
    cheap, rng = np.zeros(100), np.random.default_rng(1)
    many = CalibrationSample(cheap, cheap[:10], rng.normal(size=10), 0)
    one = CalibrationSample(cheap, cheap[:1], np.array([0.5]), 1)
    found = calibrated([many, one])
    assert found.bias.mean == pytest.approx(-(many.costly.mean() + 0.5) / 2)
    variance = many.costly.var(ddof=1) * (0.9 / 10 + 0.99 / 1) / 4
    half = 2.2621571628 * math.sqrt(variance)  # Student's quantile of 9 degrees of freedom
    assert found.bias.high - found.bias.mean == pytest.approx(half)
    assert told(found) == {1: (1, "one user")}


def test_a_seed_with_equal_differences_counts_as_one_without_variance():
    cheap, rng = np.zeros(100), np.random.default_rng(1)
    many = CalibrationSample(cheap, cheap[:10], rng.normal(size=10), 0)
    equal = CalibrationSample(cheap, cheap[:10], np.full(10, 0.5), 1)
    found = calibrated([many, equal])
    variance = many.costly.var(ddof=1) / 2 * 2 * 0.9 / 10 / 4
    half = 2.1009220402 * math.sqrt(variance)  # of 18 degrees of freedom
    assert found.bias.high - found.bias.mean == pytest.approx(half)
    assert told(found) == {1: (10, "equal")}


def test_differences_that_are_equal_within_each_seed_give_no_interval():
    cheap, nobody = np.zeros(100), np.full(4, np.nan)
    found = calibrated(
        [
            CalibrationSample(cheap, cheap[:4], np.zeros(4), 3),
            CalibrationSample(cheap, cheap[:4], np.full(4, 0.5), 4),
            CalibrationSample(cheap, cheap[:1], np.array([0.2]), 5),
            CalibrationSample(cheap, cheap[:4], nobody, 6),
        ]
    )
    assert math.isnan(found.bias.low) and math.isnan(found.corrected.high)
    assert told(found) == {
        3: (4, "equal"),
        4: (4, "equal"),
        5: (1, "one user"),
        6: (0, "no user"),
    }
    assert found.bias.mean == pytest.approx(-0.7 / 3)


@pytest.mark.parametrize("n", [8, 15, 60])
def test_figures_of_a_share_stay_between_0_and_1_and_hold_the_truth(n):
    rng, held, clipped, repeats = np.random.default_rng(12), np.zeros(2), 0, 1000
    for _ in range(repeats):
        cheap, costly = rng.beta(5, 3, SIZE), rng.beta(8, 1, SIZE)
        some = rng.choice(SIZE, n, replace=False)
        found = calibrated([CalibrationSample(cheap, cheap[some], costly[some])], (0, 1))
        if math.isnan(found.corrected.low):
            assert found.corrected.mean == 1 and "corrected.mean" in found.clipped
        else:
            assert 0 <= found.corrected.low <= found.corrected.mean <= found.corrected.high <= 1
        assert -1 <= found.bias.low <= found.bias.mean <= found.bias.high <= 1
        clipped += "corrected.high" in found.clipped
        for at, truth in enumerate((cheap.mean() - costly.mean(), costly.mean())):
            interval = (found.bias, found.corrected)[at]
            held[at] += interval.low <= truth <= interval.high
    assert (held / repeats > 0.92).all() and (held / repeats < 0.98).all(), held / repeats
    assert (clipped > 0) == (n < 60)


def test_what_is_clipped_is_named_and_a_metric_without_a_range_is_left_alone():
    cheap = np.repeat([0.0, 1.0], [10, 90])
    of_sample, costly = np.repeat([0.0, 1.0], [6, 14]), np.repeat([0.0, 1.0], [1, 19])
    sample = CalibrationSample(cheap, of_sample, costly)
    found, free = calibrated([sample], (0, 1)), calibrated([sample])
    assert free.corrected.mean == pytest.approx(1.15) and free.clipped == ()
    assert found.corrected.mean == found.corrected.high == 1
    assert found.clipped == ("corrected.mean", "corrected.high")
    assert found.bias == free.bias and found.corrected.low == free.corrected.low


def test_an_interval_outside_of_the_range_is_none():
    cheap = np.r_[np.ones(95), np.zeros(5)]
    some = np.r_[95:100, 0]
    sample = CalibrationSample(cheap, cheap[some], np.r_[np.full(5, 0.9), 1.0])
    free, held = calibrated([sample]), calibrated([sample], (0, 1))
    assert free.corrected.low > 1
    assert held.corrected.mean == 1 and math.isnan(held.corrected.low)
    assert "corrected.mean" in held.clipped and "corrected.low" not in held.clipped
    (note, end) = calibration_notes({"watch rate": held})
    assert "corrected (estimate)" in note and "all of it lies outside" in end


def test_seeds_in_which_few_users_have_a_value_have_an_interval_that_holds_the_truth():
    rng, held, repeats = np.random.default_rng(13), 0, 400
    for _ in range(repeats):
        samples, truths = [], []
        for seed in range(5):
            cheap = np.where(rng.random(SIZE) < 0.2, rng.normal(size=SIZE), np.nan)
            costly = 0.7 * cheap + 0.5 * rng.normal(size=SIZE)
            some = rng.choice(SIZE, 20, replace=False)
            samples.append(CalibrationSample(cheap, cheap[some], costly[some], seed))
            if samples[-1].users:
                truths.append(np.nanmean(cheap) - np.nanmean(costly))
        bias = calibrated(samples).bias
        held += bias.low <= np.mean(truths) <= bias.high
    assert 0.93 < held / repeats < 0.99, held / repeats


def test_nothing_is_said_of_the_spread_where_both_kinds_played_everybody():
    cheap, costly = np.array([1.0, math.nan]), np.array([0.5, math.nan])
    found = calibrated([CalibrationSample(cheap, cheap, costly)])
    assert found.bias.low == found.bias.high == 0.5
    assert found.seeds == () and calibration_notes({"satisfaction": found}) == []
