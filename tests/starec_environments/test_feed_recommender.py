"""The recommender of a feed learns from what users do, or is frozen."""

from itertools import pairwise

import numpy as np
import pytest

from starec_sim.types import Action, Decision

from .feeds import RECOMMENDERS, copied, equal_items, same_arrays, watched_in


def recommender_part(environment):
    return {k: v for k, v in copied(environment.state()).items() if k.startswith("recommender/")}


@pytest.mark.parametrize("recommender", RECOMMENDERS)
def test_a_frozen_recommender_never_learns(synthetic, build, play, recommender) -> None:
    environment = build("feed", synthetic, recommender=recommender, refit_every=0)
    before = recommender_part(environment)
    play(environment, range(3))
    assert same_arrays(before, recommender_part(environment))


@pytest.mark.parametrize("recommender", [name for name in RECOMMENDERS if name != "random"])
def test_a_recommender_in_the_loop_learns_every_round(synthetic, build, play, recommender) -> None:
    environment = build("feed", synthetic, recommender=recommender)
    before = recommender_part(environment)
    for round in range(2):
        play(environment, [round])
        after = recommender_part(environment)
        assert not same_arrays(before, after)
        before = after


def test_a_recommender_may_learn_every_third_round_only(synthetic, build, play) -> None:
    environment = build("feed", synthetic, recommender="als", refit_every=3)
    states = [recommender_part(environment)]
    for round in range(6):
        play(environment, [round])
        states.append(recommender_part(environment))
    changed = [not same_arrays(one, two) for one, two in pairwise(states)]
    assert changed == [False, False, True, False, False, True]


def test_the_loop_shows_something_else_than_the_frozen_recommender(synthetic, build, play) -> None:
    loop, frozen = (
        play(build("feed", synthetic, recommender="als", refit_every=every), range(2))
        for every in (1, 0)
    )
    assert loop[0] == frozen[0]
    assert loop[1] != frozen[1]


def test_a_rating_is_learned_as_it_was_given_and_a_watch_without_one_as_such(
    make, build, play
) -> None:
    def decide(user, round, shown):
        stars = {0: 2.0, 1: None}.get(user)
        return Decision(
            actions=tuple(Action(i, "watch" if user < 2 else "skip", stars) for i in shown.slate),
            leave=True,
        )

    environment = build(
        "feed", equal_items(make), recommender="popularity", activity=1.0, page_size=3
    )
    visits = play(environment, [0], decide)[0]
    state = environment.state()
    assert state["done/users"].tolist() == [0, 0, 0, 1, 1, 1]
    assert state["done/items"].tolist() == [*watched_in(visits[0]), *watched_in(visits[1])]
    np.testing.assert_array_equal(state["done/ratings"], [2.0] * 3 + [np.nan] * 3)
    # Popularity counts likes; to watch without a rating is one, two stars are none.
    counts = state["recommender/popularity"]
    assert counts[watched_in(visits[1])].tolist() == [1, 1, 1]
    assert {e.rating for e in visits[0].steps[0].feedback.experiences} == {5.0}
