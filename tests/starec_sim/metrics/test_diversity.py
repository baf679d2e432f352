from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cosine, jensenshannon

from starec_sim.metrics import (
    attribute_distribution,
    coverage,
    gini,
    intra_list_diversity,
    mean_popularity,
    popularity_lift,
    taste_drift,
)

GENRES = np.array(
    [
        [1, 0, 0],
        [1, 0, 0],
        [1, 1, 0],
        [0, 0, 1],
        [0, 0, 0],
    ]
)
COUNTS = arrays(np.int64, st.integers(1, 30), elements=st.integers(0, 1000))
DISTRIBUTIONS = arrays(np.float64, (4, 5), elements=st.floats(0, 1).map(lambda x: round(x, 6)))


def test_diversity_is_the_mean_cosine_distance_over_all_pairs() -> None:
    slates = np.array([[0, 1, 2, 3], [3, 2, 1, -1]])
    wanted = [
        np.mean([cosine(GENRES[i], GENRES[j]) for i, j in combinations(slate[slate >= 0], 2)])
        for slate in slates
    ]
    np.testing.assert_allclose(intra_list_diversity(GENRES, slates), wanted)


def test_a_list_of_the_same_kind_has_no_diversity_and_one_of_strangers_all_of_it() -> None:
    slates = np.array([[0, 1], [0, 3], [0, 4]])
    np.testing.assert_allclose(intra_list_diversity(GENRES, slates), [0, 1, 1], atol=1e-15)


def test_a_list_without_a_pair_has_no_value() -> None:
    assert np.isnan(intra_list_diversity(GENRES, np.array([[2, -1], [-1, -1]]))).all()


@given(
    arrays(np.int64, (12, 4), elements=st.integers(0, 1)),
    st.permutations(range(12)),
    st.permutations(range(6)),
)
def test_diversity_is_bounded_and_blind_to_order(attributes, items, places) -> None:
    slates = np.array(items).reshape(2, 6)
    diversity = intra_list_diversity(attributes, slates)
    assert ((diversity >= 0) & (diversity <= 1)).all()
    np.testing.assert_allclose(
        intra_list_diversity(attributes, slates[:, places]), diversity, atol=1e-12
    )


def test_coverage_counts_items_not_exposures() -> None:
    assert coverage(np.array([0, 900, 1, 0])) == 0.5


@pytest.mark.parametrize(
    ("exposures", "wanted"),
    [([5, 5, 5, 5], 0), ([0, 0, 0, 8], 3 / 4), ([1, 2, 3, 4], 1 / 4), ([0, 1], 1 / 2)],
)
def test_gini_by_hand(exposures, wanted) -> None:
    assert gini(np.array(exposures)) == pytest.approx(wanted)


@given(COUNTS.filter(lambda x: x.any()))
def test_gini_is_half_the_relative_mean_difference(exposures) -> None:
    # The definition: mean |x_i - x_j| over all ordered pairs, over twice the mean.
    difference = np.abs(exposures[:, None] - exposures).mean()
    assert gini(exposures) == pytest.approx(difference / (2 * exposures.mean()), abs=1e-12)


@given(COUNTS.filter(lambda x: x.any()), st.floats(0.001, 1000), st.randoms())
def test_gini_does_not_change_with_scale_or_order(exposures, factor, random) -> None:
    order = random.sample(range(len(exposures)), len(exposures))
    assert 0 <= gini(exposures) < 1
    assert gini(exposures[order] * factor) == pytest.approx(gini(exposures), abs=1e-12)


def test_gini_of_nothing_shown_has_no_value() -> None:
    assert np.isnan(gini(np.zeros(3, np.int64)))


def test_popularity_lift_by_hand() -> None:
    popularity = np.array([0.8, 0.4, 0.2, 0.0])
    shown = mean_popularity(popularity, np.array([[0, 1], [2, -1], [0, 0], [1, 1], [-1, -1]]))
    history = mean_popularity(popularity, np.array([[1, 2], [1, 1], [0, -1], [3, 3], [0, 0]]))
    np.testing.assert_allclose(shown, [0.6, 0.2, 0.8, 0.4, np.nan])
    np.testing.assert_allclose(history, [0.3, 0.4, 0.8, 0.0, 0.8])
    np.testing.assert_allclose(popularity_lift(shown, history), [1, -0.5, 0, np.nan, np.nan])


@given(
    arrays(np.float64, 6, elements=st.floats(0.001, 1)),
    arrays(np.float64, 6, elements=st.floats(0.001, 1)),
    st.floats(0.01, 100),
)
def test_popularity_lift_does_not_depend_on_the_unit_of_popularity(shown, history, unit) -> None:
    lift = popularity_lift(shown, history)
    assert (lift >= -1).all()
    np.testing.assert_allclose(popularity_lift(shown * unit, history * unit), lift, atol=1e-9)


def test_an_item_spreads_its_weight_over_its_attributes() -> None:
    lists = np.array([[0, 2, -1], [3, 4, 4], [4, -1, -1]])
    np.testing.assert_allclose(
        attribute_distribution(GENRES, lists), [[0.75, 0.25, 0], [0, 0, 1], [0, 0, 0]]
    )


def test_drift_by_hand() -> None:
    p = np.array([[1, 0], [1, 0], [3, 3], [0, 0]])
    q = np.array([[0, 1], [1, 1], [1, 1], [1, 0]])
    half_way = 0.5 * np.log2(4 / 3) + 0.5 * (0.5 * np.log2(2 / 3) + 0.5 * np.log2(2))
    np.testing.assert_allclose(taste_drift(p, q), [1, half_way, 0, np.nan], atol=1e-15)


@given(DISTRIBUTIONS, DISTRIBUTIONS)
def test_drift_agrees_with_scipy_is_symmetric_and_bounded(p, q) -> None:
    p, q = p + 1e-3, q + np.array([1e-3, 2e-3, 1e-3, 2e-3, 3e-3])
    drift = taste_drift(p, q)
    assert ((drift >= 0) & (drift <= 1)).all()
    np.testing.assert_allclose(drift, taste_drift(q, p), atol=1e-12)
    theirs = jensenshannon(p, q, base=2, axis=1) ** 2
    np.testing.assert_allclose(drift, np.nan_to_num(theirs), atol=1e-12)  # theirs: NaN near 0


@given(DISTRIBUTIONS)
def test_a_taste_that_stays_has_not_drifted(p) -> None:
    np.testing.assert_allclose(taste_drift(p + 1e-3, 7 * (p + 1e-3)), 0, atol=1e-12)


@pytest.mark.parametrize("lists", [np.array([0, 1]), np.array([[0, 5]]), np.array([[-2, 0]])])
def test_lists_hold_rows_of_the_catalogue(lists) -> None:
    with pytest.raises(AssertionError):
        intra_list_diversity(GENRES, lists)
