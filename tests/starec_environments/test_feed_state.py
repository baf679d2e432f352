"""A feed does not change within a round; a restored feed goes on as the saved one."""

import numpy as np
import pytest

from starec_environments.datasets.synthetic import Synthetic
from starec_sim.types import Action, Decision

from .feeds import RECOMMENDERS, copied, same_arrays


def test_observing_and_responding_change_nothing(synthetic, build, play, visit, act) -> None:
    environment = build("feed", synthetic, signals=["popularity", "rating", "together"])
    play(environment, range(2))
    visitors = environment.begin_round(2)
    before = copied(environment.state())
    visits = {user: visit(environment, user, 2, act) for user in visitors}
    assert same_arrays(before, environment.state())
    order = np.random.default_rng(0).permutation([*visitors, *visitors]).tolist()
    for user in order:
        assert visit(environment, user, 2, act) == visits[user]
    assert same_arrays(before, environment.state())


def test_a_round_that_is_begun_again_is_the_same(synthetic, build, play, visit, act) -> None:
    environment = build("feed", synthetic, recommender="random")
    play(environment, [0])
    first = {user: visit(environment, user, 1, act) for user in environment.begin_round(1)}
    assert {user: visit(environment, user, 1, act) for user in environment.begin_round(1)} == first


def test_many_decisions_for_one_state_get_many_feedbacks_and_one_is_committed(
    synthetic, build, visit, act
) -> None:
    environment, other = (build("feed", synthetic, activity=1.0) for _ in range(2))
    for each in (environment, other):
        each.begin_round(0)
    shown = environment.observe(0, ())
    group = [
        environment.respond(
            0,
            (),
            shown,
            Decision(
                actions=tuple(Action(i, "watch" if i in some else "skip") for i in shown.slate)
            ),
        )
        for some in (set(shown.slate[:n]) for n in range(len(shown.slate) + 1))
    ]
    assert [len(feedback.experiences) for feedback in group] == [*range(len(shown.slate) + 1)]
    for each in (environment, other):
        each.end_round([visit(each, 0, 0, act)])
    assert same_arrays(environment.state(), other.state())


def test_a_seed_gives_one_feed_and_another_seed_another(synthetic, build, play) -> None:
    one, same, other = (play(build("feed", synthetic, seed), range(2)) for seed in (1, 1, 2))
    assert one == same != other


def test_a_state_does_not_change_after_it_was_taken(synthetic, build, play) -> None:
    environment = build("feed", synthetic)
    play(environment, range(2))
    state = environment.state()
    before = copied(state)
    play(environment, [2, 3])
    assert same_arrays(before, state)


@pytest.fixture(scope="module")
def few():
    return Synthetic(Synthetic.Config(users=12, items=80, interactions=15.0)).load()


# With 3 there are rounds with a fit and rounds without one: each recommender goes through both.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("recommender", "refit_every"),
    [*((name, 3) for name in RECOMMENDERS), ("item-knn", 0), ("item-knn", 1)],
)
def test_a_restored_feed_goes_on_like_one_that_was_not_interrupted(
    few, build, play, through_a_file, recommender, refit_every
) -> None:
    settings = {
        "recommender": recommender if recommender != "bpr" else {"use": "bpr", "iterations": 3},
        "refit_every": refit_every,
        "rest": 2,
        "signals": ["popularity", "rating", "together"],
    }
    whole = build("feed", few, **settings)
    history = [whole.history(user) for user in range(len(whole.users))]
    for round in range(4):
        restored = build("feed", few, **settings)
        restored.restore(through_a_file(whole.state()))
        (expected,) = play(whole, [round])
        assert play(restored, [round]) == [expected]
        assert same_arrays(restored.state(), whole.state())
        assert [restored.history(user) for user in range(len(restored.users))] == history


def test_a_feed_can_be_set_back_to_an_earlier_state(synthetic, build, play, through_a_file) -> None:
    environment = build("feed", synthetic)
    play(environment, [0])
    saved = through_a_file(environment.state())
    (later,) = play(environment, [1])
    play(environment, [2])
    environment.restore(saved)
    assert play(environment, [1]) == [later]
