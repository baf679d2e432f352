import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from starec_sim.metrics import click_through, exit_rate, satisfaction, watch_rate

WATCHED = np.array([2, 0, 0, 5])
SHOWN = np.array([10, 10, 0, 5])


def test_click_through_by_hand() -> None:
    np.testing.assert_allclose(click_through(WATCHED, SHOWN), [0.2, 0, np.nan, 1])


def test_click_through_of_summed_counts_is_the_pooled_ratio() -> None:
    pooled = click_through(WATCHED.sum(keepdims=True), SHOWN.sum(keepdims=True))
    np.testing.assert_allclose(pooled, [7 / 25])


def test_a_visit_counts_once_however_much_was_watched() -> None:
    np.testing.assert_array_equal(watch_rate(WATCHED, SHOWN), [1, 0, np.nan, 1])


def test_satisfaction_is_the_mean_of_the_stars_of_what_was_watched() -> None:
    stars = np.array([4.5 + 2.0, 0, 0, 15])
    np.testing.assert_allclose(satisfaction(stars, WATCHED), [3.25, np.nan, np.nan, 3])


def test_only_a_user_who_left_or_tired_has_exited() -> None:
    endings = ["left", "pages", "tired", "done", ""]
    np.testing.assert_array_equal(exit_rate(endings), [1, 0, 1, 0, np.nan])


def test_no_visits_give_no_values() -> None:
    none = np.zeros(0, np.int64)
    assert click_through(none, none).shape == watch_rate(none, none).shape == (0,)
    assert exit_rate([]).shape == (0,)


@given(arrays(np.int64, (2, 20), elements=st.integers(0, 9)))
def test_rates_lie_between_nothing_and_everything(counts) -> None:
    watched, shown = counts.min(axis=0), counts.max(axis=0)
    for rate in (click_through(watched, shown), watch_rate(watched, shown)):
        np.testing.assert_array_equal(np.isnan(rate), shown == 0)
        assert ((rate[shown > 0] >= 0) & (rate[shown > 0] <= 1)).all()


def test_watching_more_than_was_shown_is_a_mistake() -> None:
    with pytest.raises(AssertionError, match="more items watched than shown"):
        click_through(np.array([3]), np.array([2]))
