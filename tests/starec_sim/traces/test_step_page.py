import re
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from starec_environments.feed import FeedEnvironment
from starec_sim.boundary.environment import CheckedEnvironment
from starec_sim.errors import ContractError, RunError
from starec_sim.runs.manifest import read_manifest
from starec_sim.runs.reader import reading
from starec_sim.runs.store import Store
from starec_sim.traces.people import read_people
from starec_sim.traces.step_page import changes, read_step
from starec_sim.types import Decision, Experience, Feedback
from tests.starec_sim.runs.lives import turn
from tests.starec_sim.traces.conftest import play


def pages(reader, arm="loop"):
    trial = reader.trial(arm, None)
    for row, user in reader.users(trial):
        for round, step in reader.step_keys(trial, row):
            yield read_step(reader, trial, user.id, round + 1, step + 1)


def test_a_page_says_what_the_record_says(reader):
    trial = reader.trial("loop", None)
    for row, user in reader.users(trial):
        summary, gained = "", 0
        for number, step in enumerate(reader.steps(trial, row)):
            page = read_step(reader, trial, user.id, step.round + 1, step.step + 1)
            assert page.memory_before.summary == summary
            assert page.memory_before.steps == number
            assert len(page.memory_before.gained) == gained
            assert page.summary_after == step.summary
            assert [place.item.id for place in page.slate] == [
                item.id
                for row in step.observation.slate
                for item in reader.items(trial, [row]).values()
            ]
            assert page.reward == step.feedback.reward
            summary, gained = step.summary, gained + len(step.feedback.experiences)


def test_the_hidden_truth_is_what_watching_revealed(reader):
    watched = [place for page in pages(reader) for place in page.slate if place.watched]
    assert watched
    assert all(place.truth == place.rating for place in watched)
    assert any(
        place.truth is not None and not place.watched
        for page in pages(reader)
        for place in page.slate
    )


def test_scores_fall_from_the_first_place_to_the_last(reader):
    for page in pages(reader):
        scores = [place.score for place in page.slate]
        assert None not in scores
        assert scores == sorted(scores, reverse=True)


def test_what_was_recalled_is_in_the_prompt_with_its_similarity(reader):
    recalled = [(page, each) for page in pages(reader) for each in page.recalled or ()]
    assert recalled
    for page, each in recalled:
        assert 0 < each.score <= 1
        assert any(each.item.title in line for line in page.memory_before.shown)


def test_previous_and_next_lead_through_all_steps_of_a_user(reader):
    trial = reader.trial("loop", None)
    for row, user in reader.users(trial):
        keys = reader.step_keys(trial, row)
        if not keys:
            continue
        page = read_step(reader, trial, user.id, keys[0][0] + 1, keys[0][1] + 1)
        walked = [page.at]
        while page.next is not None:
            page = read_step(reader, trial, user.id, page.next.round, page.next.step)
            assert page.previous == walked[-1]
            walked.append(page.at)
        assert [(at.round - 1, at.step - 1) for at in walked] == keys


def test_the_truth_of_a_ranking_includes_the_choice(ranking):
    with reading(ranking) as reader:
        for page in pages(reader, None):
            (target,) = [place for place in page.slate if place.target]
            assert target.truth == target.rating
            assert {place.score for place in page.slate} == {None}
            assert page.slow


def test_other_steps_texts_are_not_read(reader):
    trial = reader.trial("loop", None)
    row, user = next(
        (row, user) for row, user in reader.users(trial) if len(reader.step_keys(trial, row)) > 2
    )
    round, step = reader.step_keys(trial, row)[-1]
    said = []
    reader.db.set_trace_callback(said.append)
    page = read_step(reader, trial, user.id, round + 1, step + 1)
    reader.db.set_trace_callback(None)
    own = sum(len(turn.messages) + 1 for turn in page.turns) + 2  # both summaries
    assert sum("FROM texts" in statement for statement in said) <= own
    for statement in said:
        plan = " ".join(row[3] for row in reader.db.execute(f"EXPLAIN QUERY PLAN {statement}"))
        assert not re.search(r"SCAN (s|t|k|steps|turns|texts)\b", plan), (statement, plan)


def test_a_user_round_or_step_that_is_not_there_is_named(reader):
    trial = reader.trial("loop", None)
    row, user = next((r, u) for r, u in reader.users(trial) if reader.step_keys(trial, r))
    round = reader.step_keys(trial, row)[0][0] + 1
    with pytest.raises(RunError, match=r'has the id "u99".*the nearest (is|are) '):
        read_step(reader, trial, "u99", 1)
    with pytest.raises(RunError, match="did not visit in round 9; the rounds of her visits: "):
        read_step(reader, trial, user.id, 9)
    with pytest.raises(RunError, match=r"has no step 7; its steps are 1 to \d"):
        read_step(reader, trial, user.id, round, 7)
    with pytest.raises(RunError, match=rf"nearest is {user.id}; the first who visit"):
        read_step(reader, trial, user.id.upper(), round)


def test_the_arms_in_which_a_user_visits_are_named_if_the_asked_one_is_another(write):
    run = write("a", trials=(("main", 7), ("rarely", 7)))
    with closing(sqlite3.connect(run / "run.sqlite")) as db, db:
        db.execute("DELETE FROM steps WHERE trial = 1 AND user = 2")
    said = r'no visit in "rarely".*in: "main"\n'
    with reading(run) as reader, pytest.raises(RunError, match=said) as told:
        read_step(reader, reader.trial("rarely", None), "u2", 1)
    assert told.value.hint == "add --arm main --seed 7"


def without_facts(folder, to):
    shutil.copytree(folder, to)
    db = sqlite3.connect(to / "run.sqlite")
    db.execute("DROP TABLE step_facts")
    db.execute("DROP TABLE visit_facts")
    db.commit()
    db.close()
    return to


def test_a_record_without_facts_opens_and_counts_the_same_people(feed, tmp_path, reader):
    old = without_facts(feed, tmp_path / "old")
    trial = reader.trial("loop", None)
    with reading(old) as before:
        assert all(place.score is None for page in pages(before) for place in page.slate)
        assert read_people(before, trial) == read_people(reader, trial)
    Store(old).close()  # to write into it creates the tables
    with reading(old) as resumed:
        assert read_people(resumed, trial) == read_people(reader, trial)


SETTINGS = {
    "name": "facts",
    "rounds": 2,
    "environment": {"use": "feed", "recommender": "popularity", "page_size": 3, "pages": 2},
}


def test_facts_change_no_digest(tmp_path, monkeypatch):
    told = play(tmp_path / "told", **SETTINGS)
    monkeypatch.setattr(CheckedEnvironment, "slate_facts", lambda *_: {})
    silent = play(tmp_path / "silent", **SETTINGS)
    assert read_manifest(told).digest == read_manifest(silent).digest
    with reading(silent) as reader:
        assert all(place.truth is None for page in pages(reader, None) for place in page.slate)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1.0], "has 1 values; the slate has 3 places"),
        ([1.0, float("nan"), 2.0], "is nan; it must be a finite number"),
        ([1.0, "high", 2.0], "is 'high'; it must be a number"),
    ],
)
def test_facts_of_another_length_or_without_a_number_are_refused(
    tmp_path, monkeypatch, values, said
):
    monkeypatch.setattr(FeedEnvironment, "slate_facts", lambda *_: {"score": values})
    with pytest.raises(ContractError, match=said):
        play(tmp_path, **SETTINGS)


def test_changes_are_by_line():
    found = changes("likes war\nhates rain", "likes war\nlikes rain")
    assert [(change.op, change.text) for change in found] == [
        ("kept", "likes war"),
        ("removed", "hates rain"),
        ("added", "likes rain"),
    ]


def test_text_and_markdown_of_a_step_say_the_same(starec, write, changed):
    revealed = (
        Experience(1, None, "world", like=True),
        Experience(2, 3.5, "model"),
        Experience(5, None, "world", like=False),
    )
    flawed = Decision(flaws={"unparsed": 2}, repaired=True)
    turns = (replace(turn("cut off"), failure="time-out: no answer"),)
    parts = {"decision": flawed, "feedback": Feedback(revealed, ending="left"), "turns": turns}
    folder = write("odd", changed(1, 1, **parts))
    for form in ([], ["--md"]):
        said = starec("why", folder, "u1", 2, *form)[1].replace("\\", "")
        assert "The answer was malformed: unparsed 2" in said
        assert "Title 5 disliked" in said and "time-out: no answer" in said
        assert "1 step of this run, which revealed 1 experience" in said
        assert re.search(r"Title 1\b.* liked", said), said
    assert "3.5 (by a model)" in said


def test_an_answer_that_was_repaired_is_told_in_markdown(starec, write, changed):
    folder = write("repaired", changed(1, 1, decision=Decision(repaired=True)))
    assert "The answer needed a repair" in starec("why", folder, "u1", 2, "--md")[1]
