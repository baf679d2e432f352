"""Ranking: replayed choices among negatives."""

from collections import Counter
from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from starec_environments.ranking import RankingEnvironment
from starec_sim.dataset import Interactions
from starec_sim.errors import ConfigError, DataError
from starec_sim.rng import Streams
from starec_sim.tasks import RANKING
from starec_sim.types import LIKED_ABOVE, Decision

N_ITEMS = 40


@pytest.fixture
def data(make):
    """Six users, twelve items each; every second rating is a like."""
    rng = np.random.default_rng(2)
    seen = [rng.permutation(N_ITEMS)[:12].tolist() for _ in range(6)]
    rows = [
        (user, seen[user][nth], 5.0 if nth % 2 else 2.0) for nth in range(12) for user in range(6)
    ]
    return make(rows, N_ITEMS)


def small(build, dataset, seed=0, **changes):
    return build("ranking", dataset, seed, **{"candidates": 5, "choices": 3, **changes})


def logged(dataset, user):
    return dataset.log.where(dataset.log.users == user)


def ranked(*items, read=None):
    return Decision(ranking=items, read=len(items) if read is None else read)


@settings(max_examples=60, deadline=None)
@given(
    log_seed=st.integers(0, 1000),
    seed=st.integers(0, 2**40),
    candidates=st.integers(2, 12),
    choices=st.integers(1, 4),
    draw=st.integers(0, 3),
)
def test_a_slate_is_the_choice_once_among_items_the_user_never_touched(
    make, build, log_seed, seed, candidates, choices, draw
) -> None:
    rng = np.random.default_rng(log_seed)
    seen = [rng.permutation(N_ITEMS)[: rng.integers(10, 25)] for _ in range(5)]
    rows = [
        (user, int(item), float(rng.integers(1, 6)))
        for user, items in enumerate(seen)
        for item in items
    ] + [(5, item, 4.0) for item in range(12)]
    world = build(
        "ranking", make(rows, N_ITEMS), seed, candidates=candidates, choices=choices, draw=draw
    )
    for round in range(choices):
        for user in world.begin_round(round):
            shown = world.observe(user, ())
            target = world.respond(user, (), shown, ranked(*shown.slate)).target
            touched = {i for u, i, _ in rows if f"u{u}" == world.users[user].id}
            assert len(set(shown.slate)) == len(shown.slate) == candidates
            assert set(shown.slate) & touched == {target}
            assert shown.task == RANKING and shown.page == 1
            assert list(shown.cards) == [world.cards[item] for item in shown.slate]


def test_the_choice_stands_in_every_place_equally_often_and_so_does_every_negative(make, build):
    rows = [(user, (user + nth) % N_ITEMS, 5.0) for nth in range(11) for user in range(400)]
    world = small(build, make(rows, N_ITEMS), candidates=5, choices=5)
    places, negatives = Counter(), Counter()
    for round in range(5):
        for user in world.begin_round(round):
            slate = world.observe(user, ()).slate
            target = (user + 6 + round) % N_ITEMS
            places[slate.index(target)] += 1
            negatives.update((item - user) % N_ITEMS for item in slate if item != target)
    assert sorted(places) == list(range(5))
    # Both bounds are five standard deviations of a fair draw.
    assert all(abs(count - 400) < 90 for count in places.values())
    assert sorted(negatives) == list(range(11, N_ITEMS))
    assert all(abs(count - 2000 * 4 / 29) < 83 for count in negatives.values())


def test_what_a_user_remembers_and_then_experiences_is_her_log_in_order_of_time(
    data, build, play
) -> None:
    world = small(build, data, choices=4)
    rounds = play(world, range(4))
    for user in range(6):
        log = logged(data, user)
        experienced = list(world.history(user))
        assert [e.item for e in experienced] == log.items[:5].tolist()  # then four likes
        for visits in rounds:
            feedback = visits[user].steps[0].feedback
            experienced += feedback.experiences
            assert feedback.experiences[-1].item == feedback.target
            assert feedback.experiences[-1].liked
        assert [e.item for e in experienced] == log.items.tolist()
        assert [e.rating for e in experienced] == log.ratings.tolist()
        assert {e.source for e in experienced} == {"logged"}


def test_only_the_last_interactions_count_and_all_that_was_touched_stays_out_of_the_negatives(
    data, build
) -> None:
    world = small(build, data, sequence=6, choices=2, candidates=29)
    world.begin_round(0)
    for user in range(6):
        log = logged(data, user)
        assert [e.item for e in world.history(user)] == log.items[6:9].tolist()
        assert set(world.observe(user, ()).slate) & set(log.items.tolist()) == {int(log.items[9])}


def test_everybody_makes_one_choice_a_round_until_the_choices_are_used_up(data, build) -> None:
    world = small(build, data)
    assert [list(world.begin_round(round)) for round in range(4)] == [list(range(6))] * 3 + [[]]


def test_a_visit_ends_with_its_only_step_and_what_was_done_changes_nothing(
    data, build, play
) -> None:
    world = small(build, data)
    (visits,) = play(world, [0])
    assert {v.steps[-1].feedback.ending for v in visits} == {"done"}
    assert world.end_round(visits) == {} and world.state() == {}


def test_observing_and_responding_depend_on_nothing_but_round_and_user(data, build, act) -> None:
    world, calm = small(build, data), small(build, data)
    for round in range(3):
        world.begin_round(round)
        calm.begin_round(round)
        order = np.random.default_rng(round).permutation(np.repeat(np.arange(6), 3)).tolist()
        for user in order:
            shown = world.observe(user, ())
            feedback = world.respond(user, (), shown, act(user, round, shown))
            alone = small(build, data)
            alone.begin_round(round)
            assert alone.observe(user, ()) == shown == calm.observe(user, ())
            assert alone.respond(user, (), shown, act(user, round, shown)) == feedback


def test_a_seed_is_a_world_and_another_seed_another(data, build) -> None:
    def slates(seed, **changes):
        world = small(build, data, seed, **changes)
        world.begin_round(0)
        return [world.observe(user, ()).slate for user in range(6)]

    assert slates(3) == slates(3)
    assert slates(3) != slates(4)
    assert slates(3) != slates(3, draw=1)


def test_another_draw_has_other_negatives_and_the_same_choices(data, build, play) -> None:
    first, second = (play(small(build, data, draw=draw), range(3)) for draw in (0, 1))
    for one, two in zip(chain(*first), chain(*second), strict=True):
        assert one.steps[0].feedback.target == two.steps[0].feedback.target
        assert set(one.steps[0].observation.slate) != set(two.steps[0].observation.slate)


def test_many_decisions_for_one_state_get_many_feedbacks(data, build) -> None:
    world = small(build, data)
    world.begin_round(1)
    shown = world.observe(2, ())
    target = world.respond(2, (), shown, ranked(*shown.slate)).target
    others = [item for item in shown.slate if item != target]
    group = [
        world.respond(2, (), shown, ranked(*others[:place], target, *others[place:]))
        for place in range(5)
    ]
    assert [feedback.reward["tier"] for feedback in group] == [1.0, 0.5, 0.0, -0.5, -0.5]
    gains = [feedback.reward["ndcg"] for feedback in group]
    assert gains == pytest.approx([1.0, 0.63093, 0.5, 0.43068, 0.38685], abs=1e-5)
    assert len({feedback.experiences for feedback in group}) == 1


def test_a_choice_that_was_not_read_from_the_answer_earns_nothing(data, build) -> None:
    world = small(build, data)
    world.begin_round(0)
    shown = world.observe(0, ())
    target = world.respond(0, (), shown, ranked(*shown.slate)).target
    others = [item for item in shown.slate if item != target]
    feedback = world.respond(0, (), shown, ranked(*others, target, read=4))
    assert feedback.reward == {"tier": -1.0, "ndcg": 0.0}


@pytest.mark.parametrize("rounds", [1, 2])
def test_a_restored_world_goes_on_like_the_one_that_was_not_interrupted(
    data, build, play, through_a_file, rounds
) -> None:
    whole = small(build, data, signals=["popularity", "rating", "together"])
    expected = play(whole, range(3))
    first = small(build, data, signals=["popularity", "rating", "together"])
    play(first, range(rounds))
    second = small(build, data, signals=["popularity", "rating", "together"])
    second.restore(through_a_file(first.state()))
    assert play(second, range(rounds, 3)) == expected[rounds:]


def test_only_the_informed_see_signals_and_stay_informed(data, build) -> None:
    told = {"signals": ["popularity", "rating", "together"], "candidates": 10}
    everybody, some = small(build, data, **told), small(build, data, **told, informed=0.5)
    informed = []
    for round in range(3):
        everybody.begin_round(round), some.begin_round(round)
        seen = set()
        for user in range(len(some.users)):
            full, shown = everybody.observe(user, ()), some.observe(user, ())
            bare = tuple(some.cards[item] for item in shown.slate)
            assert shown.slate == full.slate
            assert full.cards != bare
            assert shown.cards in (full.cards, bare)
            if shown.cards == full.cards:
                seen.add(user)
        informed.append(seen)
    assert informed[0] == informed[1] == informed[2]
    assert 0 < len(informed[0]) < len(some.users)
    assert some.describe()["users with signals"] == len(informed[0])
    assert "users with signals" not in everybody.describe()


def test_everyone_who_is_left_out_is_counted_with_the_reason(make, build) -> None:
    rows = [(0, item, 5.0) for item in range(9)]  # nine interactions
    rows += [(1, item, 5.0 if item < 2 else 1.0) for item in range(10)]  # two likes
    rows += [(2, item, 1.0 if item < 7 else 5.0) for item in range(3, 13)]  # likes come late
    rows += [(3, item, 5.0 if item < 13 else 1.0) for item in range(10, 20)]  # likes come first
    rows += [(user, item, 5.0) for user in (4, 5, 6) for item in range(10)]
    world = small(build, make(rows, N_ITEMS, n_users=8), users=2)
    assert world.describe()["left out"] == {
        "too few interactions": 2,  # user 7 did nothing at all
        "too few likes": 1,
        "nothing before the first choice": 1,
        "not sampled": 2,
    }
    assert world.describe()["users"] == len(world.users) == 2


def test_a_sample_of_users_is_the_same_for_the_same_seed(make, build) -> None:
    dataset = make([(user, item, 5.0) for item in range(12) for user in range(50)], N_ITEMS)

    def sample(seed):
        return [user.id for user in small(build, dataset, seed, users=7).users]

    assert sample(1) == sample(1) != sample(2)
    assert len(set(sample(1))) == 7
    assert sample(1) == sorted(sample(1), key=lambda id: int(id[1:]))
    assert len(small(build, dataset, users=500).users) == 50


def test_popularity_counts_what_came_before_the_first_choice_and_no_more(make, build) -> None:
    rows = [(0, item, 5.0) for item in range(12)] + [(1, 0, 5.0), (1, 11, 1.0)]
    world = small(build, make(rows, N_ITEMS), choices=2)
    # User 1 takes no part: all that she did may be known.
    assert world.popularity.tolist() == [2] + [1] * 9 + [0, 1] + [0] * (N_ITEMS - 12)
    assert world.describe()["training interactions"] == 12


def test_interactions_without_a_rating_count_as_likes(make, build, play) -> None:
    rows = [(user, item, np.nan) for item in range(12) for user in range(3)]
    world = small(build, make(rows, N_ITEMS), choices=4)
    assert {(e.rating, e.liked) for e in world.history(0)} == {(4.0, True)}
    targets = [visits[0].steps[0].feedback.target for visits in play(world, range(4))]
    assert targets == [8, 9, 10, 11]


def test_shipped_candidates_are_shown_without_what_the_user_touched(make, build) -> None:
    rows = [(user, item, np.nan) for item in range(10) for user in (0, 2)]
    candidates = {0: (9, 20, 3, 21, 20, 22), 2: (30, 31, 32), 1: (1, 2)}
    dataset = make(rows, N_ITEMS, n_users=3, candidates=candidates)
    world = small(build, dataset, choices=1, candidates=4, negatives="shipped")
    assert world.describe()["shipped candidates dropped"] == 2
    world.begin_round(0)
    assert set(world.observe(0, ()).slate) == {9, 20, 21, 22}
    assert set(world.observe(1, ()).slate) == {9, 30, 31, 32}


def test_a_shipped_list_that_is_too_short_is_refused_before_anything_starts(make, build) -> None:
    rows = [(0, item, np.nan) for item in range(10)]
    dataset = make(rows, N_ITEMS, candidates={0: (0, 1, 20, 21, 22)})
    small(build, dataset, choices=1, candidates=4, negatives="shipped")
    with pytest.raises(DataError, match=r"user u0 holds 3 items that she never touched, not the 4"):
        small(build, dataset, choices=1, candidates=5, negatives="shipped")


def test_shipped_candidates_must_be_shipped(data, build) -> None:
    with pytest.raises(DataError, match="ships no candidate lists") as error:
        small(build, data, negatives="shipped")
    assert "negatives: uniform" in error.value.hint


def test_a_catalogue_that_leaves_exactly_enough_negatives_will_do(make, build) -> None:
    dataset = make([(0, item, 5.0) for item in range(10)], 14)
    world = small(build, dataset, candidates=5)
    world.begin_round(0)
    assert set(world.observe(0, ()).slate) == {7, 10, 11, 12, 13}
    with pytest.raises(DataError, match="touched 10 of 14 items, which leaves too few") as error:
        small(build, dataset, candidates=6)
    assert "candidates" in error.value.hint


def test_a_dataset_without_enough_likes_is_refused(data, build) -> None:
    with pytest.raises(DataError, match="no user of made up has 10 interactions") as error:
        small(build, data, choices=7)
    assert "choices" in error.value.hint


def test_settings_that_leave_nothing_before_the_first_choice_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"choices \(8\) must be fewer than sequence \(8\)"):
        RankingEnvironment.Config(choices=8, sequence=8)


@pytest.mark.parametrize(
    "wrong",
    [
        {"candidates": 1},
        {"choices": 0},
        {"negatives": "popular"},
        {"signals": ["fame"]},
        {"informed": 1.5, "signals": ["rating"]},
    ],
)
def test_an_impossible_setting_is_named(data, build, wrong) -> None:
    with pytest.raises(ConfigError, match=f"environment.{next(iter(wrong))}"):
        build("ranking", data, **wrong)


def test_who_is_informed_of_nothing_is_asked_about() -> None:
    with pytest.raises(ValidationError, match="`signals` names none"):
        RankingEnvironment.Config(informed=0.5)


def test_the_defaults_are_the_protocol_starec_20() -> None:
    config = RankingEnvironment.Config()
    assert (config.candidates, config.sequence, config.min_interactions) == (20, 40, 10)
    assert LIKED_ABOVE == 3.0


def test_an_environment_of_its_own_needs_no_experiment(data) -> None:
    config = RankingEnvironment.Config(candidates=3, choices=1)
    world = RankingEnvironment(config, data, Streams(0))
    world.begin_round(0)
    assert len(world.observe(0, ()).slate) == 3


def test_an_empty_log_has_nobody(make, build) -> None:
    dataset = make([(0, 0, 5.0)], N_ITEMS)
    empty = type(dataset)("empty", dataset.users, dataset.items, Interactions.empty())
    with pytest.raises(DataError, match="no user of empty"):
        small(build, empty)
