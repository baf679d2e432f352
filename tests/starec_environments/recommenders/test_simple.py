import numpy as np
from scipy.sparse import csr_matrix

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
