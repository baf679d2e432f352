import sqlite3

import numpy as np
import pytest

from starec_sim.errors import RunError
from starec_sim.runs.recorder import Recorder
from starec_sim.runs.store import Store
from starec_sim.types import CallKey
from tests.starec_sim.runs.lives import WORLD, turn, visit


def count(writing, table):
    return writing.store.db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]


def test_a_new_trial_stands_at_its_beginning(write):
    point = write().point
    assert (point.rounds, point.digest, point.memories, point.environment_state) == (
        0,
        "",
        {},
        None,
    )


def test_the_next_process_goes_on_from_the_last_committed_round(write):
    first = write()
    first.commit(0, [visit(0, 0), visit(2, 0)])
    digest = first.commit(1, [visit(0, 1)])
    first.close()
    point = write().point
    assert (point.rounds, point.digest) == (2, digest)
    assert point.memories[0] == visit(0, 1).steps[0].memory
    assert point.memories[2] == visit(2, 0).steps[0].memory
    np.testing.assert_array_equal(point.environment_state["mood"], [0.0, 2.0, 4.0])


def test_the_latest_note_about_an_item_is_what_the_next_process_reads(write):
    first = write()
    assert first.point.notes == {}
    first.commit(0, [visit(0, 0, notes={4: "for nobody", 5: "for fans"}), visit(2, 0)])
    first.commit(1, [visit(0, 1, notes={4: "by the first"}), visit(1, 1, notes={4: "for some"})])
    first.close()
    assert write().point.notes == {4: "for some", 5: "for fans"}


def test_what_was_noted_is_part_of_the_digest(write):
    digests = set()
    for trial, notes in enumerate(({}, {4: "for fans"}, {4: "for some"}, {5: "for some"})):
        digests.add(write(trial=trial).commit(0, [visit(0, 0, notes=notes)]))
    assert len(digests) == 4


def test_answers_are_kept_before_their_round_is_over(write):
    first = write()
    first.answer(visit(0, 0))
    first.recorder.flush()
    assert (count(first, "turns"), count(first, "rounds")) == (1, 0)
    first.close()
    again = write()
    assert again.point.rounds == 0
    found = again.recorder.find(CallKey(0, 0, 0, "fast", 0))
    assert found == visit(0, 0).steps[0].turns[0]
    assert again.recorder.find(CallKey(0, 1, 0, "fast", 0)) is None


def test_answers_are_committed_at_the_latest_every_64(write):
    writing = write()
    for number in range(130):
        writing.recorder.add(CallKey(0, number, 0, "fast", 0), turn(str(number)))
    assert count(writing, "turns") >= 128


def test_a_commit_that_fails_keeps_the_answers_for_the_next(write):
    writing = write()
    with pytest.raises(IndexError):
        writing.commit(0, [visit(0, 0), visit(1, 0)], broken=np.zeros(1))
    assert (count(writing, "steps"), count(writing, "turns")) == (0, 0)
    writing.recorder.flush()
    assert count(writing, "turns") == 2


def test_a_round_that_is_played_again_after_a_crash_gives_the_same_digest(write, tmp_path):
    (tmp_path / "whole").mkdir(), (tmp_path / "crashed").mkdir()
    whole = write(tmp_path / "whole")
    digests = [whole.commit(n, [visit(0, n), visit(1, n)]) for n in range(2)]
    crashed = write(tmp_path / "crashed")
    assert crashed.commit(0, [visit(0, 0), visit(1, 0)]) == digests[0]
    crashed.answer(visit(0, 1))
    crashed.recorder.flush()
    crashed.close()
    again = write(tmp_path / "crashed")
    asked = [
        v
        for v in (visit(0, 1), visit(1, 1))
        if not again.recorder.find(CallKey(1, v.user, 0, "fast", 0))
    ]
    assert [v.user for v in asked] == [1]
    again.answer(asked[0])
    again.answer = lambda visit: None
    assert again.commit(1, [visit(0, 1), visit(1, 1)]) == digests[1]


def test_the_digest_covers_what_was_decided_and_not_how_long_it_took(write, tmp_path):
    def digest(name, turns):
        (tmp_path / name).mkdir()
        return write(tmp_path / name).commit(0, [visit(0, 0, turns)])

    base = turn("a")
    slower = type(base)(*[9.9 if f == "latency_s" else getattr(base, f) for f in base.__slots__])
    assert digest("one", (base,)) == digest("two", (slower,))
    assert digest("three", (turn("b"),)) != digest("one again", (base,))
    assert digest("four", (turn("a", error="duplicate"),)) != digest("one more", (base,))


def test_what_the_parser_objected_to_is_written_to_the_turn(write):
    writing = write()
    turns = (turn("bad"), turn("good", attempt=1))
    seen = (turn("bad", error="C is missing"), turns[1])
    writing.answer(visit(0, 0, turns))
    writing.answer = lambda visit: None
    writing.commit(0, [visit(0, 0, seen)])
    errors = writing.store.db.execute("SELECT error FROM turns ORDER BY attempt").fetchall()
    assert errors == [("C is missing",), ("",)]


def test_what_has_no_value_is_null_in_a_round_and_absent_in_a_visit(write):
    writing = write()
    writing.commit(0, [visit(0, 0), visit(1, 0)], satisfaction=np.array([4.0, np.nan]))
    db = writing.store.db
    figures = [text for (text,) in db.execute("SELECT figures FROM visits ORDER BY user")]
    assert figures == ['{"slow":0.0,"satisfaction":4.0}', '{"slow":0.0}']
    assert dict(db.execute("SELECT name, value FROM metrics"))["nothing"] is None


def test_trials_of_one_run_do_not_touch_each_other(tmp_path):
    store = Store(tmp_path)
    one, two = Recorder(store, 0), Recorder(store, 1)
    assert one.open("loop", 7, WORLD).rounds == two.open("frozen", 7, WORLD).rounds == 0
    one.add(CallKey(0, 0, 0, "fast", 0), turn())
    one.flush()
    assert Recorder(store, 1).open("frozen", 7, WORLD) == two.open("frozen", 7, WORLD)
    store.close()


def test_a_spoiled_state_of_the_environment_is_a_damage(write, tmp_path):
    writing = write()
    writing.commit(0, [visit(0, 0)])
    writing.close()
    with sqlite3.connect(tmp_path / "run.sqlite") as db:
        db.execute("UPDATE worlds SET state = x'00ff'")
    db.close()
    with pytest.raises(RunError, match="is damaged"):
        write()
