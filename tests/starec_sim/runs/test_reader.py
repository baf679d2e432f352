import sqlite3
from contextlib import closing

import pytest

from starec_sim.errors import RunError
from starec_sim.runs.manifest import write_manifest
from starec_sim.runs.reader import Reader
from starec_sim.runs.schema import FILE
from starec_sim.runs.store import Store
from tests.starec_sim.runs.conftest import a_manifest
from tests.starec_sim.runs.lives import WORLD, Writing, visit


@pytest.fixture
def reader(write, tmp_path):
    writing = write()
    writing.commit(0, [visit(0, 0), visit(1, 0)])
    writing.commit(1, [visit(0, 1)])
    with closing(Reader(tmp_path)) as reader:
        yield reader


def test_a_trial_says_what_it_is_and_how_far(reader):
    (trial,) = reader.trials()
    assert (trial.arm, trial.seed, trial.rounds) == ("main", 7, 2)
    assert trial.facts == {"users": 3, "truth": "world"}


def test_a_step_comes_back_as_it_was(reader):
    trial = reader.trial(None, None)
    row, user = reader.user(trial, "u0")
    steps = list(reader.steps(trial, row))
    assert user == WORLD.users[0]
    assert [(step.round, step.step) for step in steps] == [(0, 0), (1, 0)]
    lived, told = visit(0, 1).steps[0], steps[1]
    assert (told.decision, told.feedback, told.verdict) == (
        lived.decision,
        lived.feedback,
        lived.verdict,
    )
    assert told.observation.slate == lived.observation.slate
    assert told.turns == lived.turns
    assert told.summary == "War: liked, round 1"


def test_somebody_who_never_came_has_no_steps(reader):
    trial = reader.trial(None, None)
    assert list(reader.steps(trial, reader.user(trial, "u2")[0])) == []


def test_items_are_read_by_row(reader):
    assert reader.items(reader.trial(None, None), [2, 2, 5]) == {
        2: WORLD.items[2],
        5: WORLD.items[5],
    }


def test_who_thought_most_comes_first(reader):
    assert reader.most_slow_steps(reader.trial(None, None), 5) == [("u0", 2, 0), ("u1", 1, 0)]
    assert len(reader.most_slow_steps(reader.trial(None, None), 1)) == 1


def test_a_run_is_read_while_it_is_written(write, tmp_path):
    writing = write()
    with closing(Reader(tmp_path)) as reader:
        assert reader.trials()[0].rounds == 0
        writing.commit(0, [visit(0, 0)])
        assert reader.trials()[0].rounds == 1


@pytest.mark.parametrize(
    ("arm", "seed", "said"),
    [
        ("mian", None, 'no arm "mian" has begun in this run; did you mean "main"?'),
        (None, 3, "the run has no trial with seed 3; its seeds so far: 7"),
        ("main", 3, "the run has no trial with seed 3"),
    ],
)
def test_a_trial_that_is_not_there_is_an_error(reader, arm, seed, said):
    with pytest.raises(RunError) as raised:
        reader.trial(arm, seed)
    assert raised.value.message.startswith(said)
    assert raised.value.hint


def test_an_unknown_user_is_an_error_that_names_some(reader):
    with pytest.raises(RunError, match='id "u9"; the first who visit in "main" are u0, u1\n'):
        reader.user(reader.trial(None, None), "u9")


@pytest.mark.parametrize("level", ["everything", "decisions"])
def test_those_who_visit_in_the_trial_are_suggested_for_an_unknown_user(tmp_path, level):
    writing = Writing(tmp_path, arm="episode 1", level=level)
    writing.commit(0, [visit(2, 0)])
    writing.close()
    write_manifest(tmp_path, a_manifest(kind="training"))
    with closing(Reader(tmp_path)) as reader, pytest.raises(RunError) as raised:
        reader.user(reader.trial(None, None), "u9")
    assert raised.value.message.endswith('; the first who visit in "episode 1" are u2')
    assert "validations for whom learning changed most" in raised.value.hint
    assert "slow thinking" not in raised.value.hint


def test_the_trial_that_has_an_unknown_user_is_named(tmp_path):
    for number, arm in enumerate(("one", "other")):
        writing = Writing(tmp_path, trial=number, arm=arm)
        writing.commit(0, [visit(2, 0)])
        writing.close()
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        db.execute("DELETE FROM users WHERE trial = 0 AND id = 'u1'")
        db.commit()
    with closing(Reader(tmp_path)) as reader, pytest.raises(RunError) as raised:
        reader.user(reader.trial("one", None), "u1")
    assert raised.value.hint.endswith("the trial that has her: --arm other --seed 7")


def test_a_run_without_trials_has_not_begun(tmp_path):
    Store(tmp_path).close()
    with closing(Reader(tmp_path)) as reader, pytest.raises(RunError, match="not begun"):
        reader.trial(None, None)
