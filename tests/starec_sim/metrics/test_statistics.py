from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from starec_sim.metrics import (
    Interval,
    PairedDifference,
    bootstrap_interval,
    paired_difference,
    paired_interval,
    permutation_test,
    statistics,
)

VALUES = arrays(np.float64, st.integers(2, 20), elements=st.floats(-100, 100))


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        found = bootstrap_interval(rng.exponential(size=60), level=0.9, resamples=300, seed=1)
        covered += found.low <= 1 <= found.high
    assert 0.82 <= covered / 200 <= 0.95


def test_the_interval_of_many_values_is_the_normal_one() -> None:
    x = np.random.default_rng(1).normal(size=900)
    low, high = stats.norm.interval(0.95, x.mean(), x.std() / 30)
    found = bootstrap_interval(x, resamples=4000, seed=2)
    assert found.mean == pytest.approx(x.mean())
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.006)


@settings(max_examples=30)
@given(VALUES)
def test_the_mean_lies_within_the_values_and_a_wider_level_gives_a_wider_interval(x) -> None:
    wide = bootstrap_interval(x, level=0.99, resamples=200, seed=0)
    narrow = bootstrap_interval(x, level=0.5, resamples=200, seed=0)
    slack = 1e-9  # a mean of equal numbers differs from them in its last bit
    ordered = [x.min(), wide.low, narrow.low, narrow.high, wide.high, x.max()]
    assert all(low <= high + slack for low, high in pairwise(ordered))


@settings(max_examples=30)
@given(VALUES, st.sampled_from([0.5, 0.95, 0.99]), st.integers(1, 300))
def test_the_interval_is_that_of_scipy_to_the_bit(x, level, resamples) -> None:
    scipys = stats.bootstrap(
        (x,),
        np.mean,
        n_resamples=resamples,
        confidence_level=level,
        method="percentile",
        vectorized=True,
        random_state=np.random.default_rng(7),
    ).confidence_interval
    found = bootstrap_interval(x, level=level, resamples=resamples, seed=7)
    assert (found.low, found.high) == (scipys.low, scipys.high)


@settings(max_examples=20)
@given(VALUES)
def test_the_p_value_is_that_of_scipy(x) -> None:
    p = stats.permutation_test(
        (x, np.zeros(len(x))),
        lambda a, b, axis: (a - b).mean(axis=axis),
        permutation_type="samples",
        n_resamples=300,
        random_state=np.random.default_rng(3),
    ).pvalue
    assert permutation_test(x, np.zeros(len(x)), resamples=300, seed=3) == pytest.approx(p)


def test_many_values_are_resampled_in_batches(monkeypatch) -> None:
    x, zeros = np.random.default_rng(8).normal(size=30), np.zeros(30)
    at_once = bootstrap_interval(x, seed=0), permutation_test(x, zeros, resamples=99)
    monkeypatch.setattr(statistics, "_BATCH_CELLS", 200)
    batches = bootstrap_interval(x, seed=0), permutation_test(x, zeros, resamples=99)
    assert batches == at_once


def test_the_seed_decides_the_interval() -> None:
    x = np.random.default_rng(3).normal(size=50)
    assert bootstrap_interval(x, seed=1) == bootstrap_interval(x, seed=1)
    assert bootstrap_interval(x, seed=1) != bootstrap_interval(x, seed=2)


def test_users_without_a_value_are_left_out_and_not_counted() -> None:
    x = np.array([1.0, np.nan, 2.0, 4.0, np.nan])
    assert bootstrap_interval(x, seed=0) == bootstrap_interval(np.array([1.0, 2, 4]), seed=0)
    assert bootstrap_interval(x, seed=0).n == 3


def test_one_user_has_a_mean_but_no_interval_and_nobody_has_neither() -> None:
    one = bootstrap_interval(np.array([2.0, np.nan]), seed=0)
    assert (one.mean, one.n) == (2, 1) and np.isnan([one.low, one.high]).all()
    nobody = bootstrap_interval(np.array([np.nan]), seed=0)
    assert nobody.n == 0 and np.isnan(nobody[:3]).all()


def test_users_who_all_agree_leave_no_doubt() -> None:
    assert bootstrap_interval(np.full(5, 2.0), seed=0) == Interval(2, 2, 2, 5)


def test_pairing_removes_what_the_users_have_in_common() -> None:
    rng = np.random.default_rng(4)
    users = rng.normal(scale=10, size=100)
    a, b = users + 0.5 + 0.1 * rng.normal(size=100), users
    found = paired_interval(a, b, seed=0)
    assert 0.4 < found.low < 0.5 < found.high < 0.6
    assert permutation_test(a, b) < 0.001


def test_a_pair_counts_only_when_both_have_a_value() -> None:
    a, b = np.array([1.0, 2, np.nan, 5]), np.array([0.0, np.nan, 1, 3])
    assert paired_interval(a, b, seed=0).n == 2
    assert paired_interval(a, b, seed=0).mean == 1.5
    assert permutation_test(a, b) == permutation_test(a[[0, 3]], b[[0, 3]])


def test_the_p_value_of_a_few_users_is_exact() -> None:
    # Five differences of one sign: 2 of the 32 exchanges are as extreme.
    assert permutation_test(np.arange(1.0, 6), np.zeros(5)) == pytest.approx(2 / 32)


def test_the_p_value_agrees_with_the_t_test_on_normal_differences() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.normal(0.2, 1, 80), rng.normal(0, 1, 80)
    assert permutation_test(a, b) == pytest.approx(stats.ttest_rel(a, b).pvalue, abs=0.015)


def test_without_a_difference_small_p_values_are_as_rare_as_they_should_be() -> None:
    rng = np.random.default_rng(6)
    p = [permutation_test(*rng.normal(size=(2, 15)), resamples=199, seed=s) for s in range(200)]
    assert np.mean(np.array(p) <= 0.1) == pytest.approx(0.1, abs=0.06)


@settings(max_examples=30)
@given(VALUES, st.integers(0, 5))
def test_exchanging_the_conditions_does_not_change_the_p_value(a, seed) -> None:
    b = a[::-1].copy()
    one, other = (permutation_test(*ab, resamples=100, seed=seed) for ab in ((a, b), (b, a)))
    assert 0 < one <= 1
    assert one == pytest.approx(other, abs=0.15)  # the two draw different exchanges


def test_identical_conditions_are_not_told_apart() -> None:
    assert permutation_test(np.arange(20.0), np.arange(20.0)) == 1


def test_a_test_needs_two_users() -> None:
    assert np.isnan(permutation_test(np.array([1.0, np.nan]), np.array([0.0, 1])))


def test_a_paired_difference_is_sure_when_its_interval_excludes_zero() -> None:
    rng = np.random.default_rng(0)
    b = rng.normal(size=30)
    found = paired_difference(b + 0.5 + 0.1 * rng.normal(size=30), b, seed=0)
    assert found.sure and found.p < 0.001 and found.interval.mean == pytest.approx(0.5, abs=0.1)
    assert not paired_difference(b, b, seed=0).sure
    # One rule, as in reports of runs: the interval. p is printed beside it.
    assert PairedDifference(Interval(0.2, 0.1, 0.3, 5), p=0.2).sure
    assert not PairedDifference(Interval(0.2, -0.1, 0.3, 5), p=0.01).sure
    assert set(found.as_json()) == {"mean", "low", "high", "n", "p", "sure"}


@pytest.mark.parametrize(
    ("values", "zero"), [([0, 0, 0], True), ([0.5, -0.5], False), ([0], True), ([0.1], False)]
)
def test_a_difference_is_zero_only_if_every_pair_is_equal(values, zero):
    found = paired_interval(np.array(values, float), np.zeros(len(values)), seed=0)
    assert found.is_zero == zero


@given(arrays(float, st.integers(2, 12), elements=st.floats(0, 1)), st.floats(-4e-16, 4e-16))
@settings(max_examples=20)
def test_values_that_are_equal_but_for_rounding_do_not_differ(values, noise) -> None:
    found = paired_difference(values, values * (1 + noise), seed=0)
    assert found.interval.is_zero and found.p == 1


def test_differences_that_cancel_out_but_for_rounding_have_the_mean_zero() -> None:
    found = paired_interval(np.array([0.3, 0.1]), np.array([0.2, 0.2]), seed=0)
    assert found.mean == 0 and found.low < 0 < found.high
