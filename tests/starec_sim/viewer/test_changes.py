"""Notes and questions that are asked again stand beside a run, and never change its record."""

import json
from hashlib import sha256

import pytest

from starec_sim.traces import ask_again
from tests.starec_sim.viewer.conftest import client_of

AT = {"arm": "loop", "seed": 3, "user": "u2", "round": 2, "step": 1}
MARK = {"at": AT, "author": " Ines ", "reason": "implausible"}


def question(client, **changes):
    turn = client.get("/api/runs/feed/step", params=AT).json()["turns"][0]
    asked = {name: turn[name] for name in ("node", "attempt", "messages", "policy")}
    return {"at": AT, **asked, "temperature": None, "samples": 3, "author": "Ines", **changes}


def digest(runs):
    return sha256((runs / "feed" / "run.sqlite").read_bytes()).hexdigest()


def test_a_mark_is_added_beside_the_run(runs, own):
    client, before = client_of(runs), digest(runs)
    made = client.post("/api/runs/feed/notes", json=MARK, headers=own).json()
    assert (made["id"], made["author"], made["kind"]) == ("1", "Ines", "mark")
    client.post("/api/runs/feed/notes", json={**MARK, "reason": "copied order"}, headers=own)
    kept = json.loads((runs / "feed" / "notes.json").read_text())["notes"]
    assert [note["reason"] for note in kept] == ["implausible", "copied order"]
    assert client.get("/api/runs/feed/notes").json()["notes"] == kept
    assert digest(runs) == before


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"author": "  "}, "author"),
        ({"reason": "x" * 501}, "reason"),
        ({"at": {**AT, "round": 9}}, "has no step 1 in round 9"),
        ({"at": {**AT, "user": "u99"}}, "u99"),
        ({"at": {**AT, "round": "1"}}, "at.round"),
        ({"kind": "ask"}, "kind"),
    ],
)
def test_a_mark_that_fits_no_step_is_refused(runs, own, changes, said):
    client = client_of(runs)
    answer = client.post("/api/runs/feed/notes", json=MARK | changes, headers=own)
    assert answer.status_code in (400, 404)
    assert said in answer.json()["error"]
    assert not (runs / "feed" / "notes.json").exists()


def test_a_damaged_file_of_notes_is_named_and_kept(runs, own):
    path = runs / "feed" / "notes.json"
    path.write_text('{"notes": [{"id": 1}]}')
    answer = client_of(runs).post("/api/runs/feed/notes", json=MARK, headers=own).json()
    assert "notes.json is damaged" in answer["error"] and "mv " in answer["hint"]
    assert path.read_text() == '{"notes": [{"id": 1}]}'


def test_a_link_in_the_place_of_the_notes_is_not_followed(runs, own, tmp_path):
    (tmp_path / "other.json").write_text('{"notes": []}')
    (runs / "feed" / "notes.json").symlink_to(tmp_path / "other.json")
    answer = client_of(runs).post("/api/runs/feed/notes", json=MARK, headers=own)
    assert "symbolic link" in answer.json()["error"]
    assert (tmp_path / "other.json").read_text() == '{"notes": []}'


def test_a_question_is_asked_again_and_its_answers_become_a_note(runs, own):
    client, before = client_of(runs), digest(runs)
    asked = question(client)
    found = client.post("/api/runs/feed/ask", json=asked, headers=own).json()
    assert (found["asked"], found["failed"], len(found["answers"])) == (3, 0, 3)
    (most,) = found["distribution"]
    assert most == {"decision": found["answers"][0]["decision"], "count": 3, "original": True}
    (note,) = client.get("/api/runs/feed/notes").json()["notes"]
    assert (note["kind"], note["author"]) == ("ask", "Ines")
    assert note["asked"]["question"]["messages"] == asked["messages"]
    assert digest(runs) == before


@pytest.mark.slow
def test_nano_answers_in_form_when_it_is_asked_again(runs, own):
    client = client_of(runs)
    asked = question(client, policy="nano", temperature=2, samples=2)
    found = client.post("/api/runs/feed/ask", json=asked, headers=own).json()
    assert [answer["flaws"] for answer in found["answers"]] == [{}] * 2, found["answers"]


@pytest.mark.parametrize("attempt", [0, 7])  # on record, and not
def test_a_question_that_asks_for_json_expects_json(runs, own, monkeypatch, attempt):
    client = client_of(runs)
    asked = question(client, attempt=attempt)
    expected = []

    async def answers(spec, question, seed, wanted):
        expected.append(wanted)
        return []

    monkeypatch.setattr(ask_again, "_ask", answers)
    client.post("/api/runs/feed/ask", json=asked, headers=own)
    asked["messages"][0][1] += "\n\nWrite it as one JSON object, with nothing around it."
    client.post("/api/runs/feed/ask", json=asked, headers=own)
    assert [each.form for each in expected] == ["tags", "json"]


def test_another_prompt_leads_to_another_decision_beside_the_one_on_record(runs, own):
    client = client_of(runs)
    messages = [["user", "nothing to choose from"]]
    asked = question(client, messages=messages)
    found = client.post("/api/runs/feed/ask", json=asked, headers=own).json()
    assert [(each["count"], each["original"]) for each in found["distribution"]][-1] == (0, True)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"policy": "openai"}, "cannot be asked here"),
        ({"policy": "os:system"}, "cannot be asked here"),
        ({"samples": 21}, "samples"),
        ({"temperature": 0.5}, 'the policy "lexical" takes no temperature'),
        ({"messages": []}, "messages"),
        ({"messages": [["tool", "x"]]}, "messages"),
        ({"node": "other"}, "node"),
    ],
)
def test_what_cannot_be_asked_is_refused(runs, own, changes, said):
    client = client_of(runs)
    asked = question(client, **changes)
    answer = client.post("/api/runs/feed/ask", json=asked, headers=own)
    assert answer.status_code in (400, 404)
    assert said in answer.json()["error"]
    assert not (runs / "feed" / "notes.json").exists()


def test_the_policies_of_a_run_are_offered_if_it_was_made_here_or_that_was_allowed(runs):
    manifest = runs / "feed" / "manifest.json"
    assert client_of(runs).get("/api/runs/feed/ask").json()["policies"] == ["lexical", "nano"]
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"made_here": "forged"}))
    others = client_of(runs).get("/api/runs/feed/ask").json()
    assert others["policies"] == ["nano", "lexical"]
    assert "--allow-asking" in others["hint"]
    allowed = client_of(runs, allow_asking=True).get("/api/runs/feed/ask").json()
    assert allowed["policies"] == ["lexical", "nano"] and not allowed["hint"]


def test_a_policy_that_was_written_into_a_run_later_is_never_built(runs, own, tmp_path):
    ran = tmp_path / "ran"
    (tmp_path / "own.py").write_text(f"open({str(ran)!r}, 'w')\nclass Policy: pass\n")
    config = runs / "feed" / "config.yaml"
    config.write_text(config.read_text().replace("use: lexical", f"use: {tmp_path}/own.py:Policy"))
    answer = client_of(runs).get("/api/runs/feed/ask")
    assert "config.yaml was changed after the run began" in answer.json()["error"]
    for address in ("", "/population", "/people", "/notes"):
        assert client_of(runs).get(f"/api/runs/feed{address}").status_code == 200
    assert not ran.exists()
