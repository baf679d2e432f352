"""The stand-in for the truth of real data."""

from dataclasses import replace

import numpy as np
import pytest

from starec_environments.truth import FittedWorld, Truth
from starec_sim.dataset import Interactions
from starec_sim.errors import DataError


@pytest.fixture(scope="module")
def halves(rated):
    """The rated dataset with every fifth rating held out, and those ratings."""
    out = np.arange(len(rated.log.users)) % 5 == 0
    return replace(rated, log=rated.log.where(~out)), rated.log.where(out)


def squared(predicted, held_out):
    return float(np.mean((np.array(predicted) - held_out.ratings) ** 2))


def test_it_predicts_held_out_ratings_better_than_the_users_mean(halves) -> None:
    dataset, held_out = halves
    world = FittedWorld(dataset)
    pairs = list(zip(held_out.users.tolist(), held_out.items, strict=True))
    predicted = [world.ratings(user, np.array([item]), 0)[0] for user, item in pairs]
    log = dataset.log
    means = [log.ratings[log.users == user].mean() for user, _ in pairs]
    assert squared(predicted, held_out) < squared(means, held_out)


def test_it_is_the_same_every_time_and_in_every_round(rated) -> None:
    one, two = FittedWorld(rated), FittedWorld(rated)
    items = np.arange(50)
    for user in range(60):
        stars = one.ratings(user, items, 0)
        np.testing.assert_array_equal(stars, two.ratings(user, items, 7))
        np.testing.assert_array_equal(stars[[3, 40]], one.ratings(user, items[[3, 40]], 0))
        assert ((stars >= 1) & (stars <= 5)).all()


def test_a_user_without_ratings_is_told_how_an_item_is_liked_in_general(make) -> None:
    rows = [(user, item, 5.0 if item < 3 else 1.0) for user in range(30) for item in range(6)]
    stars = FittedWorld(make(rows, 7, n_users=31)).ratings(30, np.arange(7), 0)
    assert (stars[:3] > 4.0).all() and (stars[3:6] < 2.0).all()
    assert stars[6] == pytest.approx(3.0)  # nobody rated it: the mean of all


@pytest.mark.parametrize(
    ("n_users", "n_items"), [(1, 1), (1, 12), (12, 1), (2, 2), (2, 9), (3, 40), (40, 3)]
)
def test_tiny_data_will_do(make, n_users, n_items) -> None:
    rows = [(u, i, float(1 + (u * 3 + i) % 5)) for u in range(n_users) for i in range(n_items)]
    world = FittedWorld(make(rows, n_items))
    for user in range(n_users):
        stars = world.ratings(user, np.arange(n_items), 0)
        assert stars.shape == (n_items,) and ((stars >= 1) & (stars <= 5)).all()


def test_ratings_that_are_all_equal_are_predicted_as_such(make) -> None:
    rows = [(user, item, 4.0) for user in range(8) for item in range(8)]
    assert FittedWorld(make(rows, 8)).ratings(0, np.arange(8), 0).tolist() == [4.0] * 8


def test_interactions_without_a_rating_say_nothing(make) -> None:
    rows = [(user, item, float(1 + (user + item) % 5)) for user in range(9) for item in range(9)]
    unrated = [(user, 9, np.nan) for user in range(9)]
    with_them, without = (FittedWorld(make(log, 10)) for log in (rows + unrated, rows))
    for user in range(9):
        np.testing.assert_allclose(
            with_them.ratings(user, np.arange(10), 0), without.ratings(user, np.arange(10), 0)
        )


def test_no_ratings_at_all_are_an_error(make) -> None:
    with pytest.raises(DataError, match="made up holds no ratings") as error:
        FittedWorld(make([(0, 0, np.nan), (0, 1, np.nan)], 2))
    assert "ranking" in error.value.hint


def test_a_logged_rating_comes_before_the_models(rated) -> None:
    rows = np.array([7, 3])  # two of the users take part, in this order
    hidden = Interactions(
        *(np.array(c) for c in ([0, 1, 1], [5, 5, 6], [4.5, 1.0, np.nan], [0] * 3))
    )
    truth = Truth(rated, rows, hidden)
    model = FittedWorld(rated)
    assert truth.n_logged == 2 and truth.source == "model"
    stars, logged = truth.of(0, np.array([5, 6]), 0)
    assert logged.tolist() == [True, False]
    assert stars.tolist() == [4.5, np.rint(model.ratings(7, np.array([6]), 0)[0])]
    stars, logged = truth.of(1, np.array([6, 5]), 0)
    assert logged.tolist() == [False, True]
    assert stars.tolist() == [np.rint(model.ratings(3, np.array([6]), 0)[0]), 1.0]


def test_a_generated_world_knows_better_than_its_log(synthetic) -> None:
    truth = Truth(synthetic, np.arange(40), synthetic.log)
    assert truth.source == "world" and truth.n_logged == 0
    stars, logged = truth.of(4, np.arange(30), 0)
    assert not logged.any()
    np.testing.assert_array_equal(stars, np.rint(synthetic.world.ratings(4, np.arange(30), 0)))
