"""What cards say beyond attributes, and what they must not say."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from starec_environments.signals import OwnItems, Signals
from starec_sim.dataset import Interactions
from starec_sim.errors import ConfigError
from starec_sim.types import Item

ALL = ["popularity", "rating", "together", "follows"]


def interactions(*rows):
    users, items, ratings = (np.array(column) for column in zip(*rows, strict=True))
    return Interactions(users, items, ratings.astype(float), np.arange(len(rows)))


def catalogue(n):
    return [Item(str(item), f"T{item}", {"genre": ("Drama",)}) for item in range(n)]


def fitted(names, log, n_items, n_users=None, items=None):
    n_users = n_users or int(log.users.max()) + 1
    signals = Signals(names, items or catalogue(n_items), n_users)
    signals.fit(log)
    return signals


def said(text, name):
    """The value of one signal on a card; None where the card is silent."""
    facts = dict(part.split(": ", 1) for part in text.split(" | ")[1:])
    return facts.get(name)


def seen_by(signals, n_items):
    return [said(text, "seen by") for text in signals.cards(range(n_items))]


# --- popularity ----------------------------------------------------------------------------------


def test_popularity_is_told_in_bands_of_the_catalogue() -> None:
    # Item k was met by 200 - k users; from item 150 on by nobody.
    log = interactions(*((user, item, 3) for item in range(150) for user in range(200 - item)))
    bands = seen_by(fitted(["popularity"], log, 200), 200)
    assert bands[:2] == ["top 1 %"] * 2
    assert bands[2:4] == ["top 2 %"] * 2
    assert bands[4:10] == ["top 5 %"] * 6
    assert bands[10:20] == ["top 10 %"] * 10
    assert bands[20:40] == ["top 20 %"] * 20
    assert bands[40:100] == ["top 50 %"] * 60
    assert bands[100:] == ["few"] * 100


def test_equally_popular_items_share_the_band_of_them_all() -> None:
    log = interactions(*((0, item, 3) for item in range(10)))
    assert seen_by(fitted(["popularity"], log, 100), 100) == ["top 10 %"] * 10 + ["few"] * 90


def test_what_nobody_met_is_seen_by_few_even_where_all_are_equal() -> None:
    log = interactions((0, 0, 3))
    assert seen_by(fitted(["popularity"], log, 2), 2) == ["top 50 %", "few"]


@given(counts=st.lists(st.integers(0, 6), min_size=1, max_size=40))
def test_a_more_popular_item_never_stands_in_a_lower_band(counts) -> None:
    rows = [(user, item, 3.0) for item, count in enumerate(counts) for user in range(count)]
    log = interactions(*rows) if rows else Interactions.empty()
    order = ["few", *(f"top {band} %" for band in (50, 20, 10, 5, 2, 1))]
    heights = [order.index(b) for b in seen_by(fitted(["popularity"], log, 40, 9), len(counts))]
    for one, height in zip(counts, heights, strict=True):
        for other, other_height in zip(counts, heights, strict=True):
            assert one <= other or height >= other_height


# --- mean rating ---------------------------------------------------------------------------------


def test_the_mean_rating_is_damped_towards_the_mean_of_all() -> None:
    log = interactions(*((u, 0, 5) for u in range(5)), *((u, 1, 2) for u in range(10)))
    cards = fitted(["rating"], log, 3).cards([0, 1, 2])
    # All: 45 / 15 = 3. Item 0: (25 + 5 * 3) / 10 = 4. Item 1: (20 + 15) / 15 = 2.33.
    assert [said(text, "mean rating") for text in cards] == ["4.0", "2.3", None]


def test_too_few_ratings_say_nothing_and_watches_without_one_do_not_count() -> None:
    rows = [(0, 0, 4), (1, 0, 4), (2, 0, np.nan), (0, 1, 4), (1, 1, 4), (2, 1, 4)]
    cards = fitted(["rating"], interactions(*rows), 2).cards([0, 1])
    assert [said(text, "mean rating") for text in cards] == [None, "4.0"]


def test_a_log_without_ratings_says_nothing_of_ratings() -> None:
    log = interactions(*((user, 0, np.nan) for user in range(9)))
    assert fitted(["rating"], log, 1).cards([0]) == ('"T0" | genre: Drama',)


# --- liked together ------------------------------------------------------------------------------


def company(text):
    """The items that a card names, and how many there are."""
    said_together = said(text, "liked together with")
    if said_together is None:
        return [], 0
    count, _, names = said_together.partition(" (")
    return names.removesuffix(")").split(", "), int(count)


def together(signals, slate, likes):
    return [said(text, "liked together with") for text in signals.cards(slate, np.array(likes))]


def test_items_are_named_that_the_same_people_liked_strongest_first() -> None:
    # 0 and 1 were liked by the same eight people, 0 and 2 by four, 0 and 3 by none.
    rows = [(user, item, 5) for item in (0, 1) for user in range(8)]
    rows += [(user, 2, 5) for user in range(4)] + [(user, 3, 5) for user in range(8, 12)]
    signals = fitted(["together"], interactions(*rows), 5)
    assert together(signals, [0], [2, 3, 1]) == ["2 (T1, T2)"]
    assert together(signals, [0, 3, 4], [3]) == [None, None, None]
    assert together(signals, [1, 2], [0]) == ["1 (T0)", "1 (T0)"]


def test_all_are_counted_but_three_named_the_latest_of_equals() -> None:
    rows = [(user, item, 5) for item in range(6) for user in range(4)]
    signals = fitted(["together"], interactions(*rows), 6)
    assert together(signals, [5], [0, 1, 2, 3, 4]) == ["5 (T4, T3, T2)"]


def test_disliking_the_same_things_is_no_bond_and_liking_without_stars_is_one() -> None:
    rows = [(user, item, 2) for item in (0, 1) for user in range(5)]
    rows += [(user, item, np.nan) for item in (2, 3) for user in range(5)]
    signals = fitted(["together"], interactions(*rows), 4)
    assert together(signals, [0, 2], [1, 3]) == [None, "1 (T3)"]


def test_only_the_last_forty_likes_are_looked_at() -> None:
    rows = [(user, item, 5) for item in (0, 1) for user in range(5)]
    signals = fitted(["together"], interactions(*rows), 60)
    assert together(signals, [0], [1, *range(2, 41)]) == ["1 (T1)"]
    assert together(signals, [0], [1, *range(2, 42)]) == [None]


def test_who_likes_nothing_yet_is_told_the_rest() -> None:
    rows = [(user, item, 5) for item in (0, 1) for user in range(5)]
    signals = fitted(ALL, interactions(*rows), 4)
    (text,) = signals.cards([0], np.zeros(0, np.int64))
    assert text == '"T0" | genre: Drama | seen by: top 50 % | mean rating: 5.0'


def test_a_title_stays_a_title() -> None:
    titles = ["Good, the Bad | worse</page>: x\n", "Other", "a" * 400]
    items = [Item(str(row), title) for row, title in enumerate(titles)]
    rows = [(user, item, 5) for item in range(3) for user in range(5)]
    signals = fitted(["together"], interactions(*rows), 3, items=items)
    (text,) = signals.cards([1], np.array([2, 0]))
    assert "\n" not in text and "<" not in text
    names, _ = company(text)
    assert names[0] == "Good; the Bad / worse&lt;/page&gt;: x"
    assert len(names) == 2 and len(names[1]) <= 48 and text.count(" | ") == 1


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), data=st.data())
def test_the_bonds_named_are_the_strongest_by_shrunk_cosine(seed, data) -> None:
    rng = np.random.default_rng(seed)
    liked = rng.random((30, 15)) < 0.3  # fewer items than an item may have neighbours
    users, items = np.nonzero(liked)
    signals = Signals(["together"], catalogue(15), 30)
    signals.fit(Interactions(users, items, np.full(len(users), 4.0), users))
    item = data.draw(st.integers(0, 14))
    others = [other for other in range(15) if other != item]
    own = data.draw(st.lists(st.sampled_from(others), unique=True, min_size=1, max_size=8))
    strength = {}
    for other in own:
        both = int((liked[:, item] & liked[:, other]).sum())
        scale = np.sqrt(float(liked[:, item].sum()) * float(liked[:, other].sum()))
        strength[other] = both / (scale + 10.0)
    (text,) = signals.cards([item], np.array(own))
    names, count = company(text)
    best = sorted((s for s in strength.values() if s > 0), reverse=True)
    assert count == len(best)
    assert [strength[int(name[1:])] for name in names] == pytest.approx(best[:3])


def test_likes_are_kept_by_user_in_order() -> None:
    log = interactions((1, 5, 4), (0, 3, 5), (1, 2, np.nan), (1, 4, 3), (1, 0, 5), (3, 1, 5))
    likes = OwnItems.liked(log, 5)
    assert [likes.of(user).tolist() for user in range(5)] == [[3], [5, 2, 0], [], [1], []]


# --- often follows --------------------------------------------------------------------------------


def follows(signals, slate, met):
    texts = signals.cards(slate, np.array(met[:0], int), np.array(met))
    return [said(text, "often follows") for text in texts]


def visits(*orders, times=20):
    """A log in which so many users met items in each of these orders; they liked none."""
    rows = []
    for user in range(times * len(orders)):
        rows += [(user, item, 1.0) for item in orders[user // times]]
    return interactions(*rows)


def test_an_item_names_what_is_met_shortly_before_it_and_not_after_it() -> None:
    signals = fitted(["follows"], visits([0, 1, 2], [3, 4]), 5)
    assert follows(signals, [1, 2], [0]) == ["1 (T0)", "1 (T0)"]
    assert follows(signals, [2], [0, 1]) == ["2 (T1, T0)"], "one place before is nearer than two"
    assert follows(signals, [0, 3, 4], [1, 2]) == [None, None, None]


def test_only_the_last_five_different_items_count() -> None:
    signals = fitted(["follows"], visits([0, 9], [1, 2, 3, 4, 5]), 10)
    assert follows(signals, [9], [0, 1, 2, 3, 4]) == ["1 (T0)"]
    assert follows(signals, [9], [0, 1, 2, 3, 4, 5]) == [None]
    assert follows(signals, [9], [0, 1, 2, 3, 3, 4, 4]) == ["1 (T0)"]


def test_what_is_met_again_at_once_does_not_follow_itself_nor_another_users_last_item() -> None:
    signals = fitted(["follows"], visits([0, 0], [1]), 2)
    assert follows(signals, [0, 1], [0, 1]) == [None, None]


# --- in the environments -------------------------------------------------------------------------


def first_cards(world):
    return {
        user: dict(zip(shown.slate, shown.cards, strict=True))
        for user in world.begin_round(0)
        for shown in [world.observe(user, ())]
    }


@pytest.mark.parametrize("use", ["ranking", "feed"])
def test_without_signals_a_card_is_the_catalogues(synthetic, build, use) -> None:
    world = build(use, synthetic)
    assert world.describe()["signals"] == []
    for cards in first_cards(world).values():
        assert all(world.cards[item] == text for item, text in cards.items())


@pytest.mark.parametrize("use", ["ranking", "feed"])
def test_the_signals_that_are_asked_for_are_shown_in_one_order_and_described(
    synthetic, build, use
) -> None:
    world = build(use, synthetic, signals=["follows", "together", "popularity", "rating"])
    assert world.describe()["signals"] == ["follows", "together", "popularity", "rating"]
    texts = [text for cards in first_cards(world).values() for text in cards.values()]
    assert all(" | seen by: " in text for text in texts)
    full = [text for text in texts if "mean rating" in text and "together" in text]
    assert full
    for text in full:
        assert text.index("seen by") < text.index("mean rating") < text.index("liked together")
        if "often follows" in text:
            assert text.index("liked together") < text.index("often follows")
    assert any("often follows" in text for text in full)
    only = first_cards(build(use, synthetic, signals=["rating"]))
    assert not any("seen by" in t or "together" in t for c in only.values() for t in c.values())


@pytest.mark.parametrize("use", ["ranking", "feed"])
def test_what_is_liked_together_is_from_the_users_own_likes(synthetic, build, use) -> None:
    world = build(use, synthetic, signals=["together"])
    named = 0
    for user, cards in first_cards(world).items():
        liked = {world.items[e.item].title for e in world.history(user) if e.liked}
        for text in cards.values():
            titles, count = company(text)
            named += count
            assert set(titles) <= liked and len(titles) == min(count, 3)
    assert named


def test_a_signal_that_does_not_exist_is_named(synthetic, build) -> None:
    for use in ("ranking", "feed"):
        with pytest.raises(ConfigError, match=r"environment\.signals\.0: .*'popularity', 'rating'"):
            build(use, synthetic, signals=["fame"])


def after_the_cut(dataset, choices):
    """Which rows of the log come at or after the first choice of their user."""
    late = np.zeros(len(dataset.log.users), bool)
    for user in range(len(dataset.users)):
        rows = np.flatnonzero(dataset.log.users == user)
        likes = rows[dataset.log.ratings[rows] > 3]
        if len(likes) >= choices:
            late[rows[rows >= likes[-choices]]] = True
    return late


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000))
def test_nothing_that_follows_the_first_choice_changes_a_card(rated, build, seed) -> None:
    rng = np.random.default_rng(seed)
    log, late = rated.log, after_the_cut(rated, choices=3)
    # Other stars that leave likes likes, so that the same choices are replayed.
    other = np.where(log.ratings > 3, rng.choice([4.0, 5.0], len(late)), rng.choice([1.0, 2.0]))
    changed = replace(rated, log=log._replace(ratings=np.where(late, other, log.ratings)))
    settings = {"choices": 3, "candidates": 8, "signals": ALL}
    one, two = (build("ranking", dataset, **settings) for dataset in (rated, changed))
    assert first_cards(one) == first_cards(two)
    assert (one.popularity == two.popularity).all()


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000))
def test_which_items_follow_the_first_choice_changes_no_card_either(make, build, seed) -> None:
    rng = np.random.default_rng(seed)
    early = [rng.permutation(20)[:10].tolist() for _ in range(12)]

    def world(late_seed):
        late = np.random.default_rng(late_seed)
        rows = [(u, i, 5.0 if i % 3 else 2.0) for u, items in enumerate(early) for i in items]
        rows += [(u, i, 5.0) for u in range(12) for i in (20 + late.permutation(20)[:4]).tolist()]
        return build("ranking", make(rows, 80), choices=4, candidates=30, signals=ALL)

    cards = [first_cards(world(late_seed)) for late_seed in (1, 2)]
    for user in cards[0]:
        both = cards[0][user].keys() & cards[1][user].keys()
        assert all(cards[0][user][item] == cards[1][user][item] for item in both)
    assert any(cards[0][user].keys() != cards[1][user].keys() for user in cards[0])


def test_what_came_before_the_first_choice_does_change_cards(rated, build) -> None:
    late = after_the_cut(rated, choices=3)
    ratings = np.where(late | (rated.log.ratings > 3), rated.log.ratings, 1.0)
    changed = replace(rated, log=rated.log._replace(ratings=ratings))
    settings = {"choices": 3, "candidates": 8, "signals": ALL}
    one, two = (build("ranking", dataset, **settings) for dataset in (rated, changed))
    assert first_cards(one) != first_cards(two)


def test_a_choice_that_was_revealed_may_be_named_and_one_that_was_not_may_not(make, build) -> None:
    # Everybody but user 0 likes items 0 to 3 and takes no part. She will choose 1, then 2.
    rows = [(user, item, 5.0) for item in range(4) for user in range(1, 8)]
    rows += [(0, item, 2.0) for item in range(10, 20)] + [(0, 0, 5.0), (0, 1, 5.0), (0, 2, 5.0)]
    world = build("ranking", make(rows, 40), choices=2, candidates=3, signals=["together"])

    def named(target):
        shown = world.observe(0, ())
        return said(shown.cards[shown.slate.index(target)], "liked together with")

    world.begin_round(0)
    assert named(1) == "1 (Title 0)"
    world.begin_round(1)
    assert named(2) == "2 (Title 1, Title 0)"


def test_what_the_feed_learns_shows_on_cards_after_a_refit_and_never_before(
    synthetic, build, play
) -> None:
    def counts(every):
        world = build("feed", synthetic, signals=["popularity"], refit_every=every, activity=1.0)
        told = []
        for round in range(4):
            world.begin_round(round)
            told.append(world._signals.cards(range(150)))
            play(world, [round])
        return [one != two for one, two in pairwise(told)]

    assert counts(1) == [True, True, True]
    assert counts(2) == [False, True, False]
    assert counts(0) == [False, False, False]


def test_own_likes_are_those_of_the_log_as_it_stands(synthetic, build, play) -> None:
    world = build("feed", synthetic, signals=["together"], activity=1.0, refit_every=0)
    play(world, range(2))
    world.begin_round(2)
    state, user = world.state(), 0
    mine = state["done/users"] == user
    new = state["done/items"][mine][~(state["done/ratings"][mine] <= 3)]
    known = [e.item for e in world.history(user) if e.liked]
    assert world._likes.of(user).tolist() == [*known, *new]


@pytest.mark.slow
def test_a_matrix_of_all_pairs_is_never_built() -> None:
    # 30,000 items squared would be 7 GB.
    n_items, n_users = 30_000, 100
    liked = csr_matrix(np.eye(n_users, n_items) + np.eye(n_users, n_items, 1))
    users, items = liked.nonzero()
    signals = Signals(["together"], catalogue(n_items), n_users)
    signals.fit(Interactions(users, items, np.full(len(users), 5.0), users))
    assert together(signals, [7], [6, 8, 100]) == ["2 (T8, T6)"]
