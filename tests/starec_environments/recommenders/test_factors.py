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


def incremental(**settings):
    config = ALS.Config(factors=4, iterations=100, learn_between_fits=True, **settings)
    return ALS(config, n_users=60, n_items=40, seed=0)


def fit_then_observe(recommender, log):
    recommender.fit(log.where(log.times < 700))
    before = recommender.user_factors, recommender.item_factors
    recommender.observe(log.where(log.times >= 700))
    return before


def test_observed_likes_change_users_and_items_that_have_them_and_no_others(log) -> None:
    recommender = incremental()
    users, items = fit_then_observe(recommender, log)
    new = log.where((log.times >= 700) & (log.ratings > 3))
    for now, before, changed in (
        (recommender.user_factors, users, new.users),
        (recommender.item_factors, items, new.items),
    ):
        differ = np.flatnonzero((now != before).any(axis=1))
        assert differ.tolist() == np.unique(changed).tolist()
    assert recommender.warm[new.users].all()


def test_what_is_learned_between_fits_is_near_to_a_fit_and_further_without(log) -> None:
    everything = incremental()
    everything.fit(log)
    columns = np.tile(np.arange(40), (60, 1))

    def distance(recommender):
        fit_then_observe(recommender, log)
        scores = recommender.score(np.arange(60), columns)
        return np.abs(scores - everything.score(np.arange(60), columns)).mean()

    waiting = ALS(ALS.Config(factors=4, iterations=100), n_users=60, n_items=40, seed=0)
    assert distance(incremental()) < 0.5 * distance(waiting)


def test_one_that_was_restored_goes_on_learning_between_fits_as_the_one_saved(log) -> None:
    saved, restored = incremental(), incremental()
    fit_then_observe(saved, log.where(log.users < 40))
    state = saved.state()
    copies = {name: array.copy() for name, array in state.items()}
    restored.restore(state)
    for recommender in (saved, restored):
        recommender.observe(log.where(log.users >= 40))
    assert (saved.user_factors == restored.user_factors).all()
    assert (saved.item_factors == restored.item_factors).all()
    assert all((state[name] == copies[name]).all() for name in copies)


def test_likes_that_are_observed_before_any_are_fitted_are_learned_by_a_fit(log) -> None:
    observed, fitted = incremental(), incremental()
    observed.observe(log)
    fitted.fit(log)
    assert (observed.item_factors == fitted.item_factors).all()
    assert "liked" not in ALS(ALS.Config(), n_users=60, n_items=40, seed=0).state()
