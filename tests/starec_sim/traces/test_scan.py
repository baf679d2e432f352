"""Runs with one thing wrong are scanned."""

import json
from dataclasses import replace

import pytest

from starec_sim.errors import ConfigError
from starec_sim.runs.reader import reading
from starec_sim.tasks import FEED, RANKING
from starec_sim.traces.scan import FINDINGS, scan
from starec_sim.traces.scan_rules import read_rules
from starec_sim.types import Action, Decision, Memory, Observation
from tests.starec_sim.runs.lives import turn

SLATE = (0, 1, 2, 3, 4)


def rules(tmp_path, *listed):
    path = tmp_path / "rules.yaml"
    path.write_text(json.dumps({"rules": list(listed)}))
    return read_rules(path)


def findings(folder, wanted):
    with reading(folder) as reader:
        return scan(reader, wanted).findings


def only(user, **parts):
    """Return a change of all steps of one user."""

    def change(visit):
        if visit.user != user:
            return visit
        (step,) = visit.steps
        made = {name: part(visit.round) for name, part in parts.items()}
        return replace(visit, steps=(replace(step, **made),))

    return change


WRONG = {
    "malformed": (
        {"kind": "malformed", "streak": 3},
        only(1, decision=lambda round: Decision(flaws={"unparsed": 1})),
    ),
    "input-order": (
        {"kind": "input-order", "streak": 3},
        only(
            1,
            observation=lambda round: Observation(RANKING, SLATE, ("c",) * 5),
            decision=lambda round: Decision(ranking=SLATE, read=5),
        ),
    ),
    "same-answer": (
        {"kind": "same-answer", "streak": 3},
        only(
            1,
            observation=lambda round: Observation(FEED, (round, 5), ("c", "c")),
            turns=lambda round: (turn("always the same"),),
        ),
    ),
    "contradiction": (
        {"kind": "contradiction", "attributes": 2, "times": 2},
        only(1, memory=lambda round: Memory((), "War: disliked (0 of 4), Drama: disliked", round)),
    ),
    "one-rating": (
        {"kind": "one-rating", "ratings": 5},
        only(
            1,
            decision=lambda round: Decision(
                actions=(Action(1, "watch", 3.0), Action(2, "watch", 3.0))
            ),
        ),
    ),
    "hyper-activity": (
        {"kind": "hyper-activity", "shown": 6, "share": 0.9},
        only(
            1,
            decision=lambda round: Decision(
                actions=(Action(1, "watch", 3.0), Action(2, "watch", 4.0))
            ),
        ),
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_each_kind_of_rule_finds_the_one_user_who_is_wrong(write, tmp_path, kind):
    rule, change = WRONG[kind]
    found = findings(write("a", change, rounds=3), rules(tmp_path, rule))
    assert [(finding.rule, finding.at.user) for finding in found] == [(kind, "u1")]
    assert f" u1 {found[0].at.round} --step 1 --arm main --seed 7" in found[0].command


@pytest.mark.parametrize("kind", ["malformed", "input-order", "same-answer"])
def test_a_streak_that_is_broken_is_none(write, tmp_path, kind):
    rule, change = WRONG[kind]

    def broken(visit):
        return visit if visit.round == 1 else change(visit)

    assert findings(write("a", broken, rounds=3), rules(tmp_path, rule)) == ()


def test_the_rules_that_ship_find_nothing_in_a_plain_run(write):
    assert findings(write("a"), read_rules()) == ()


class TestRulesOfAFile:
    @pytest.mark.parametrize(
        ("text", "named"),
        [
            ("rules: [{kind: malformd}]", 'did you mean "malformed"'),
            ("rules: [{kind: malformed, streek: 3}]", 'did you mean "streak"'),
            ("rules: [{kind: malformed, streak: 1}]", "streak"),
            ("rules: [{kind: malformed}, {kind: malformed}]", "2 rules are named"),
            ("rules: []", "a list of rules"),
            ("rulez: [{kind: malformed}]", "no such key"),
            ("rules: [malformed]", "must hold keys and values"),
            ("rules: [{kind: model, question: Odd}]", "policy"),
        ],
    )
    def test_a_mistake_is_named(self, tmp_path, text, named):
        path = tmp_path / "rules.yaml"
        path.write_text(text)
        with pytest.raises(ConfigError, match=named):
            read_rules(path)


def test_a_model_is_asked_within_its_budget(write, tmp_path):
    rule = {"kind": "model", "question": "Odd?", "policy": "lexical", "sample": 5}
    with reading(write("a")) as reader:
        result = scan(reader, rules(tmp_path, {**rule, "budget": {"calls": 2}}))
    (of_model,) = result.rules
    assert of_model.note.startswith("2 of 5 steps asked about")
    assert "the budget is spent" in of_model.note
    assert '2 answers are neither yes nor no, or failed; the first: "' in of_model.note
    assert "ask a larger model" in of_model.note


def test_the_command_keeps_its_findings_beside_the_record(write, starec, tmp_path):
    rule, change = WRONG["malformed"]
    run = write("a", change, rounds=3)
    rules(tmp_path, rule)
    status, out, _ = starec("scan", run, tmp_path / "rules.yaml")
    assert status == 0
    assert "u1, round 1, step 1, main, seed 7: 3 answers in a row could not be read" in out
    assert f"starec why {run} u1 1 --step 1" in out
    saved = json.loads((run / FINDINGS).read_text())
    assert saved["findings"][0]["times"] == 3
    status, out, _ = starec("scan", run, tmp_path / "rules.yaml", "--json")
    assert json.loads(out)["rules"] == [
        {"rule": "malformed", "kind": "malformed", "found": 1, "note": ""}
    ]
    assert "## malformed" in starec("scan", run, tmp_path / "rules.yaml", "--md")[1]


def test_findings_that_are_not_kept_are_counted(write, starec, tmp_path, monkeypatch):
    def unread(visit):
        (step,) = visit.steps
        return replace(visit, steps=(replace(step, decision=Decision(flaws={"unparsed": 1})),))

    run = write("a", unread)
    rules(tmp_path, {"kind": "malformed", "streak": 2})
    command = ("scan", run, tmp_path / "rules.yaml")
    whole = starec(*command)[1]
    assert f"All findings: {run / FINDINGS}" in whole and "more" not in whole
    monkeypatch.setattr("starec_sim.traces.scan.MOST_KEPT", 1)
    monkeypatch.setattr("starec_sim.cli.scan._SHOWN", 1)
    first = starec(*command)[1]
    assert f"The first 1 of each rule: {run / FINDINGS}" in first and "and 2 more" in first
    assert "And 2 more, which are not kept." in starec(*command, "--md")[1]
