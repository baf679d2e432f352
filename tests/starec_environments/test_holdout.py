"""The hold-out as an environment: replay, then candidate lists; nothing reveals the answer."""

from itertools import chain

import numpy as np
import pytest

from starec_sim.errors import ConfigError, DataError, DataWarning
from starec_sim.holdout.candidate_files import file_digest, write_candidates
from starec_sim.types import Decision

N_ITEMS = 60


@pytest.fixture
def data(make):
    """Eight users, fourteen items each; user 0 likes two of them, the others every second one."""
    rng = np.random.default_rng(4)
    seen = [rng.permutation(N_ITEMS)[:14].tolist() for _ in range(8)]
    rows = [
        (
            user,
            seen[user][nth],
            5.0 if (nth in (6, 13) if user == 0 else nth % 2) else 2.0,
        )
        for nth in range(14)
        for user in range(8)
    ]
    return make(rows, N_ITEMS)


def small(build, dataset, seed=0, protocol=None, **changes):
    asked = {"candidates": 5, "at": [1, 5], "draws": 3, "history": 4, **(protocol or {})}
    return build("holdout", dataset, seed, protocol=asked, **changes)


def logged(dataset, user):
    return dataset.log.where(dataset.log.users == user)


def test_a_user_replays_her_last_likes_and_then_ranks_each_list_once(data, build, play):
    world = small(build, data)
    rounds = play(world, range(6))
    assert [len(visits) for visits in rounds] == [7, 7, 7, 8, 8, 0]  # user 0 has one like to replay
    for visit in rounds[4]:
        assert len(visit.steps) == 3
        assert [step.feedback.ending for step in visit.steps] == ["", "", "done"]
        shown = [step.observation.slate for step in visit.steps]
        assert shown == [
            tuple(lists) for lists in world.holdout.candidate_lists[visit.user].tolist()
        ]
        assert {step.feedback.target for step in visit.steps} == {world.holdout.answers[visit.user]}


def test_nothing_is_revealed_in_the_last_round_or_shown_before_it(data, build, play):
    world = small(build, data)
    rounds = play(world, range(5))
    for visit in rounds[4]:
        assert all(step.feedback.experiences == () for step in visit.steps)
        asked = {item for step in visit.steps for item in step.observation.slate}
        before = {
            item
            for visits in rounds[:4]
            for other in visits
            if other.user == visit.user
            for item in other.steps[0].observation.slate
        }
        assert not asked & before
        assert int(world.holdout.answers[visit.user]) not in [
            e.item for e in experienced(world, rounds, visit.user)
        ]


def experienced(world, rounds, user):
    """What a user remembers from the start, and what her visits revealed."""
    revealed = chain.from_iterable(
        step.feedback.experiences
        for visits in rounds
        for visit in visits
        if visit.user == user
        for step in visit.steps
    )
    return [*world.history(user), *revealed]


@pytest.mark.parametrize("replay", [0, 2, None])
def test_however_much_is_replayed_the_same_is_known_before_the_lists(
    data, build, play, replay
) -> None:
    world = small(build, data, replay=replay)
    rounds = play(world, range(5))
    for user in range(8):
        assert [e.item for e in experienced(world, rounds, user)] == logged(data, user).items[
            :13
        ].tolist()
    visits = sum(len(found) for found in rounds[:4])
    assert visits == {0: 0, 2: 15, None: 30 - 1}[replay]


def test_with_a_swapped_memory_everybody_replays_anothers_log_and_ranks_her_own_lists(
    data, build, play
) -> None:
    own, swapped = small(build, data), small(build, data, memory="swapped")
    rounds = play(swapped, range(5))
    logs_of = {tuple(e.item for e in experienced(swapped, rounds, user)): user for user in range(8)}
    assert len(logs_of) == 8
    for user in range(8):
        assert swapped.users[user].id == own.users[user].id
        assert (swapped.holdout.candidate_lists[user] == own.holdout.candidate_lists[user]).all()
        assert tuple(logged(data, user).items[:13].tolist()) not in [
            items for items, who in logs_of.items() if who == user
        ]
    assert swapped.describe()["candidates in the borrowed past"] > 0


def test_a_swapped_user_has_the_profile_of_the_one_whose_log_she_replayed(build) -> None:
    from starec_environments.datasets.synthetic import Synthetic

    data = Synthetic(Synthetic.Config(users=30, items=200)).load()
    own, swapped = (build("holdout", data, memory=memory) for memory in ("own", "swapped"))
    histories = {own.history(user): own.users[user] for user in range(len(own.users))}
    for user in range(len(own.users)):
        other = histories[swapped.history(user)]
        assert swapped.users[user].profile == other.profile
        assert swapped.users[user].id == own.users[user].id != other.id


def test_one_user_alone_cannot_swap(make, build) -> None:
    dataset = make([(0, item, 5.0) for item in range(10)], N_ITEMS)
    with pytest.raises(DataError, match="cannot be swapped with a single user"):
        small(build, dataset, memory="swapped")


def test_signals_come_from_the_training_interactions_and_know_no_answer(data, build) -> None:
    world = small(build, data, protocol={"signals": ["popularity", "rating", "together"]})
    world.begin_round(4)
    shown = world.observe(1, ())
    assert all("seen by" in text for text in shown.cards)
    # Popularity counts nothing from any evaluated user's answer on.
    assert world.popularity.sum() == sum(13 for _ in range(8))
    with pytest.raises(ConfigError, match=r"rating, together, follows, each once; got folows"):
        small(build, data, protocol={"signals": ["folows"]})


def test_reward_and_rank_are_those_of_the_ranking_environment(data, build) -> None:
    world = small(build, data)
    world.begin_round(4)
    shown = world.observe(3, ())
    answer = int(world.holdout.answers[3])
    best = (answer, *(item for item in shown.slate if item != answer))
    assert world.respond(3, (), shown, Decision(best, 5)).reward == {"tier": 1.0, "ndcg": 1.0}
    nothing = world.respond(3, (), shown, Decision(shown.slate, 0))
    assert nothing.reward == {"tier": -1.0, "ndcg": 0.0}


def test_lists_from_a_file_are_shown_and_another_file_is_refused(data, build, tmp_path):
    path = tmp_path / "candidates.jsonl"
    write_candidates(small(build, data, seed=5).holdout.listed(), path)
    again = small(build, data, seed=0, candidates=str(path), candidates_sha256=file_digest(path))
    assert (
        again.holdout.candidate_lists == small(build, data, seed=5).holdout.candidate_lists
    ).all()
    with pytest.raises(DataError, match="is not the file of candidates that the run began with"):
        small(build, data, candidates=str(path), candidates_sha256="0" * 64)


def test_what_a_visitor_sees_depends_on_nothing_but_round_user_and_step(data, build, play) -> None:
    played = play(small(build, data), range(5))
    world = small(build, data)
    for round in reversed(range(5)):
        for user in reversed(world.begin_round(round)):
            visit = next(v for v in played[round] if v.user == user)
            for number, step in enumerate(visit.steps):
                assert world.observe(user, visit.steps[:number]) == step.observation


def test_in_a_small_catalogue_replayed_choices_stand_among_fewer_items_and_a_note_says_so(
    make, build, play
) -> None:
    rng = np.random.default_rng(0)
    rows = [(user, int(item), 5.0) for user in range(3) for item in rng.permutation(21)[:12]]
    with pytest.warns(DataWarning, match=r"of 3 users stand among \d to \d other items .* of 4"):
        world = small(build, make(rows, 21))
    slates = [
        len(step.observation.slate)
        for visits in play(world, range(4))
        for visit in visits
        for step in visit.steps
    ]
    assert 2 <= min(slates) < 5
    small(build, make(rows, 21), protocol={"history": 0})


def test_a_catalogue_without_any_item_beside_a_replayed_choice_is_refused(make, build) -> None:
    rng = np.random.default_rng(0)
    rows = [(user, int(item), 5.0) for user in range(3) for item in rng.permutation(16)[:12]]
    with pytest.raises(DataError, match="leaves no item that neither she touched"):
        small(build, make(rows, 16))


def test_the_hold_out_needs_data(build) -> None:
    with pytest.raises(DataError, match="needs data"):
        build("holdout", None)
