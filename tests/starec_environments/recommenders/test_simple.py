import numpy as np
import pytest
from scipy.sparse import csr_matrix

from starec_environments.recommenders.matrix import ScoringRecommender
from starec_environments.recommenders.simple import Popularity
from starec_sim.dataset import Interactions


def test_events_count_towards_popularity_at_once() -> None:
    recommender = Popularity(Popularity.Config(), n_users=3, n_items=3, seed=0)
    recommender.fit(Interactions(np.array([0]), np.array([1]), np.array([5.0]), np.array([0])))
    recommender.observe(
        Interactions(
            np.array([0, 1, 2]), np.array([2, 2, 0]), np.array([4.0, np.nan, 2.0]), np.arange(3)
        )
    )
    slates = recommender.recommend(np.array([2]), 3, csr_matrix((3, 3)), np.random.default_rng(0))
    assert slates.items.tolist() == [[2, 1, 0]]
    assert slates.scores.tolist() == [[2, 1, 0]]


@pytest.mark.parametrize(("users", "k"), [(0, 3), (1, 1), (40, 5), (40, 30), (40, 40)])
def test_popular_items_are_those_with_the_highest_scores_of_all(users, k, monkeypatch) -> None:
    monkeypatch.setattr("starec_environments.recommenders.matrix.CHUNK_CELLS", 30 * 7)
    rng = np.random.default_rng(users + k)
    recommender = Popularity(Popularity.Config(), n_users=40, n_items=30, seed=0)
    recommender.popularity = rng.integers(0, 4, 30).astype(float)  # with ties
    seen = csr_matrix(rng.random((40, 30)) < rng.random((40, 1)))
    asked = rng.permutation(40)[:users]
    fast = recommender.recommend(asked, k, seen, rng)
    slow = ScoringRecommender.recommend(recommender, asked, k, seen, rng)
    assert np.array_equal(fast.items, slow.items)
    assert np.array_equal(fast.scores, slow.scores)
