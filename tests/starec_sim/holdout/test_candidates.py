"""Samplers of negatives. Whole candidate lists are tested in `test_holdout.py`."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from starec_sim.errors import DataError
from starec_sim.holdout.candidates import shipped_negatives, uniform_negatives
from starec_sim.holdout.user_logs import by_user, user_logs


@given(
    seed=st.integers(0, 2**32),
    n_items=st.integers(1, 40),
    count=st.integers(0, 40),
    data=st.data(),
)
def test_uniform_negatives_are_different_items_that_are_not_excluded(seed, n_items, count, data):
    excluded = data.draw(st.sets(st.integers(0, n_items - 1)))
    count = min(count, n_items - len(excluded))
    drawn = uniform_negatives(np.random.default_rng(seed), n_items, excluded, count)
    assert len(drawn) == len(set(drawn)) == count
    assert set(drawn) <= set(range(n_items)) - excluded


def test_more_negatives_begin_with_the_fewer_ones():
    few, many = (
        uniform_negatives(np.random.default_rng(1), 50, {3, 4}, count) for count in (5, 20)
    )
    assert many[:5] == few


def test_shipped_negatives_are_each_once_without_what_the_user_touched(make):
    data = make([(0, item, 5.0) for item in range(3)], candidates={0: (9, 2, 8, 9, 1, 7)})
    (user_log,) = user_logs(by_user(data.log), 1)
    found = shipped_negatives(data, user_log, 3)
    assert found.items == [9, 8, 7] and found.dropped == 2
    with pytest.raises(DataError, match="user u0 holds 3 items that she never touched, not the 4"):
        shipped_negatives(data, user_log, 4)
