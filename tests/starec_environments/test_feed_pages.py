"""What a feed shows on its pages, and what it answers."""

import numpy as np
import pytest

from starec_environments.datasets.synthetic import Synthetic
from starec_sim.tasks import FEED

from .feeds import (
    RECOMMENDERS,
    EqualItems,
    endings,
    equal_items,
    shown_in,
    skip_all,
    watch_all,
    watched_in,
)

# What is shown


def test_pages_are_filled_from_the_recommendations_in_order(synthetic, build) -> None:
    environment = build(
        "feed", synthetic, recommender="popularity", page_size=4, pages=3, activity=1.0
    )
    visitors = environment.begin_round(0)
    assert len(visitors) == len(environment.users)
    popularity = environment.popularity
    for user in visitors:
        shown, steps = [], []
        for page in range(1, 4):
            page_shown = environment.observe(user, steps)
            assert page_shown.task == FEED and page_shown.page == page
            assert list(page_shown.cards) == [environment.cards[item] for item in page_shown.slate]
            shown += page_shown.slate
            steps.append(None)  # a page depends on how many there were, not on what was done
        assert len(set(shown)) == 12
        known = {e.item for e in environment.history(user)}
        assert not known & set(shown)
    assert popularity.sum() == environment.describe()["known interactions"]


@pytest.mark.parametrize("recommender", RECOMMENDERS)
def test_a_user_is_never_shown_what_she_consumed(synthetic, build, play, recommender) -> None:
    environment = build("feed", synthetic, recommender=recommender, rest=1)
    consumed = {
        user: {e.item for e in environment.history(user)} for user in range(len(environment.users))
    }
    for visits in play(environment, range(4)):
        for visit in visits:
            assert not consumed[visit.user] & set(shown_in(visit))
            assert len(set(shown_in(visit))) == len(shown_in(visit))
        for visit in visits:
            consumed[visit.user] |= set(watched_in(visit))


@pytest.mark.parametrize("rest", [0, 1, 3])
def test_a_skipped_item_rests_as_long_as_it_should_and_then_comes_back(
    make, build, play, rest
) -> None:
    environment = build(
        "feed",
        equal_items(make),
        recommender="popularity",
        rest=rest,
        page_size=4,
        pages=2,
        activity=1.0,
        loyalty=0.0,
        refit_every=0,
    )
    rounds = play(environment, range(rest + 2), skip_all)
    slates = [shown_in(visits[0]) for visits in rounds]
    for slate in slates[1 : rest + 1]:
        assert not set(slates[0]) & set(slate)
    assert slates[rest + 1] == slates[0]


def test_skipped_items_come_back_early_rather_than_leave_a_page_empty(make, build, play) -> None:
    # 20 items are left, 8 a visit: the third visit has to take some from the first.
    environment = build(
        "feed",
        equal_items(make, n_items=30),
        recommender="popularity",
        warm=1.0,
        rest=20,
        page_size=4,
        pages=2,
        patience=100.0,
        activity=1.0,
        loyalty=0.0,
        refit_every=0,
    )
    first, second, third, fourth = (
        shown_in(visits[0]) for visits in play(environment, range(4), skip_all)
    )
    assert not set(first) & set(second)
    assert len(third) == len(fourth) == 8
    assert not set(third) & set(second)  # the oldest comes back first
    assert set(third) & set(first)


def test_the_last_page_may_be_short_and_the_visit_ends_with_it(make, build, play) -> None:
    dataset = equal_items(make, n_items=17)  # seven items are new
    settings = {"page_size": 4, "patience": 100.0, "activity": 1.0, "warm": 1.0}
    environment = build("feed", dataset, recommender="popularity", **settings)
    first, second = play(environment, range(2), watch_all)
    assert [len(step.observation.slate) for step in first[0].steps] == [4, 3]
    assert endings(first) == {"pages"}
    assert second == []  # the catalogue has run out, and no user visits


def test_a_user_for_whom_the_catalogue_has_run_out_does_not_visit(make, build) -> None:
    rows = [(0, item, 5.0) for item in range(12)] + [(1, item, 5.0) for item in range(10)]
    dataset = make(rows, 12, world=EqualItems())
    environment = build("feed", dataset, recommender="popularity", warm=1.0, activity=1.0)
    assert list(environment.begin_round(0)) == [1]
    assert set(environment.observe(1, ()).slate) == {10, 11}


# What is answered


def test_what_was_watched_is_revealed_in_order_and_nothing_else(synthetic, build, play) -> None:
    environment = build("feed", synthetic)
    for visits in play(environment, range(2)):
        for visit in visits:
            for step in visit.steps:
                watched = [a.item for a in step.decision.actions if a.done]
                assert [e.item for e in step.feedback.experiences] == watched
                assert step.feedback.target is None
                rate = step.feedback.reward["engagement"]
                assert rate == len(watched) / len(step.observation.slate)


def test_the_truth_of_a_generated_dataset_is_its_world(synthetic, build, play) -> None:
    environment = build("feed", synthetic)
    assert (
        environment.describe()["truth"] == "world" and environment.describe()["hidden ratings"] == 0
    )
    assert {e.source for e in environment.history(0)} == {"world"}
    for visit in play(environment, [0])[0]:
        row = int(environment.users[visit.user].id[1:]) - 1
        for step in visit.steps:
            for e in step.feedback.experiences:
                stars = synthetic.world.ratings(row, np.array([e.item]), 0)[0]
                assert e.rating == round(stars) and e.source == "world"


def test_with_real_data_a_rating_given_later_is_the_truth_and_a_model_fills_the_rest(
    rated, build, play
) -> None:
    environment = build("feed", rated, recommender="popularity", warm=0.5, activity=1.0)
    log = {
        (int(u), int(i)): r
        for u, i, r in zip(rated.log.users, rated.log.items, rated.log.ratings, strict=True)
    }
    known = {(user, e.item) for user in range(60) for e in environment.history(user)}
    assert {e.source for e in environment.history(0)} == {"logged"}
    assert environment.describe()["known interactions"] == len(known)
    assert environment.describe()["hidden ratings"] == len(log) - len(known)
    experienced = [
        (visit.user, e)
        for visit in play(environment, [0], watch_all)[0]
        for step in visit.steps
        for e in step.feedback.experiences
    ]
    assert {e.source for _, e in experienced} == {"logged", "model"}
    for user, e in experienced:
        assert (e.source == "logged") == ((user, e.item) in log)
        assert e.rating == log.get((user, e.item), e.rating)
        assert e.rating in {1.0, 2.0, 3.0, 4.0, 5.0}


def test_a_changed_taste_is_felt_in_the_round_in_which_it_changes(build) -> None:
    def truth(drift):
        config = Synthetic.Config(users=30, items=150, interactions=20.0, drift=drift, noise=0.0)
        environment = build(
            "feed", Synthetic(config).load(), activity=1.0, recommender="popularity"
        )
        ratings = []
        for round in range(3):
            environment.begin_round(round)
            shown = environment.observe(0, ())
            feedback = environment.respond(0, (), shown, watch_all(0, 0, shown))
            ratings.append([e.rating for e in feedback.experiences])
        return ratings

    steady, turned = truth({}), truth({"at_round": 2})
    assert steady[0] == steady[1] == steady[2] == turned[0] == turned[1] != turned[2]


@pytest.mark.parametrize(
    ("stars", "delight"), [(5.0, 1.0), (4.0, 0.5), (3.0, 0.0), (1.0, -1.0), (0.5, -1.0)]
)
def test_satisfaction_as_a_reward_goes_from_minus_one_to_one(make, build, stars, delight) -> None:
    environment = build("feed", equal_items(make, stars), recommender="popularity", activity=1.0)
    environment.begin_round(0)
    shown = environment.observe(0, ())
    reward = environment.respond(0, (), shown, watch_all(0, 0, shown)).reward
    assert reward == {"engagement": 1.0, "satisfaction": delight}
    reward = environment.respond(0, (), shown, skip_all(0, 0, shown)).reward
    assert reward == {"engagement": 0.0, "satisfaction": 0.0}
