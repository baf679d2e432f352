"""The API answers what the pages expect, and refuses what they never ask."""

import json
from pathlib import Path

import pytest

import starec_sim
from tests.starec_sim.viewer.conftest import client_of, keep_interview
from tests.starec_sim.viewer.typescript import interfaces, problems

TYPES = Path(starec_sim.__file__).parent / "viewer" / "frontend" / "src" / "types.ts"
STEP = "step?arm=loop&seed=3&user=u2&round=2&step=1"


@pytest.fixture(scope="module")
def types():
    if not TYPES.exists():
        pytest.skip("an installed package has no sources of its pages")
    return interfaces(TYPES.read_text())


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("feed", "Overview"),
        ("ranking", "Overview"),
        ("training", "Overview"),
        ("feed/people?arm=random&seed=3&sort=visits&descending=true&limit=5", "People"),
        ("feed/person?user=u2", "Person"),
        ("ranking/person?user=u2", "Person"),
        (f"feed/{STEP}", "StepPage"),
        ("ranking/step?user=u3&round=2", "StepPage"),
        ("training/step?user=u3&round=1", "StepPage"),
        ("feed/population", "Population"),
        ("training/training?step=1", "Training"),
        ("training/group?step=1&group=0/0/2/0/fast", "Group"),
        ("ranking/search?q=film&limit=3", "SearchResult"),
        ("feed/notes", "Notes"),
        ("feed/ask", "AskOptions"),
    ],
)
def test_an_answer_has_the_form_that_the_pages_expect(client, types, address, kind):
    answer = client.get(f"/api/runs/{address}")
    assert answer.status_code == 200, answer.text
    assert problems(answer.json(), types[kind], types) == []


def test_the_list_and_a_comparison_have_the_form_that_the_pages_expect(client, types):
    rows = client.get("/api/runs").json()
    assert {row["name"] for row in rows} == {"feed", "ranking", "training"}
    compared = client.get("/api/compare?a=feed&b=feed&user=u2").json()
    assert compared["steps"]
    assert [p for row in rows for p in problems(row, types["RunRow"], types)] == []
    assert problems(compared, types["Comparison"], types) == []


def test_interviews_have_the_form_that_the_pages_expect(runs, types):
    assert client_of(runs).get("/api/runs/feed/interviews").json() == []
    keep_interview(runs / "feed")
    (found,) = client_of(runs).get("/api/runs/feed/interviews").json()
    assert problems(found, types["Interview"], types) == []
    happy, why = found["questions"]
    (figure,) = happy["figures"]
    assert (figure["of"], figure["mean"], figure["users"]) == ("yes", 0.5, 2)
    assert [each["value"] for each in why["answers"]] == ["the films", None]
    assert not why["figures"]
    (runs / "feed" / "interviews" / "1.json").write_text("{")
    refused = client_of(runs).get("/api/runs/feed/interviews").json()
    assert "1.json is damaged" in refused["error"] and "mv" in refused["hint"]


def test_a_training_with_one_validation_or_none_has_no_changes_yet(client):
    assert client.get("/api/runs/training/changes").json() is None
    refused = client.get("/api/runs/feed/changes").json()
    assert refused["error"] == "feed is of kind run, and no training"


def test_the_check_of_forms_finds_what_is_wrong(types):
    row = {"round": 1, "mean": "much", "low": None}
    assert problems(row, types["RoundValue"], types) == [
        "$.high is missing",
        "$.mean: 'much' is no number",
    ]


@pytest.mark.parametrize(
    ("address", "status", "said"),
    [
        ("runs/fed", 404, 'there is no run "fed"'),
        ("runs/..", 404, "there is no such page"),
        ("runs/%2e%2e", 404, ""),
        ("runs/..%2f..%2fetc%2fpasswd", 404, ""),
        ("runs/feed/person?user=u99", 404, 'no user of this trial has the id "u99"'),
        ("runs/feed/person", 400, "user is missing"),
        ("runs/feed/person?user=u2&arm=lop", 404, 'did you mean "loop"'),
        ("runs/feed/step?user=u2&round=9", 404, "did not visit in round 9"),
        ("runs/feed/step?user=u2&round=x", 400, 'round must be a whole number, got "x"'),
        ("runs/feed/step?user=u2&round=0", 400, "round must be from 1"),
        ("runs/feed/people?limit=501", 400, "limit must be from 1 to 500"),
        ("runs/feed/people?limits=5", 400, 'did you mean "limit"'),
        ("runs/feed/people?sort=agee", 404, "age"),
        (f"runs/feed/people?q={'x' * 501}", 400, "q has 501 characters"),
        ("runs/feed/training", 404, "is of kind run, and no training"),
        ("runs/feed/pople", 404, 'the API has no "pople"'),
        ("compare?a=feed", 400, "b is missing"),
        ("compare?a=feed&b=../feed", 404, "there is no run"),
        ("events?run=fed", 404, "there is no run"),
    ],
)
def test_what_is_not_there_is_named(client, address, status, said):
    answer = client.get(f"/api/{address}")
    assert said in answer.json()["error"]
    assert answer.status_code in (status, 400)


def test_near_names_of_runs_are_suggested(client):
    assert client.get("/api/runs/fed").json()["near"] == ["feed"]


def test_only_the_run_that_is_shown_alone_is_answered(recorded):
    alone = client_of(recorded, only="feed")
    assert [row["name"] for row in alone.get("/api/runs").json()] == ["feed"]
    assert "is not shown here" in alone.get("/api/runs/ranking").json()["error"]
    assert alone.get("/api/compare?a=feed&b=ranking").status_code == 404


def test_damaged_runs_stand_in_the_list_with_what_is_wrong(runs):
    (runs / "feed" / "manifest.json").write_text("{")
    record = runs / "ranking" / "run.sqlite"
    record.write_bytes(record.read_bytes()[:5000])
    rows = {row["name"]: row for row in client_of(runs).get("/api/runs").json()}
    assert rows["feed"]["status"] == "damaged"
    assert "manifest.json is damaged" in rows["feed"]["problem"]
    assert rows["ranking"]["status"] == "damaged"
    assert "damaged" in rows["ranking"]["problem"]
    answer = client_of(runs).get("/api/runs/ranking")
    assert answer.status_code == 404
    assert "run.sqlite is damaged" in answer.json()["error"]


def test_a_run_of_a_newer_version_says_which_one_wrote_it(runs):
    manifest = runs / "feed" / "manifest.json"
    values = json.loads(manifest.read_text()) | {"schema_version": 99}
    manifest.write_text(json.dumps(values))
    assert "schema_version 99" in client_of(runs).get("/api/runs").text


def test_text_of_a_run_is_sent_as_json_only(client):
    answer = client.get(f"/api/runs/feed/{STEP}")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_pages_are_three_files(client):
    assert client.get("/").text.startswith("<!doctype html>")
    assert client.get("/app.js").headers["content-type"].startswith("text/javascript")
    assert client.get("/app.css").headers["content-type"].startswith("text/css")
    for other in ("/app.py", "/static/app.js", "/..%2fapp.py", "/frontend/src/types.ts"):
        assert client.get(other).status_code == 404
