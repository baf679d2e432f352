"""Who visits a feed, and how visits end."""

import numpy as np
import pytest

from starec_sim.types import Decision

from .feeds import endings, equal_items, skip_all, watch_all

# How visits end


def lengths(make, build, play, stars, decide, **settings):
    dataset = equal_items(make, stars, n_users=300, n_items=120)
    fixed = {"recommender": "popularity", "activity": 1.0, "loyalty": 0.0, "page_size": 5}
    environment = build("feed", dataset, **{**fixed, **settings})
    (visits,) = play(environment, [0], decide)
    return np.array([len(visit.steps) for visit in visits]), endings(visits)


def test_patience_is_spread_from_half_to_one_and_a_half(make, build, play) -> None:
    pages, ended = lengths(make, build, play, 3.0, skip_all, patience=4.0, pages=10)
    assert ended == {"tired"}
    # No item is watched: a page costs a page, so patience 2 to 6 means 2 to 6 pages.
    assert set(pages) <= {2, 3, 4, 5, 6} and {3, 4, 5, 6} <= set(pages)
    assert 4.2 < pages.mean() < 4.8  # of patience 4, rounded up


def test_good_items_give_patience_back_and_bad_ones_cost_more(make, build, play) -> None:
    settings = {"patience": 3.0, "pages": 15, "refresh": 0.1, "annoyance": 0.2}
    good, _ = lengths(make, build, play, 5.0, watch_all, **settings)
    none, _ = lengths(make, build, play, 5.0, skip_all, **settings)
    bad, _ = lengths(make, build, play, 2.0, watch_all, **settings)
    assert (good >= none).all() and (none >= bad).all()
    # Five liked items make a page cost half, five disliked ones make it cost double.
    assert good.mean() == pytest.approx(2 * none.mean(), rel=0.12)
    assert bad.mean() == pytest.approx(none.mean() / 2, rel=0.2)


def test_a_visit_has_no_more_pages_than_it_may(make, build, play) -> None:
    pages, ended = lengths(make, build, play, 5.0, watch_all, patience=100.0, pages=3)
    assert set(pages) == {3} and ended == {"pages"}


def test_a_user_who_decides_to_leave_leaves(make, build, play) -> None:
    def leave(user, round, shown):
        return Decision(actions=skip_all(user, round, shown).actions, leave=True)

    pages, ended = lengths(make, build, play, 5.0, leave, patience=100.0)
    assert set(pages) == {1} and ended == {"left"}


def test_leaving_counts_as_leaving_even_on_the_last_page_and_tired(make, build) -> None:
    environment = build("feed", equal_items(make), patience=0.1, pages=1, activity=1.0)
    environment.begin_round(0)
    shown = environment.observe(0, ())
    decision = Decision(actions=skip_all(0, 0, shown).actions, leave=True)
    assert environment.respond(0, (), shown, decision).ending == "left"
    assert environment.respond(0, (), shown, skip_all(0, 0, shown)).ending == "tired"


# Who visits


@pytest.mark.slow
def test_moods_change_who_visits(make, build, play) -> None:
    def visitors(stars, decide):
        dataset = equal_items(make, stars, n_users=150, n_items=300)
        environment = build("feed", dataset, recommender="popularity", activity=0.5, loyalty=0.4)
        return [len(visits) / 150 for visits in play(environment, range(5), decide)]

    happy, cross, bored = (
        visitors(stars, decide)
        for stars, decide in ((5.0, watch_all), (1.0, watch_all), (5.0, skip_all))
    )
    assert happy[0] == cross[0] == bored[0] == pytest.approx(0.5, abs=0.1)
    assert happy[4] > 0.65 and cross[4] < 0.35
    assert cross[4] < bored[4] < 0.5  # to watch nothing is bad, but not that bad


def test_without_loyalty_moods_change_no_visits(make, build, play) -> None:
    dataset = equal_items(make, 1.0, n_users=50)
    calm = {"activity": 0.7, "loyalty": 0.0, "recommender": "popularity"}
    rounds = [
        [[v.user for v in visits] for visits in play(build("feed", dataset, **calm), range(4), d)]
        for d in (watch_all, skip_all)
    ]
    assert rounds[0] == rounds[1]


def test_the_share_of_visitors_is_reported(synthetic, build, visit, act) -> None:
    environment = build("feed", synthetic, activity=0.6)
    visitors = environment.begin_round(0)
    metrics = environment.end_round([visit(environment, user, 0, act) for user in visitors])
    assert metrics == {"visitors": len(visitors) / len(environment.users)}


def test_a_round_without_visitors_passes(synthetic, build, play) -> None:
    environment = build("feed", synthetic, activity=0.0)
    assert play(environment, range(3)) == [[], [], []]
