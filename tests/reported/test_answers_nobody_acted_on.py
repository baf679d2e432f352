"""In a training, the other answers of a group stand beside the one that a user acted on."""

import json
import shlex
from dataclasses import replace

import pytest

from starec_sim import read_run
from starec_sim.runs.attempts import BRANCH, EPISODE, FOLLOW_UP
from starec_sim.runs.export import export_turns
from starec_sim.runs.manifest import write_manifest
from starec_sim.runs.reader import reading
from starec_sim.runs.store import Store
from starec_sim.runs.turns import insert_turn
from starec_sim.traces.compare import compare
from starec_sim.traces.scan import scan
from starec_sim.traces.scan_rules import read_rules
from starec_sim.types import CallKey
from tests.starec_sim.runs.conftest import a_manifest
from tests.starec_sim.runs.lives import Writing, tokens, turn, visit

OTHERS = {BRANCH + 1: "branch one", BRANCH + 2: "branch two", FOLLOW_UP: "ranked", EPISODE: "lost"}


def write(folder, others):
    """Write three rounds of three users, whose every question got `others` as further answers."""
    folder.mkdir()
    write_manifest(folder, a_manifest(kind="training", arms=["episode 1"], seeds=[7]))
    writing = Writing(folder, arm="episode 1")
    for round in range(3):
        own = [
            replace(turn(f"acted {user} {round}"), tokens=tokens(group=f"{user} {round}"))
            for user in range(3)
        ]
        writing.commit(round, [visit(user, round, (own[user],)) for user in range(3)])
    writing.close()
    record = Store(folder)
    with record.transaction():
        for round, user in ((round, user) for round in range(3) for user in range(3)):
            for attempt, text in others.items():
                told = replace(turn(text, attempt=attempt), tokens=tokens(group=f"{user} {round}"))
                insert_turn(record, 0, CallKey(round, user, 0, "fast", attempt), told)
    record.close()
    return folder


@pytest.fixture
def training(tmp_path):
    return write(tmp_path / "training", OTHERS)


def test_the_reward_of_the_answer_that_was_acted_on_is_no_reward_of_the_others(training, tmp_path):
    file = export_turns(training, tmp_path / "turns.jsonl").file
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    rewards = {row["attempt"]: (row["reward"], row["reward_engagement"]) for row in rows}
    assert rewards == {0: (0.5, 0.5), **dict.fromkeys(OTHERS, (None, None))}


def test_a_scan_judges_the_answer_that_was_acted_on(training, tmp_path):
    (tmp_path / "rules.yaml").write_text("rules: [{kind: same-answer, streak: 2}]")
    with reading(training) as reader:
        assert scan(reader, read_rules(tmp_path / "rules.yaml")).findings == ()


def test_the_visits_of_a_user_hold_her_own_answers(starec, training):
    _, text, _ = starec("show", training, "--user", "u1", "--prompts")
    assert "acted 1 0" in text and "again" not in text
    _, answer, _ = starec("show", training, "--user", "u1", "--json")
    steps = json.loads(answer)["steps"]
    assert [[each["attempt"] for each in step["turns"]] for step in steps] == [[0]] * 3


@pytest.mark.parametrize("form", ["md", "otel", "atif"])
def test_exported_visits_hold_their_own_answers(starec, training, tmp_path, form):
    if form == "atif":
        pytest.importorskip("atif")
    file = tmp_path / "visits"
    status, _, err = starec("export", training, "--to", form, "--out", file)
    written = file.read_text()
    assert status == 0, err
    assert "acted 2 2" in written and "branch one" not in written and "ranked" not in written


@pytest.mark.parametrize(
    ("words", "label"),
    [
        ("branch one", "another answer"),
        ("ranked", "a follow-up ranking"),
        ("lost", "another visit of the group"),
    ],
)
def test_a_search_says_whose_answer_it_found_and_how_to_read_it(starec, training, words, label):
    _, found, _ = starec("search", training, words, "--node", "fast", "--json")
    hit = next(hit for hit in json.loads(found)["hits"] if hit["where"] == "answer")
    _, text, _ = starec("search", training, words)
    assert f"answer of fast ({label})" in text
    program, *arguments = shlex.split(hit["command"])
    assert program == "starec"
    _, answer, _ = starec(*arguments)
    assert json.loads(answer)["rows"] == [[words]]


def test_trainings_that_differ_in_other_answers_only_did_the_same(training, tmp_path):
    other = write(tmp_path / "other", {BRANCH + 1: "another branch"})
    assert [step.parts for step in compare(training, other, user="u1").steps] == [()] * 3


def test_tables_of_calls_say_what_an_attempt_is(starec, training):
    assert {row.attempt for row in read_run(training).turns()} == {0, *OTHERS}
    _, schema, _ = starec("sql", training, "--schema", "--json")
    meaning = json.loads(schema)["views"]["turns"]["columns"]["attempt"]
    assert all(str(first) in meaning for first in (BRANCH + 1, FOLLOW_UP, EPISODE))
