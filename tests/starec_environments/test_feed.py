"""The feed: pages, fatigue, moods, and a recommender that learns or does not."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

from starec_environments.datasets.synthetic import Synthetic
from starec_environments.feed import FeedEnvironment
from starec_sim.errors import ConfigError, DataError, PluginError
from starec_sim.types import Action, Decision

RECOMMENDERS = ["als", "bpr", "ease", "item-knn", "popularity", "random"]


@dataclass(frozen=True)
class Everything:
    """A world in which an item is what its number says, for everybody."""

    stars: float = 5.0
    source = "world"

    def ratings(self, user, items, round):
        return np.full(len(items), self.stars)


def watch_all(user, round, shown):
    return Decision(actions=tuple(Action(item, True, 5.0) for item in shown.slate))


def skip_all(user, round, shown):
    return Decision(actions=tuple(Action(item, False) for item in shown.slate))


def shown_in(visit):
    return [item for step in visit.steps for item in step.observation.slate]


def watched_in(visit):
    return [a.item for step in visit.steps for a in step.decision.actions if a.watched]


def endings(visits):
    return {visit.steps[-1].feedback.ending for visit in visits}


def same_arrays(one, two):
    return one.keys() == two.keys() and all(np.array_equal(one[k], two[k], True) for k in one)


def copied(state):
    return {name: array.copy() for name, array in state.items()}


def stream_of(make, stars=5.0, n_users=4, n_items=60):
    """A world of one opinion: everybody knows the first ten items."""
    rows = [(user, item, stars) for item in range(10) for user in range(n_users)]
    return make(rows, n_items, world=Everything(stars))


# --- what is shown -------------------------------------------------------------------------------


def test_pages_are_filled_from_the_recommendations_in_order(synthetic, build) -> None:
    world = build("feed", synthetic, recommender="popularity", page_size=4, pages=3, activity=1.0)
    visitors = world.begin_round(0)
    assert len(visitors) == len(world.users)
    popularity = world.popularity
    for user in visitors:
        shown, steps = [], []
        for page in range(1, 4):
            page_shown = world.observe(user, steps)
            assert page_shown.task == "feed" and page_shown.page == page
            assert list(page_shown.cards) == [world.cards[item] for item in page_shown.slate]
            shown += page_shown.slate
            steps.append(None)  # a page depends on how many there were, not on what was done
        assert len(set(shown)) == 12
        known = {e.item for e in world.history(user)}
        assert not known & set(shown)
    assert popularity.sum() == world.describe()["known interactions"]


@pytest.mark.parametrize("recommender", RECOMMENDERS)
def test_nobody_is_ever_shown_what_she_consumed(synthetic, build, play, recommender) -> None:
    world = build("feed", synthetic, recommender=recommender, rest=1)
    consumed = {user: {e.item for e in world.history(user)} for user in range(len(world.users))}
    for visits in play(world, range(4)):
        for visit in visits:
            assert not consumed[visit.user] & set(shown_in(visit))
            assert len(set(shown_in(visit))) == len(shown_in(visit))
        for visit in visits:
            consumed[visit.user] |= set(watched_in(visit))


@pytest.mark.parametrize("rest", [0, 1, 3])
def test_a_skipped_item_rests_as_long_as_it_should_and_then_comes_back(
    make, build, play, rest
) -> None:
    world = build(
        "feed",
        stream_of(make),
        recommender="popularity",
        rest=rest,
        page_size=4,
        pages=2,
        activity=1.0,
        loyalty=0.0,
        refit_every=0,
    )
    rounds = play(world, range(rest + 2), skip_all)
    slates = [shown_in(visits[0]) for visits in rounds]
    for slate in slates[1 : rest + 1]:
        assert not set(slates[0]) & set(slate)
    assert slates[rest + 1] == slates[0]


def test_skipped_items_come_back_early_rather_than_leave_a_page_empty(make, build, play) -> None:
    # 20 items are left, 8 a visit: the third visit has to take some from the first.
    world = build(
        "feed",
        stream_of(make, n_items=30),
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
        shown_in(visits[0]) for visits in play(world, range(4), skip_all)
    )
    assert not set(first) & set(second)
    assert len(third) == len(fourth) == 8
    assert not set(third) & set(second)  # the oldest comes back first
    assert set(third) & set(first)


def test_the_last_page_may_be_short_and_the_visit_ends_with_it(make, build, play) -> None:
    dataset = stream_of(make, n_items=17)  # seven items are new
    settings = {"page_size": 4, "patience": 100.0, "activity": 1.0, "warm": 1.0}
    world = build("feed", dataset, recommender="popularity", **settings)
    first, second = play(world, range(2), watch_all)
    assert [len(step.observation.slate) for step in first[0].steps] == [4, 3]
    assert endings(first) == {"pages"}
    assert second == []  # the catalogue has run out, and nobody comes


def test_a_user_for_whom_the_catalogue_has_run_out_does_not_visit(make, build) -> None:
    rows = [(0, item, 5.0) for item in range(12)] + [(1, item, 5.0) for item in range(10)]
    dataset = make(rows, 12, world=Everything())
    world = build("feed", dataset, recommender="popularity", warm=1.0, activity=1.0)
    assert list(world.begin_round(0)) == [1]
    assert set(world.observe(1, ()).slate) == {10, 11}


# --- what is answered ----------------------------------------------------------------------------


def test_what_was_watched_is_revealed_in_order_and_nothing_else(synthetic, build, play) -> None:
    world = build("feed", synthetic)
    for visits in play(world, range(2)):
        for visit in visits:
            for step in visit.steps:
                watched = [a.item for a in step.decision.actions if a.watched]
                assert [e.item for e in step.feedback.experiences] == watched
                assert step.feedback.target is None
                rate = step.feedback.reward["engagement"]
                assert rate == len(watched) / len(step.observation.slate)


def test_the_truth_of_a_generated_world_is_the_worlds(synthetic, build, play) -> None:
    world = build("feed", synthetic)
    assert world.describe()["truth"] == "world" and world.describe()["hidden ratings"] == 0
    assert {e.source for e in world.history(0)} == {"world"}
    for visit in play(world, [0])[0]:
        row = int(world.users[visit.user].id[1:]) - 1
        for step in visit.steps:
            for e in step.feedback.experiences:
                stars = synthetic.world.ratings(row, np.array([e.item]), 0)[0]
                assert e.rating == round(stars) and e.source == "world"


def test_with_real_data_a_rating_given_later_is_the_truth_and_a_model_fills_the_rest(
    rated, build, play
) -> None:
    world = build("feed", rated, recommender="popularity", warm=0.5, activity=1.0)
    log = {
        (int(u), int(i)): r
        for u, i, r in zip(rated.log.users, rated.log.items, rated.log.ratings, strict=True)
    }
    known = {(user, e.item) for user in range(60) for e in world.history(user)}
    assert {e.source for e in world.history(0)} == {"logged"}
    assert world.describe()["known interactions"] == len(known)
    assert world.describe()["hidden ratings"] == len(log) - len(known)
    experienced = [
        (visit.user, e)
        for visit in play(world, [0], watch_all)[0]
        for step in visit.steps
        for e in step.feedback.experiences
    ]
    assert {e.source for _, e in experienced} == {"logged", "model"}
    for user, e in experienced:
        assert (e.source == "logged") == ((user, e.item) in log)
        assert e.rating == log.get((user, e.item), e.rating)
        assert e.rating in {1.0, 2.0, 3.0, 4.0, 5.0}


def test_a_taste_that_turns_is_felt_in_the_round_in_which_it_turns(build) -> None:
    def truth(drift):
        config = Synthetic.Config(users=30, items=150, interactions=20.0, drift=drift, noise=0.0)
        world = build("feed", Synthetic(config).load(), activity=1.0, recommender="popularity")
        found = []
        for round in range(3):
            world.begin_round(round)
            shown = world.observe(0, ())
            told = world.respond(0, (), shown, watch_all(0, 0, shown))
            found.append([e.rating for e in told.experiences])
        return found

    steady, turned = truth({}), truth({"at_round": 2})
    assert steady[0] == steady[1] == steady[2] == turned[0] == turned[1] != turned[2]


@pytest.mark.parametrize(("stars", "delight"), [(5.0, 1.0), (4.0, 0.5), (3.0, 0.0), (1.0, -1.0)])
def test_satisfaction_as_a_reward_goes_from_minus_one_to_one(make, build, stars, delight) -> None:
    world = build("feed", stream_of(make, stars), recommender="popularity", activity=1.0)
    world.begin_round(0)
    shown = world.observe(0, ())
    reward = world.respond(0, (), shown, watch_all(0, 0, shown)).reward
    assert reward == {"engagement": 1.0, "satisfaction": delight}
    reward = world.respond(0, (), shown, skip_all(0, 0, shown)).reward
    assert reward == {"engagement": 0.0, "satisfaction": 0.0}


# --- how visits end ------------------------------------------------------------------------------


def lengths(make, build, play, stars, decide, **settings):
    dataset = stream_of(make, stars, n_users=300, n_items=120)
    fixed = {"recommender": "popularity", "activity": 1.0, "loyalty": 0.0, "page_size": 5}
    world = build("feed", dataset, **{**fixed, **settings})
    (visits,) = play(world, [0], decide)
    return np.array([len(visit.steps) for visit in visits]), endings(visits)


def test_patience_is_spread_from_half_to_one_and_a_half(make, build, play) -> None:
    pages, ended = lengths(make, build, play, 3.0, skip_all, patience=4.0, pages=10)
    assert ended == {"tired"}
    # Nobody watches: a page costs a page, so patience 2 to 6 means 2 to 6 pages.
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


def test_who_wants_to_leave_leaves(make, build, play) -> None:
    def leave(user, round, shown):
        return Decision(actions=skip_all(user, round, shown).actions, leave=True)

    pages, ended = lengths(make, build, play, 5.0, leave, patience=100.0)
    assert set(pages) == {1} and ended == {"left"}


def test_leaving_counts_as_leaving_even_on_the_last_page_and_tired(make, build) -> None:
    world = build("feed", stream_of(make), patience=0.1, pages=1, activity=1.0)
    world.begin_round(0)
    shown = world.observe(0, ())
    decision = Decision(actions=skip_all(0, 0, shown).actions, leave=True)
    assert world.respond(0, (), shown, decision).ending == "left"
    assert world.respond(0, (), shown, skip_all(0, 0, shown)).ending == "tired"


# --- who comes -----------------------------------------------------------------------------------


def test_moods_move_visits(make, build, play) -> None:
    def visitors(stars, decide):
        dataset = stream_of(make, stars, n_users=400, n_items=300)
        world = build("feed", dataset, recommender="popularity", activity=0.5, loyalty=0.4)
        return [len(visits) / 400 for visits in play(world, range(5), decide)]

    happy, cross, bored = (
        visitors(stars, decide)
        for stars, decide in ((5.0, watch_all), (1.0, watch_all), (5.0, skip_all))
    )
    assert happy[0] == cross[0] == bored[0] == pytest.approx(0.5, abs=0.1)
    assert happy[4] > 0.65 and cross[4] < 0.35
    assert cross[4] < bored[4] < 0.5  # nothing is bad, but it is not that bad


def test_without_loyalty_nobody_minds(make, build, play) -> None:
    dataset = stream_of(make, 1.0, n_users=50)
    calm = {"activity": 0.7, "loyalty": 0.0, "recommender": "popularity"}
    rounds = [
        [[v.user for v in visits] for visits in play(build("feed", dataset, **calm), range(4), d)]
        for d in (watch_all, skip_all)
    ]
    assert rounds[0] == rounds[1]


def test_the_share_of_visitors_is_told(synthetic, build, visit, act) -> None:
    world = build("feed", synthetic, activity=0.6)
    visitors = world.begin_round(0)
    told = world.end_round([visit(world, user, 0, act) for user in visitors])
    assert told == {"visitors": len(visitors) / len(world.users)}


def test_a_round_without_visitors_passes(synthetic, build, play) -> None:
    world = build("feed", synthetic, activity=0.0)
    assert play(world, range(3)) == [[], [], []]


# --- the recommender -----------------------------------------------------------------------------


def recommender_part(world):
    return {k: v for k, v in copied(world.state()).items() if k.startswith("recommender/")}


@pytest.mark.parametrize("recommender", RECOMMENDERS)
def test_a_frozen_recommender_never_learns(synthetic, build, play, recommender) -> None:
    world = build("feed", synthetic, recommender=recommender, refit_every=0)
    before = recommender_part(world)
    play(world, range(3))
    assert same_arrays(before, recommender_part(world))


@pytest.mark.parametrize("recommender", [name for name in RECOMMENDERS if name != "random"])
def test_a_recommender_in_the_loop_learns_every_round(synthetic, build, play, recommender) -> None:
    world = build("feed", synthetic, recommender=recommender)
    before = recommender_part(world)
    for round in range(2):
        play(world, [round])
        after = recommender_part(world)
        assert not same_arrays(before, after)
        before = after


def test_a_recommender_may_learn_every_third_round_only(synthetic, build, play) -> None:
    world = build("feed", synthetic, recommender="als", refit_every=3)
    states = [recommender_part(world)]
    for round in range(6):
        play(world, [round])
        states.append(recommender_part(world))
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
        return Decision(actions=tuple(Action(i, user < 2, stars) for i in shown.slate), leave=True)

    world = build("feed", stream_of(make), recommender="popularity", activity=1.0, page_size=3)
    visits = play(world, [0], decide)[0]
    state = world.state()
    assert state["done/users"].tolist() == [0, 0, 0, 1, 1, 1]
    assert state["done/items"].tolist() == [*watched_in(visits[0]), *watched_in(visits[1])]
    np.testing.assert_array_equal(state["done/ratings"], [2.0] * 3 + [np.nan] * 3)
    # Popularity counts likes; to watch without a rating is one, two stars are none.
    counts = state["recommender/popularity"]
    assert counts[watched_in(visits[1])].tolist() == [1, 1, 1]
    assert {e.rating for e in visits[0].steps[0].feedback.experiences} == {5.0}


# --- the two rules -------------------------------------------------------------------------------


def test_observing_and_responding_change_nothing(synthetic, build, play, visit, act) -> None:
    world = build("feed", synthetic, signals=["popularity", "rating", "together"])
    play(world, range(2))
    visitors = world.begin_round(2)
    before = copied(world.state())
    visits = {user: visit(world, user, 2, act) for user in visitors}
    assert same_arrays(before, world.state())
    order = np.random.default_rng(0).permutation([*visitors, *visitors]).tolist()
    for user in order:
        assert visit(world, user, 2, act) == visits[user]
    assert same_arrays(before, world.state())


def test_a_round_that_is_begun_again_is_the_same(synthetic, build, play, visit, act) -> None:
    world = build("feed", synthetic, recommender="random")
    play(world, [0])
    first = {user: visit(world, user, 1, act) for user in world.begin_round(1)}
    assert {user: visit(world, user, 1, act) for user in world.begin_round(1)} == first


def test_many_decisions_for_one_state_get_many_feedbacks_and_one_is_committed(
    synthetic, build, visit, act
) -> None:
    world, other = (build("feed", synthetic, activity=1.0) for _ in range(2))
    for each in (world, other):
        each.begin_round(0)
    shown = world.observe(0, ())
    group = [
        world.respond(
            0, (), shown, Decision(actions=tuple(Action(i, i in some) for i in shown.slate))
        )
        for some in (set(shown.slate[:n]) for n in range(len(shown.slate) + 1))
    ]
    assert [len(feedback.experiences) for feedback in group] == [*range(len(shown.slate) + 1)]
    for each in (world, other):
        each.end_round([visit(each, 0, 0, act)])
    assert same_arrays(world.state(), other.state())


def test_a_seed_is_a_world_and_another_seed_another(synthetic, build, play) -> None:
    one, same, other = (play(build("feed", synthetic, seed), range(2)) for seed in (1, 1, 2))
    assert one == same != other


def test_a_state_does_not_change_after_it_was_taken(synthetic, build, play) -> None:
    world = build("feed", synthetic)
    play(world, range(2))
    state = world.state()
    before = copied(state)
    play(world, [2, 3])
    assert same_arrays(before, state)


@pytest.mark.parametrize("refit_every", [0, 1, 3])
@pytest.mark.parametrize("recommender", RECOMMENDERS)
def test_a_restored_world_goes_on_like_the_one_that_was_not_interrupted(
    synthetic, build, play, through_a_file, recommender, refit_every
) -> None:
    settings = {
        "recommender": recommender if recommender != "bpr" else {"use": "bpr", "iterations": 3},
        "refit_every": refit_every,
        "rest": 2,
        "signals": ["popularity", "rating", "together"],
    }
    whole = build("feed", synthetic, **settings)
    history = [whole.history(user) for user in range(len(whole.users))]
    for round in range(5):
        restored = build("feed", synthetic, **settings)
        restored.restore(through_a_file(whole.state()))
        (expected,) = play(whole, [round])
        assert play(restored, [round]) == [expected]
        assert same_arrays(restored.state(), whole.state())
        assert [restored.history(user) for user in range(len(restored.users))] == history


def test_a_world_can_be_set_back(synthetic, build, play, through_a_file) -> None:
    world = build("feed", synthetic)
    play(world, [0])
    saved = through_a_file(world.state())
    (later,) = play(world, [1])
    play(world, [2])
    world.restore(saved)
    assert play(world, [1]) == [later]


# --- who takes part ------------------------------------------------------------------------------


def test_what_is_known_is_the_first_part_of_each_log(rated, build) -> None:
    world = build("feed", rated, warm=0.3)
    for user in range(60):
        mine = rated.log.where(rated.log.users == user)
        known = int(np.ceil(0.3 * len(mine.items)))
        assert [e.item for e in world.history(user)] == mine.items[:known].tolist()
        assert [e.rating for e in world.history(user)] == mine.ratings[:known].tolist()


def test_what_was_consumed_without_a_rating_is_known_but_not_remembered(make, build) -> None:
    rows = [(0, item, np.nan if item % 2 else 4.0) for item in range(10)]
    world = build("feed", make(rows, 20), recommender="popularity", warm=1.0, activity=1.0)
    assert [e.item for e in world.history(0)] == [0, 2, 4, 6, 8]
    assert world.popularity.sum() == 10
    world.begin_round(0)
    assert set(world.observe(0, ()).slate) <= set(range(10, 20))


def test_who_is_left_out_is_counted_and_a_sample_is_the_same_for_a_seed(make, build) -> None:
    rows = [(user, item, 4.0) for item in range(10) for user in range(30)] + [(30, 0, 4.0)]
    dataset = make(rows, 40, n_users=32)
    told = build("feed", dataset, users=8).describe()
    assert told["left out"] == {"too few interactions": 2, "not sampled": 22}
    assert told["users"] == 8 and told["truth"] == "model"

    def sample(seed):
        return [user.id for user in build("feed", dataset, seed, users=8).users]

    assert sample(1) == sample(1) != sample(2)


def test_a_sample_lives_in_the_same_world_as_everybody(synthetic, build, play) -> None:
    world = build("feed", synthetic, users=5, activity=1.0)
    row = {user.id: number for number, user in enumerate(synthetic.users)}
    for visit in play(world, [0])[0]:
        for e in visit.steps[0].feedback.experiences:
            of = row[world.users[visit.user].id]
            assert e.rating == round(synthetic.world.ratings(of, np.array([e.item]), 0)[0])


def test_nobody_with_enough_interactions_is_an_error(make, build) -> None:
    with pytest.raises(DataError, match="no user of made up has 10 interactions") as error:
        build("feed", make([(0, 0, 5.0)], 3))
    assert "min_interactions" in error.value.hint


def test_data_without_any_rating_is_an_error_that_says_what_to_do(make, build) -> None:
    rows = [(user, item, np.nan) for item in range(12) for user in range(3)]
    with pytest.raises(DataError, match="made up holds no ratings") as error:
        build("feed", make(rows, 20))
    assert "ranking" in error.value.hint


@pytest.mark.parametrize("recommender", RECOMMENDERS)
def test_one_user_and_one_page_are_enough(make, build, play, recommender) -> None:
    dataset = make([(0, item, float(1 + item % 5)) for item in range(10)], 12)
    world = build("feed", dataset, recommender=recommender, pages=1, activity=1.0)
    rounds = play(world, range(2))
    assert [len(visits) for visits in rounds] == [1, 1]
    assert len(rounds[0][0].steps) == 1


# --- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"recommender": {"use": "als", "factrs": 3}}, "environment.recommender.factrs"),
        ({"recommender": {"use": "als", "factors": 0}}, "environment.recommender.factors"),
        ({"recommender": 3}, "environment.recommender"),
        ({"refit_every": -1}, "environment.refit_every"),
        ({"page_size": 0}, "environment.page_size"),
        ({"warm": 0.0}, "environment.warm"),
        ({"warm": 1.1}, "environment.warm"),
        ({"activity": 1.5}, "environment.activity"),
        ({"signals": ["fame"]}, "environment.signals.0"),
        ({"signals": ["rating", "rating"]}, "environment.signals"),
    ],
)
def test_a_wrong_setting_is_named_by_its_key(synthetic, build, settings, key) -> None:
    with pytest.raises(ConfigError, match=f"^{key}: "):
        build("feed", synthetic, **settings)


def test_a_recommender_that_does_not_exist_is_named_in_the_short_form_too(synthetic, build) -> None:
    with pytest.raises(PluginError, match=r'environment.recommender.use: .*"alss".*"als"'):
        build("feed", synthetic, recommender="alss")


def test_the_short_form_is_the_plug_in_with_its_defaults() -> None:
    Config = FeedEnvironment.Config
    assert Config(recommender="ease") == Config(recommender={"use": "ease"})
    assert Config.model_validate(Config(recommender="ease").model_dump()) == Config(
        recommender="ease"
    )
