"""A hold-out: the evaluated users, their candidate lists, and the training interactions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from starec_sim.dataset import Interactions
from starec_sim.errors import DataError
from starec_sim.holdout import EvaluationProtocol, HoldOut
from starec_sim.holdout.filters import Cuts
from starec_sim.holdout.protocol import Split
from starec_sim.types import LIKED_ABOVE


def holdout(dataset, seed=0, **changes):
    asked = {"candidates": 5, "at": (1, 5), "draws": 2, "history": 3, **changes}
    return HoldOut(EvaluationProtocol(**asked), dataset, seed)


def mine(log, row):
    return log.where(log.users == row)


def pairs(log):
    return set(zip(log.users.tolist(), log.items.tolist(), strict=True))


def test_the_answer_is_the_last_like_and_nothing_from_it_on_may_be_learned(log) -> None:
    found = holdout(log)
    for extent in ("full", "sample"):
        known = pairs(found.training(extent))
        for user_log, answer in zip(found.user_logs, found.answers, strict=True):
            own = mine(log.log, user_log.row)
            place = int(np.flatnonzero(own.ratings > LIKED_ABOVE)[-1])
            assert own.items[place] == answer
            assert not known & {(user_log.row, item) for item in own.items[place:].tolist()}
    assert found.popularity.sum() == len(found.training("full").users)


def test_the_sample_is_what_agents_experience_and_the_full_log_is_everything_before(log) -> None:
    found = holdout(log, sequence=6)
    for user_log in found.user_logs:
        own, place = mine(log.log, user_log.row), user_log.choices[-1]
        sample, full = (mine(found.training(extent), user_log.row) for extent in ("sample", "full"))
        assert sample.items.tolist() == own.items[place - 5 : place].tolist()
        assert full.items.tolist() == own.items[:place].tolist()
        assert sample.items.tolist() == [e.item for e in user_log.between(user_log.first, place)]


def test_training_interactions_are_in_order_of_time(log) -> None:
    for extent in ("sample", "full"):
        assert (np.diff(holdout(log).training(extent).times) > 0).all()


def test_new_users_are_not_fitted_on_but_their_past_is_told(log) -> None:
    found = holdout(log, users=Split(count=4, mode="new"))
    evaluated = set(found.rows.tolist())
    assert len(evaluated) == 4
    for extent in ("sample", "full"):
        fitted, told = found.training(extent), found.past(extent)
        assert not evaluated & set(fitted.users.tolist())
        assert set(told.users.tolist()) == evaluated
        assert not pairs(told) & set(zip(found.rows, found.answers, strict=True))
    # Whoever is not evaluated is known to the end.
    other = next(row for row in range(12) if row not in evaluated)
    assert len(mine(found.training("full"), other).items) == 14


def test_with_new_users_somebody_must_be_left_to_fit_on(log) -> None:
    with pytest.raises(DataError, match="none is left to fit models on"):
        holdout(log, users=Split(mode="new"))


def test_a_smaller_sample_of_users_gets_the_same_lists(log) -> None:
    every, some = holdout(log), holdout(log, users=Split(count=5))
    assert len(some.rows) == 5 and some.left_out["not drawn"] == 7
    of = dict(zip(every.rows.tolist(), every.candidate_lists, strict=True))
    for row, lists in zip(some.rows.tolist(), some.candidate_lists, strict=True):
        assert (of[row] == lists).all()
    assert len(holdout(log, users=Split(share=0.5)).rows) == 6


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**40),
    candidates=st.integers(2, 12),
    draws=st.integers(1, 4),
    negatives=st.sampled_from(["uniform", "popularity"]),
)
def test_a_list_holds_the_answer_once_among_items_the_user_never_touched(
    make, seed, candidates, draws, negatives
) -> None:
    rng = np.random.default_rng(seed % 1000)
    rows = [
        (user, int(item), float(rng.integers(1, 6)))
        for user in range(6)
        for item in rng.permutation(60)[:12]
    ] + [(6, item, 5.0) for item in range(10)]
    dataset = make(rows)
    found = holdout(dataset, seed, candidates=candidates, at=(1,), draws=draws, negatives=negatives)
    assert found.candidate_lists.shape == (len(found.user_logs), draws, candidates)
    for user_log, answer, lists in zip(
        found.user_logs, found.answers, found.candidate_lists, strict=True
    ):
        for slate in lists.tolist():
            assert len(set(slate)) == candidates
            assert set(slate) & set(user_log.items.tolist()) == {answer}


def test_draws_differ_and_so_do_seeds_and_both_can_be_repeated(log) -> None:
    one, other = holdout(log, 1), holdout(log, 2)
    assert (one.candidate_lists == holdout(log, 1).candidate_lists).all() and one.digest == holdout(
        log, 1
    ).digest
    assert one.digest != other.digest
    assert any(set(a) != set(b) for a, b in one.candidate_lists.tolist())


def test_popularity_matched_negatives_are_about_as_popular_as_the_answer(make) -> None:
    rng = np.random.default_rng(1)
    chance = 1.0 / np.arange(1, 61)
    rows = [
        (user, int(item), 5.0)
        for user in range(80)
        for item in rng.choice(60, 12, replace=False, p=chance / chance.sum())
    ]

    def distance(negatives):
        found = holdout(make(rows), negatives=negatives, candidates=4, at=(1,), draws=3)
        level = np.log1p(found.popularity)
        return np.abs(level[found.candidate_lists] - level[found.answers][:, None, None]).mean()

    assert distance("popularity") < 0.5 * distance("uniform")


def test_shipped_lists_are_used_in_their_order_without_the_users_past_which_is_counted(make):
    rows = [(user, item, np.nan) for item in range(10) for user in (0, 2)]
    candidates = {0: (9, 20, 3, 21, 20, 22, 23), 2: (30, 31, 32), 1: (1, 2)}
    dataset = make(rows, 3, candidates=candidates)
    found = holdout(dataset, negatives="shipped", draws=1, candidates=4, at=(1,))
    assert [set(lists[0]) for lists in found.candidate_lists.tolist()] == [
        {9, 20, 21, 22},
        {9, 30, 31, 32},
    ]
    assert found.describe()["shipped candidates dropped"] == 2
    with pytest.raises(DataError, match=r"user u2 holds 3 items .*not the 4"):
        holdout(dataset, negatives="shipped", draws=1)
    with pytest.raises(DataError, match="ships no candidate lists"):
        holdout(make(rows, 3), negatives="shipped")


def test_everyone_who_is_left_out_is_counted_with_the_reason(make) -> None:
    rows = [(0, item, 5.0) for item in range(4)]  # four interactions
    rows += [(1, item, 1.0) for item in range(10)]  # no like
    rows += [(2, item, 5.0 if item == 0 else 1.0) for item in range(10)]  # only the first
    rows += [(user, item, 5.0) for user in (3, 4) for item in range(10)]
    found = holdout(make(rows, 6), users=Split(count=1))
    assert found.left_out == {
        "too few interactions": 2,
        "too few likes": 1,
        "nothing before the answer": 1,
        "not listed": 0,
        "not drawn": 1,
    }


def test_only_listed_users_take_part_in_a_hold_out_like_any_other_of_the_same_users(make) -> None:
    rows = [(user, item, 5.0) for user in range(4) for item in range(10)]
    dataset = make(rows, 4)
    everybody = holdout(dataset)
    ids = [dataset.users[row].id for row in everybody.rows]
    found = holdout(dataset, users=Split(listed=(ids[2], ids[0], "a stranger")))
    assert [dataset.users[row].id for row in found.rows] == [ids[0], ids[2]]
    assert found.left_out["not listed"] == 2
    assert holdout(dataset, users=Split(listed=tuple(ids))).digest == everybody.digest


def test_users_with_fewer_likes_replay_fewer_and_are_counted(make) -> None:
    rows = [(0, item, 5.0) for item in range(10)]
    rows += [(1, item, 5.0 if item in (4, 9) else 1.0) for item in range(10)]
    found = holdout(make(rows))
    assert [len(user_log.choices) - 1 for user_log in found.user_logs] == [3, 1]
    assert found.describe()["users with fewer replayed than the protocol says"] == 1


def test_cuts_of_the_protocol_come_first_and_are_counted(log) -> None:
    found = holdout(log, cuts=Cuts(liked_only=True), min_interactions=2)
    assert (found.training("full").ratings > LIKED_ABOVE).all()
    counts = found.describe()["cuts"]
    assert [count["interactions"] for count in counts] == [168, int((log.log.ratings > 3).sum())]


def test_items_without_attributes_are_counted(log) -> None:
    assert holdout(log).describe()["items without attributes"] == 60


def test_an_empty_dataset_and_one_where_nobody_qualifies_are_refused(log) -> None:
    empty = type(log)("empty", log.users, log.items, Interactions.empty())
    with pytest.raises(DataError, match=r"no user of empty qualifies.*12 too few interactions"):
        holdout(empty)
    with pytest.raises(DataError, match=r"no user of made up qualifies.*12 too few likes") as error:
        holdout(log, min_likes=14)
    assert "min_likes" in error.value.hint


def test_a_catalogue_that_leaves_too_few_negatives_is_refused(log) -> None:
    with pytest.raises(DataError, match=r"user u0 has touched 14 of 60 items, .* 47 negatives"):
        holdout(log, candidates=48)
