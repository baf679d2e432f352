import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.linear_model import Ridge
from sklearn.metrics.pairwise import cosine_similarity

from starec_environments.recommenders.neighbours import EASE, ItemKNN
from starec_sim.dataset import Interactions

LIKED = np.array(
    [
        [1, 1, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 0, 1, 1, 0],
        [0, 0, 1, 1, 0],
        [1, 0, 0, 0, 0],
        [0, 0, 0, 0, 0],
    ]
)


def fitted(found, liked=LIKED, **settings):
    users, items = np.nonzero(liked)
    recommender = found(
        found.Config(**settings), n_users=liked.shape[0], n_items=liked.shape[1], seed=0
    )
    recommender.fit(Interactions(users, items, np.full(len(users), 5.0), np.arange(len(users))))
    return recommender


def scores(recommender, user, n_items=5):
    none_seen = csr_matrix((recommender.n_users, n_items))
    slates = recommender.recommend(np.array([user]), n_items, none_seen, np.random.default_rng(0))
    return slates.scores[0][np.argsort(slates.items[0])]


def test_without_shrinkage_similarity_is_the_cosine_of_the_columns() -> None:
    liked = (np.random.default_rng(0).random((50, 12)) < 0.3).astype(int)
    knn = fitted(ItemKNN, liked, neighbours=12, shrinkage=0)
    cosine = cosine_similarity(liked.T)
    np.fill_diagonal(cosine, 0)
    np.testing.assert_allclose(scores(knn, 3, n_items=12), liked[3] @ cosine, rtol=1e-12)


def test_shrinkage_adds_to_the_denominator() -> None:
    # Items 0 and 1: liked together by two users, alone by four and two.
    knn = fitted(ItemKNN, neighbours=5, shrinkage=3)
    assert scores(knn, 4)[1] == pytest.approx(2 / (np.sqrt(4 * 2) + 3))


def test_only_the_nearest_neighbours_of_an_item_speak_for_it() -> None:
    # Item 2 is nearer to 3 (both of its two) than to 0 (one of four).
    knn = fitted(ItemKNN, neighbours=1, shrinkage=0)
    assert scores(knn, 4)[2] == 0
    assert scores(knn, 2)[2] == pytest.approx(1)


def test_ease_is_the_ridge_regression_of_each_item_on_all_others() -> None:
    liked = (np.random.default_rng(1).random((80, 9)) < 0.35).astype(int)
    ease = fitted(EASE, liked, regularization=5)
    wanted = np.zeros(9)
    for item in range(9):
        others = np.delete(np.arange(9), item)
        model = Ridge(alpha=5, fit_intercept=False).fit(liked[:, others], liked[:, item])
        wanted[item] = liked[4, others] @ model.coef_
    np.testing.assert_allclose(scores(ease, 4, n_items=9), wanted, atol=1e-10)


@pytest.mark.parametrize("found", [ItemKNN, EASE])
def test_a_new_like_changes_a_users_slate_without_a_fit(found) -> None:
    recommender = fitted(found)
    stranger = 5
    recommender.observe(
        Interactions(np.array([stranger]), np.array([3]), np.array([5.0]), np.array([9]))
    )
    assert scores(recommender, stranger).argmax() == 2


@pytest.mark.parametrize("found", [ItemKNN, EASE])
def test_a_dislike_changes_nothing(found) -> None:
    recommender = fitted(found)
    before = scores(recommender, 4)
    recommender.observe(Interactions(np.array([4]), np.array([3]), np.array([2.0]), np.array([9])))
    np.testing.assert_array_equal(scores(recommender, 4), before)


@pytest.mark.parametrize("found", [ItemKNN, EASE])
def test_an_item_nobody_likes_scores_zero(found) -> None:
    assert scores(fitted(found), 0)[4] == 0
