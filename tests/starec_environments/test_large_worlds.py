"""No array of (users, items) is made, at sizes where one would be seen."""

import tracemalloc

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from starec_environments.datasets import world
from starec_environments.datasets.world import Tastes
from starec_environments.feed import FeedEnvironment
from starec_environments.recommenders.neighbours import EASE
from starec_sim.dataset import Dataset, Interactions
from starec_sim.errors import DataError
from starec_sim.plugins import load
from starec_sim.progress import progress_listener
from starec_sim.rng import Streams
from starec_sim.types import Action, Decision, Item, Step, User, Verdict, Visit

EACH = 3
"""Interactions of a user."""


class Parity:
    """A world in which odd items are liked."""

    source = "world"

    def ratings(self, user, items, round):
        return 2.0 + 2.0 * (items % 2)


def large_dataset(n_users, n_items):
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(n_users), EACH)
    items = rng.integers(0, n_items, n_users * EACH)
    return Dataset(
        "large",
        tuple(User(f"u{n}") for n in range(n_users)),
        tuple(Item(f"i{n}", f"Title {n}") for n in range(n_items)),
        Interactions(users, items, np.full(len(users), 4.0), np.arange(len(users))),
        Parity(),
    )


def play_a_round(environment):
    """Play the visits of a round, in which the first item of each page is watched."""
    visits = []
    for user in environment.begin_round(0):
        shown = environment.observe(user, ())
        first = shown.slate[0]
        decision = Decision(
            actions=tuple(Action(i, *(("watch", 4.0) if i == first else ())) for i in shown.slate)
        )
        answer = environment.respond(user, (), shown, decision)
        memory = None
        visits.append(
            Visit(user, 0, (Step(shown, decision, answer, Verdict(False, ""), (), memory),))
        )
    environment.end_round(visits)
    return visits


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recommender", "users", "items", "most_bytes"),
    [
        ("popularity", 100_000, 50_000, 100e6),  # one byte for each pair is 5 GB
        ("item-knn", 20_000, 2_000, 80e6),  # two bytes; with 50,000 items a fit takes minutes
    ],
)
def test_a_round_of_many_users_makes_no_array_of_users_and_items(
    recommender, users, items, most_bytes
):
    dataset = large_dataset(users, items)
    tracemalloc.start()
    try:
        config = FeedEnvironment.Config(
            recommender={"use": recommender}, min_interactions=1, activity=0.01, pages=1
        )
        visits = play_a_round(FeedEnvironment(config, dataset, Streams(0)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert visits
    assert peak < most_bytes


def test_the_tastes_of_the_first_users_are_kept_and_those_of_others_are_drawn_again(monkeypatch):
    monkeypatch.setattr(world, "KEPT_BYTES", 6 * 2 * 10)  # two weights of six users
    asked = []

    def draw(user):
        asked.append(user)
        return np.array([0.0, user + 1, 0.0, -2.0]) if user % 2 else np.array([user + 1, 0, 0, 0.5])

    tastes = Tastes(draw, n_users=9, n_values=4, n_weights=2)
    first = [tastes.of(user).tolist() for user in (5, 0, 7)]
    again = [tastes.of(user).tolist() for user in (5, 0, 7)]
    assert first == again == [[0.0, 6.0, 0.0, -2.0], [1.0, 0.0, 0.0, 0.5], [0.0, 8.0, 0.0, -2.0]]
    assert asked == [5, 0, 7, 7]


def test_ease_refuses_a_catalogue_whose_weights_do_not_fit():
    recommender = EASE(EASE.Config(most_items=4), n_users=6, n_items=6, seed=0)
    log = Interactions(np.arange(6), np.arange(6), np.full(6, 5.0), np.arange(6))
    with pytest.raises(DataError, match="a weight for each pair of items: a fit on 6 items"):
        recommender.fit(log)


def test_ease_keeps_no_weights_of_items_without_likes():
    """An array for all pairs of these items would have 20 GB."""
    tracemalloc.start()
    try:
        recommender = EASE(EASE.Config(), n_users=3, n_items=50_000, seed=0)
        log = Interactions(np.arange(3), np.array([7, 9, 40_000]), np.full(3, 5.0), np.arange(3))
        recommender.fit(log)
        recommender.observe(log._replace(items=np.array([9, 7, 11])))
        scores = recommender.score(np.arange(3), np.tile([7, 9, 11, 40_000], (3, 1)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20e6
    assert not scores.any()  # no two items are liked by one user of the fit


def test_recommending_to_many_users_reports_its_progress():
    found = load("recommenders", "popularity")
    recommender = found(found.Config(), n_users=50, n_items=2**16, seed=0)
    seen = csr_matrix((50, 2**16), dtype=np.float32)
    told = []
    with progress_listener(lambda *each: told.append(each)):
        recommender.recommend(np.arange(50), 3, seen, np.random.default_rng(0))
    assert told[0] == ("recommending, user", 16, 50)
    assert told[-1] == ("recommending, user", 50, 50)
