"""`starec interview` as users type it."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from tests.starec_sim.interviews.scripted import asked_run

ROOT = Path(__file__).parents[3]
POLICY = ("--policy", f"{ROOT}/docs/examples/interviews/respondent.yaml")
SATISFIED = ("How satisfied are you?", "--scale", "1-5")


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    data = {"use": "synthetic", "users": 14, "items": 60, "interactions": 12}
    return asked_run(tmp_path_factory.mktemp("runs"), rounds=2, data=data)


@pytest.fixture
def played(original, tmp_path):
    return shutil.copytree(original, tmp_path / "asked")


def test_a_question_prints_a_figure_and_says_where_the_answers_are(starec, played):
    status, out, err = starec("interview", played, *SATISFIED, *POLICY)
    assert (status, err) == (0, "")
    assert "after round 2" in out and "mean" in out
    assert f"All answers: {played}/interviews/1.json" in out
    _, listed, _ = starec("interview", played)
    assert "interviews/1.json" in listed and "How satisfied are you?" in listed


def test_a_survey_of_both_arms_is_a_table_and_json(starec, played, tmp_path):
    survey = ROOT / "docs" / "examples" / "interviews" / "survey.yaml"
    asked = ("--questions", survey, "--users", "3", "--by", "arm", "--csv", tmp_path / "a.csv")
    status, out, _ = starec("interview", played, *asked, *POLICY, "--json")
    found = json.loads(out)
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert (status, len(found["answers"]), len(rows)) == (0, 30, 30)
    assert {figure["arm"] for figure in found["figures"]} == {"popular", "random"}
    assert {row["value"] for row in rows if row["type"] == "yes_no"} <= {"yes", "no"}
    assert {row["round"] for row in rows} == {"2"} and rows[0]["profile.gender"] in "FM"


@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [
        (["Why?"], 'the question "Why?" has no type', "--scale 1-5"),
        (["u1", "--scale", "1-5"], '"u1" is a user, and no question', "How satisfied are you"),
        (["--scale", "1-5"], "--scale is the type of a question", "write the question"),
        (["Why?", "--scale", "1-5", "--number"], "has types scale and number", "--choice"),
        (["Why?", "--choice", "a,b,a"], 'the option "a" is there more than once', "--choice"),
        (["u99", "Why?", "--yes-no"], 'the id "u99"', "name one of those"),
        (["Why?", "--yes-no", "--by", "agee"], 'did you mean "age"', "--by"),
        (["Why?", "--yes-no", "--at-round", "3"], "no round 3", "from 1 to 2"),
        (["Why?", "--yes-no", "--users", "3", "--users", "4"], "--users 3 4", "--users 20"),
        (["--questions", "q.yaml", "--number"], "has its type in the file", "--number"),
    ],
)
def test_a_wrong_command_says_what_to_change(starec, played, words, said, hint):
    status, _, err = starec("interview", played, *words, *POLICY)
    assert status == 2
    assert said in err and hint in err.partition("hint: ")[2]
    assert not (played / "interviews").exists()


def test_without_a_chat_model_the_command_says_which_one_to_name(starec, played):
    status, _, err = starec("interview", played, *SATISFIED)
    assert status == 2
    assert '"lexical" cannot be interviewed' in err and "--policy openai" in err


def test_servers_and_keys_of_others_folders_are_used_only_if_trusted(starec, played):
    config = played / "config.yaml"
    elsewhere = "fast: {use: openai, model: m, base_url: 'http://models.example/v1'}"
    text = config.read_text()
    assert "fast:\n    use: lexical" in text
    config.write_text(text.replace("fast:\n    use: lexical", elsewhere))
    status, _, err = starec("interview", played, *SATISFIED)
    assert status == 2
    assert "was not made here" in err and "--trust" in err


def test_a_spent_budget_is_said_and_the_rest_counted(starec, played):
    status, out, _ = starec("interview", played, *SATISFIED, *POLICY, "--budget", "calls=1")
    assert status == 0
    assert "Stopped: the budget is spent" in out and "were not asked" in out
