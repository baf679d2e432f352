import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from starec_sim.metrics import hit_rate, ndcg, reciprocal_rank

RANKS = st.lists(
    st.one_of(st.integers(1, 40).map(float), st.just(float("nan"))), min_size=1, max_size=20
).map(np.array)


@pytest.mark.parametrize("k", [1, 5, 10, 20])
def test_ndcg_agrees_with_scikit_learn(k) -> None:
    ranks = np.arange(1, 21)
    relevance = np.eye(20)
    scores = np.tile(-np.arange(20.0), (20, 1))
    theirs = [ndcg_score([relevance[i]], [scores[i]], k=k) for i in range(20)]
    np.testing.assert_allclose(ndcg(ranks.astype(float), k), theirs)


def test_the_measures_of_a_few_ranks_by_hand() -> None:
    ranks = np.array([1.0, 3.0, 7.0, np.nan])
    np.testing.assert_allclose(ndcg(ranks, 5), [1, 0.5, 0, 0])
    np.testing.assert_allclose(ndcg(ranks, 10), [1, 0.5, 1 / 3, 0])
    np.testing.assert_allclose(hit_rate(ranks, 5), [1, 1, 0, 0])
    np.testing.assert_allclose(reciprocal_rank(ranks), [1, 1 / 3, 1 / 7, 0])


@given(RANKS, st.integers(1, 40))
def test_a_missing_item_earns_nothing_and_is_not_left_out(ranks, k) -> None:
    for values in (ndcg(ranks, k), hit_rate(ranks, k), reciprocal_rank(ranks)):
        assert values.shape == ranks.shape
        assert (values[np.isnan(ranks)] == 0).all()
        assert ((values >= 0) & (values <= 1)).all()


@given(RANKS, st.integers(1, 40))
def test_more_places_never_lower_ndcg_or_the_hit_rate(ranks, k) -> None:
    assert (ndcg(ranks, k) <= ndcg(ranks, k + 1)).all()
    assert (hit_rate(ranks, k) <= hit_rate(ranks, k + 1)).all()
    assert (ndcg(ranks, k) <= hit_rate(ranks, k)).all()


@given(st.integers(1, 40), st.integers(1, 50))
def test_a_worse_rank_is_never_worth_more(k, rank) -> None:
    pair = np.array([rank, rank + 1.0])
    for values in (ndcg(pair, k), hit_rate(pair, k), reciprocal_rank(pair)):
        assert values[0] >= values[1]


@given(RANKS, st.randoms(use_true_random=False))
def test_users_do_not_influence_each_other(ranks, random) -> None:
    order = np.array(random.sample(range(len(ranks)), len(ranks)))
    np.testing.assert_array_equal(ndcg(ranks[order], 10), ndcg(ranks, 10)[order])


@pytest.mark.parametrize("ranks", [np.array([0.0, 1.0]), np.ones((2, 2))])
def test_ranks_are_one_based_and_one_per_user(ranks) -> None:
    with pytest.raises(AssertionError, match="ranks"):
        ndcg(ranks, 5)
