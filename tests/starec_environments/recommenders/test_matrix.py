import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from starec_environments.recommenders.matrix import positives, top_k
from starec_sim.dataset import Interactions


def test_a_positive_is_a_rating_above_three_or_none_at_all() -> None:
    log = Interactions(
        users=np.array([0, 0, 0, 1, 1]),
        items=np.array([0, 1, 2, 0, 2]),
        ratings=np.array([3.0, 3.5, np.nan, 5.0, 1.0]),
        times=np.arange(5),
    )
    assert positives(log, 2, 3).toarray().tolist() == [[0, 1, 1], [1, 0, 0]]


def test_liking_something_twice_is_liking_it() -> None:
    twice = Interactions(np.array([0, 0]), np.array([1, 1]), np.array([4.0, 5.0]), np.array([0, 1]))
    assert positives(twice, 1, 2).toarray().tolist() == [[0, 1]]


@given(
    scores=arrays(
        np.float64,
        array_shapes(min_dims=2, max_dims=2, max_side=9),
        elements=st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 2.0]),
    ),
    k=st.integers(1, 12),
)
def test_top_k_sorts_by_score_then_row_and_pads_what_is_missing(scores, k) -> None:
    best = top_k(scores.copy(), k)
    for row, items, values in zip(scores, best.items, best.scores, strict=True):
        allowed = [item for item in range(len(row)) if row[item] > -np.inf]
        wanted = sorted(allowed, key=lambda item: (-row[item], item))[:k]
        missing = k - len(wanted)
        assert items.tolist() == wanted + [-1] * missing
        assert values.tolist() == [row[item] for item in wanted] + [-np.inf] * missing
