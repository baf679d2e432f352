import numpy as np
import pytest

from starec_environments.recommenders.factors import ALS, BPR
from starec_sim.dataset import Interactions
from starec_sim.errors import ConfigError
from starec_sim.settings import validate


@pytest.mark.parametrize("found", [ALS, BPR])
def test_an_item_nobody_likes_scores_zero(found, log) -> None:
    recommender = found(found.Config(), n_users=60, n_items=40, seed=0)
    recommender.fit(log)
    assert (recommender.item_factors[39] == 0).all()
    assert np.isfinite(recommender.item_factors).all()


def test_als_factors_minimise_the_weighted_squared_error_of_the_paper() -> None:
    # Hu et al. (2008), equation 5: given the users, an item's factors solve a linear system.
    liked = np.random.default_rng(2).random((50, 20)) < 0.3
    users, items = np.nonzero(liked)
    config = ALS.Config(factors=4, iterations=200, regularization=0.5, alpha=3)
    recommender = ALS(config, n_users=50, n_items=20, seed=0)
    recommender.fit(Interactions(users, items, np.full(len(users), np.nan), users))
    X = recommender.user_factors.astype(np.float64)
    for item in range(20):
        C = np.diag(np.where(liked[:, item], 3.0, 1.0))
        wanted = np.linalg.solve(X.T @ C @ X + 0.5 * np.eye(4), X.T @ C @ liked[:, item])
        np.testing.assert_allclose(recommender.item_factors[item], wanted, atol=1e-3)


@pytest.mark.parametrize("setting", [{"factors": 0}, {"iterations": 0}, {"factor": 8}])
def test_settings_that_cannot_work_are_refused(setting) -> None:
    with pytest.raises(ConfigError, match=r"recommender\.(factor|iterations)"):
        validate(BPR.Config, setting, "recommender")
