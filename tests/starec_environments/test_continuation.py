"""What users of a generated world choose after their logs have ended."""

import numpy as np
import pytest

from starec_environments.datasets.synthetic import Synthetic
from starec_sim.errors import DataError, DeprecatedKeyWarning

CHANGE = 3


@pytest.fixture(scope="module")
def drifting():
    settings = {"users": 60, "items": 300, "interactions": 20.0, "drift": {"at_round": CHANGE}}
    return Synthetic(Synthetic.Config(**settings)).load()


def going_on(build, dataset, seed=0, **changes):
    return build("ranking", dataset, seed, **{"min_picks": 2, "choices": 6, **changes})


def test_a_round_reveals_at_least_so_many_picks_and_ends_with_one_she_likes(drifting, build, play):
    world = going_on(build, drifting)
    rows = {user.id: row for row, user in enumerate(drifting.users)}
    rounds = play(world, range(6))
    assert len(rounds[0]) == len(world.users) > 40
    for number, visits in enumerate(rounds):
        for visit in visits:
            feedback = visit.steps[0].feedback
            experienced = feedback.experiences
            assert experienced[-1].item == feedback.target and experienced[-1].liked
            # What she picks before the first choice is part of her history.
            assert len(experienced) >= 2 or number == 0
            assert not any(e.liked for e in experienced[1:-1])
            items = np.array([e.item for e in experienced])
            row = rows[world.users[visit.user].id]
            truth = np.rint(drifting.world.ratings(row, items, number))
            assert [e.rating for e in experienced] == truth.tolist()


def test_nobody_meets_an_item_twice_and_the_log_comes_first(drifting, build, play):
    world = going_on(build, drifting)
    rounds = play(world, range(6))
    rows = {user.id: row for row, user in enumerate(drifting.users)}
    for user in range(len(world.users)):
        logged = drifting.log.where(drifting.log.users == rows[world.users[user].id]).items.tolist()
        experienced = [e.item for e in world.history(user)]
        experienced += [
            e.item for visits in rounds for e in visits[user].steps[0].feedback.experiences
        ]
        assert len(set(experienced)) == len(experienced)
        assert experienced[: min(40, len(logged))] == logged[-40:]


def test_after_the_change_people_choose_by_their_new_tastes(drifting, build, play):
    world = going_on(build, drifting)
    rows = [[u.id for u in drifting.users].index(user.id) for user in world.users]

    def liking(visits, round):
        targets = [np.array([visit.steps[0].feedback.target]) for visit in visits]
        pairs = zip(rows, targets, strict=True)
        return np.mean([drifting.world.taste(row, item, round)[0] for row, item in pairs])

    rounds = play(world, range(6))
    for number, visits in enumerate(rounds):
        old, new = liking(visits, 0), liking(visits, CHANGE)
        followed, left_behind = (old, new) if number < CHANGE else (new, old)
        assert followed > left_behind + 0.5


def test_the_same_seed_gives_the_same_choices_and_another_seed_others(drifting, build, play):
    def targets(seed):
        rounds = play(going_on(build, drifting, seed), range(6))
        return [visit.steps[0].feedback.target for visits in rounds for visit in visits]

    assert targets(1) == targets(1) != targets(2)


def test_what_will_be_chosen_is_not_among_the_training_interactions(drifting, build):
    world = going_on(build, drifting, min_picks=1)
    assert world.describe()["left out"]["too few interactions"] > 0
    assert world.popularity.sum() == len(drifting.log.users)


def test_the_setting_still_goes_by_its_old_name(drifting, build):
    with pytest.warns(DeprecatedKeyWarning, match="min_picks"):
        old = build("ranking", drifting, lived=2, choices=6)
    assert old.describe() == going_on(build, drifting).describe()


def test_data_that_cannot_say_what_people_would_choose_is_refused(rated, build):
    with pytest.raises(DataError, match="made up would choose after their log ends") as refused:
        going_on(build, rated)
    assert "environment.min_picks" in refused.value.hint


def test_whoever_runs_out_of_things_to_like_is_left_out_and_counted(build):
    settings = {"users": 30, "items": 60, "interactions": 20.0}
    tiny = Synthetic(Synthetic.Config(**settings)).load()
    world = going_on(build, tiny, candidates=5, choices=8)
    left_out = world.describe()["left out"]
    assert left_out["too few likes"] > 0
    assert len(world.users) + sum(left_out.values()) == 30


def test_whoever_has_met_nearly_everything_is_left_out_and_counted(build):
    settings = {"users": 30, "items": 60, "interactions": 20.0}
    tiny = Synthetic(Synthetic.Config(**settings)).load()
    many, few = (going_on(build, tiny, candidates=n, choices=4) for n in (25, 5))
    left_out = many.describe()["left out"]
    assert left_out["too few items left"] == len(few.users) - len(many.users) > 0
