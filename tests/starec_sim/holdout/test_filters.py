"""Cuts drop what they should, and count the dataset before and after."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from starec_sim.dataset import Dataset, Interactions
from starec_sim.errors import DataError
from starec_sim.holdout import filters
from starec_sim.holdout.filters import Cuts
from starec_sim.types import Item, User


def dataset(pairs, ratings=None, users=None, items=None, **more):
    """Return a dataset whose log has these pairs, in their order."""
    pairs = list(pairs)
    n = len(pairs)
    who = np.array([user for user, _ in pairs], np.int64)
    what = np.array([item for _, item in pairs], np.int64)
    stars = np.full(n, np.nan) if ratings is None else np.array(ratings, float)
    people = users if users is not None else int(who.max(initial=-1)) + 1
    catalogue = items if items is not None else int(what.max(initial=-1)) + 1
    return Dataset(
        "small",
        tuple(User(f"u{row}") for row in range(people)),
        tuple(Item(f"i{row}", f"Item {row}") for row in range(catalogue)),
        Interactions(who, what, stars, np.arange(n)),
        **more,
    )


def pairs_of(data):
    """Return (user id, item id) of every interaction, in order."""
    log = data.log
    return [
        (data.users[user].id, data.items[item].id)
        for user, item in zip(log.users.tolist(), log.items.tolist(), strict=True)
    ]


# u0 met three items, u1 two, u2 one; i0 was met three times, i1 twice, i2 once; i3 never.
STAIRS = [(0, 0), (0, 1), (1, 0), (0, 2), (1, 1), (2, 0)]


def test_counted_once_both_bounds_see_the_same_log():
    kept, passes = filters.at_least(dataset(STAIRS, items=4), 2, 2)
    assert passes == 1
    assert [user.id for user in kept.users] == ["u0", "u1"]
    assert [item.id for item in kept.items] == ["i0", "i1"]
    # i0 lost u2's visit and keeps its place: it was counted before.
    assert pairs_of(kept) == [("u0", "i0"), ("u0", "i1"), ("u1", "i0"), ("u1", "i1")]


def test_iterated_it_goes_on_until_everybody_left_has_enough():
    # The ends of a chain leave, then those who are now its ends, until nobody is left.
    chain = [(0, 0), (0, 1), (1, 1), (1, 2), (2, 2), (2, 3)]
    gone, passes = filters.at_least(dataset(chain), 2, 2, iterated=True)
    assert (pairs_of(gone), passes) == ([], 4)


@given(
    st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1),
    st.integers(1, 4),
    st.integers(1, 4),
)
def test_a_core_satisfies_both_bounds_and_nothing_more_could_stay(met, of_user, of_item):
    whole = dataset(sorted(met), users=10, items=10)
    kept, _ = filters.at_least(whole, of_user, of_item, iterated=True)
    users, items = (np.bincount(rows) for rows in (kept.log.users, kept.log.items))
    assert (users >= of_user).all() and (items >= of_item).all()
    assert (len(users), len(items)) == (len(kept.users), len(kept.items))
    # The largest such part, found the slow way: peel off one violator at a time.
    left = set(met)
    while True:
        bad = next(
            (
                pair
                for pair in left
                if sum(u == pair[0] for u, _ in left) < of_user
                or sum(i == pair[1] for _, i in left) < of_item
            ),
            None,
        )
        if bad is None:
            break
        left.remove(bad)
    assert set(pairs_of(kept)) == {(f"u{user}", f"i{item}") for user, item in left}


def test_the_last_interactions_stay_in_their_order():
    kept = filters.last(dataset(STAIRS), 1)
    assert pairs_of(kept) == [("u0", "i2"), ("u1", "i1"), ("u2", "i0")]
    assert len(kept.items) == 3
    assert pairs_of(filters.last(dataset(STAIRS), 9)) == pairs_of(dataset(STAIRS))


def test_three_stars_are_no_like_and_no_stars_are_one():
    data = dataset([(0, 0), (0, 1), (1, 0)], [3.0, np.nan, 3.5])
    assert pairs_of(filters.liked(data)) == [("u0", "i1"), ("u1", "i0")]
    likes = [user.id for user in filters.with_likes(data, 1).users]
    assert likes == ["u0", "u1"]
    assert filters.with_likes(data, 2).users == ()


def test_a_sample_holds_every_smaller_sample_and_differs_by_seed():
    data = dataset([(user, 0) for user in range(200)])
    small, large, other = (
        {user.id for user in filters.sample(data, n, seed).users}
        for n, seed in ((20, 1), (50, 1), (20, 2))
    )
    assert len(small) == 20 and small < large and small != other


def test_groups_share_nobody_and_leave_out_who_did_nothing():
    data = dataset([(user, 0) for user in range(30)], users=40)
    groups = filters.split(data, {"train": 20, "test": 10}, seed=3)
    assert sorted([*groups["train"], *groups["test"]]) == list(range(30))
    alone = filters.split(data, {"train": 20}, seed=3)
    assert alone["train"].tolist() == groups["train"].tolist()
    with pytest.raises(DataError, match=r"has 30 users .* 20 \(train\) \+ 11 \(test\) were"):
        filters.split(data, {"train": 20, "test": 11}, seed=3)


def test_items_nobody_met_leave_unless_they_ship_as_candidates():
    data = dataset(STAIRS, items=5, candidates={0: (4,)})
    assert [item.id for item in filters.met(data).items] == ["i0", "i1", "i2", "i4"]


def test_a_funnel_counts_before_and_after_each_cut():
    data = dataset(STAIRS, [4, 4, 4, 2, 4, 4], items=4)
    cuts = Cuts(liked_only=True, min_of_user=2, last=1, met_only=True)
    funnel = filters.cut(data, cuts)
    rows = [(c.cut, c.users, c.items, c.catalogue, c.interactions) for c in funnel.counts]
    assert rows == [
        ("as read", 3, 3, 4, 6),
        ("ratings above 3", 3, 2, 4, 5),
        ("at least 2 of each user (counted once)", 2, 2, 4, 4),
        ("the last 1 of each user", 2, 1, 4, 2),
        ("items that somebody met", 2, 1, 1, 2),
    ]
    assert funnel.counts[0].sparsity == pytest.approx(1 / 3)
    assert pairs_of(funnel.dataset) == [("u0", "i1"), ("u1", "i1")]


def test_no_cuts_change_nothing():
    data = dataset(STAIRS)
    funnel = filters.cut(data, Cuts())
    assert funnel.dataset is data and len(funnel.counts) == 1


def test_a_cut_that_leaves_nothing_says_what_was_there():
    with pytest.raises(DataError, match=r"after the cut to at least 4 of each user .*6 of 3 users"):
        filters.cut(dataset(STAIRS), Cuts(min_of_user=4))
    with pytest.raises(DataError, match=r"has 3 users .*; 4 \(sample\) were to be drawn"):
        filters.cut(dataset(STAIRS), Cuts(users=4))
