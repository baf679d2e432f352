"""A schedule sets what one user of a feed sees first in one round."""

import numpy as np
import pytest

from starec_environments.feed_slates import FeedSlates
from starec_sim import RunEvents, fork, load_dataset, resume, run
from starec_sim.errors import ConfigError, ContractWarning
from starec_sim.reopen import reopen
from starec_sim.runs.reader import reading
from starec_sim.traces.step_page import read_step
from tests.small_feed import digests, small_feed

DATA = {"use": "synthetic", "users": 8, "items": 120}
ITEMS = [item.id for item in load_dataset(DATA).items]
ROUNDS, PAGE = 3, 4
SLATE = ["i120", "i7", "i90", "i33"]


def experiment(folder, *schedule, recommender="als", **changes):
    feed = {
        "use": "feed",
        "recommender": recommender,
        "activity": 1.0,
        "page_size": PAGE,
        "pages": 2,
    }
    values = {"rounds": ROUNDS, "environment": feed, "schedule": schedule, **changes}
    return small_feed(folder, "slates", DATA["users"], **values)


def entry(round=2, slate=SLATE, user="u2"):
    return {"round": round, "slate": {user: slate}}


def shown(folder, round):
    """Return the slates of each user in a round."""
    with reading(folder) as reader:
        trial = reader.trial("main", 3)
        names = {row: user.id for row, user in reader.users(trial)}
        steps = reader.round_steps(trial, round - 1)
        return {
            names[user]: [[ITEMS[item] for item in step.observation.slate] for step in of]
            for user, of in steps.items()
        }


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return run(experiment(tmp_path_factory.mktemp("plain"), recommender="random")).folder


@pytest.fixture(scope="module")
def forked(plain):
    return fork(plain, 1, [f"slate.u2={','.join(SLATE)}"]).run.folder


def test_one_user_sees_the_slate_in_its_order_and_all_others_what_they_saw(plain, forked):
    before, after = shown(plain, 2), shown(forked, 2)
    assert digests(forked)[0] == digests(plain)[0]
    assert after.pop("u2")[0] == SLATE != before.pop("u2")[0]
    assert after == before
    assert shown(forked, 3)["u2"][0] != SLATE


def test_later_pages_stay_and_show_nothing_twice():
    slates = FeedSlates()
    slates.set({1: [9, 6, 3]})
    items, scores = np.arange(1, 8), np.arange(7, 0, -1) / 10
    pages, of_pages = slates.arranged(1, items, scores)
    assert pages.tolist() == [9, 6, 3, 4, 5, 7, 1]
    np.testing.assert_allclose(of_pages, [np.nan, 0.2, 0.5, 0.4, 0.3, 0.1, 0.7])
    assert slates.arranged(0, items, scores)[0] is items


def test_a_fork_is_the_run_with_the_slate_in_its_schedule_for_every_executor(forked, tmp_path):
    for executor in ("cohort", "per_user"):
        of = experiment(tmp_path, entry(), recommender="random", executor=executor)
        assert digests(run(of).folder) == digests(forked)


@pytest.mark.parametrize("rounds", [1, 2])
def test_a_resume_shows_the_slate_in_its_round_alone(tmp_path, forked, rounds):
    class Stop(RunEvents):
        def round_finished(self, round, metrics):
            if round + 1 == rounds:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(experiment(tmp_path, entry(), recommender="random"), Stop())
    (folder,) = tmp_path.iterdir()
    assert digests(resume(folder).folder) == digests(forked)


def test_the_slate_is_part_of_the_state_until_the_round_ends(forked):
    opened = reopen(forked, 1)
    row = next(n for n, user in enumerate(opened.environment.users) if user.id == "u2")
    slate = opened.environment.observe(row, ()).slate
    assert [ITEMS[item] for item in slate] == SLATE
    assert "slates" in opened.environment.state()
    assert "slates" not in reopen(forked, 2).environment.state()


def test_why_says_that_the_schedule_set_the_slate(forked, starec):
    with reading(forked) as reader:
        trial = reader.trial("main", 3)
        set_in = {
            (user, round)
            for user in ("u1", "u2")
            for round in (1, 2, 3)
            if read_step(reader, trial, user, round).slate_set
        }
    assert set_in == {("u2", 2)}
    _, out, _ = starec("why", forked, "u2", 2)
    assert "page 1, set by the schedule" in out


def test_a_user_who_stays_away_is_told(tmp_path):
    calm = experiment(tmp_path, entry(), rounds=2)
    calm.environment["activity"] = 0.01
    with pytest.warns(ContractWarning, match="user u2 does not visit in round 2, so she does"):
        run(calm)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (entry(user="U2"), 'slate: there is no user "U2"; did you mean "u2"'),
        (entry(slate=["i1", "i2", "i3", "i121"]), 'slate: there is no item "i121", which u2'),
        (entry(slate=["i1", "i2", "i3", "i1"]), 'slate: u2 is to see the item "i1" twice'),
        (entry(slate=["i1", "i2"]), "slate: a page has 4 items, and 2 are named for u2"),
    ],
)
def test_a_wrong_slate_is_named_before_the_run(tmp_path, changed, message):
    with pytest.raises(ConfigError, match=message):
        run(experiment(tmp_path, changed))
    assert not [*tmp_path.iterdir()]


def test_a_removed_item_is_refused(tmp_path):
    removed = {"round": 2, "event": {"use": "remove", "items": ["i7"]}}
    with pytest.raises(ConfigError, match='the item "i7", which is shown no more'):
        run(experiment(tmp_path, removed, entry()))


def test_a_fork_names_a_wrong_slate_as_it_was_written(plain):
    for change, message in (
        ("slate.u2=i1,,i3,i4", 'there is no item ""'),
        ("slate.=i1,i2,i3,i4", 'slate: there is no user ""'),
        ("slate.u2=", 'there is no item ""'),
        ("slate.u2", "is not KEY=VALUE"),
    ):
        with pytest.raises(ConfigError, match=message):
            fork(plain, 1, [change])


def test_environments_that_set_no_slates_refuse_them(tmp_path):
    ranking = {"use": "ranking", "candidates": 4, "min_interactions": 4}
    with pytest.raises(ConfigError, match="RankingEnvironment lets no schedule set what users see"):
        experiment(tmp_path, entry(), environment=ranking).resolve()
