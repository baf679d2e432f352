"""Users of a run answer questions as they were after a round; the record stays as it is."""

import json
import signal
from hashlib import sha256
from importlib import import_module
from pathlib import Path

import pytest
from scipy.stats import binomtest

from starec_sim.errors import ConfigError, PausedError, RunError
from starec_sim.interviews import (
    InterviewOptions,
    UserSelection,
    answer_figures,
    figures,
    interview,
    read_interviews,
)
from starec_sim.reopen import reopen
from starec_sim.runs.manifest import read_manifest, write_manifest
from tests.starec_sim.interviews.scripted import Scripted, asked_run

SCRIPTED = "tests.starec_sim.interviews.scripted:Scripted"
SATISFIED = {"ask": "How satisfied are you?", "scale": "1-5"}


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    data = {"use": "synthetic", "users": 12, "items": 60, "interactions": 12}
    return asked_run(tmp_path_factory.mktemp("runs"), rounds=3, seed=3, data=data)


@pytest.fixture
def ask(played):
    Scripted.prompts.clear()
    Scripted.options.clear()

    def ask(questions=(SATISFIED,), settings=None, **options):
        policy = {"use": SCRIPTED, **(settings or {})}
        return interview(played, list(questions), InterviewOptions(policy=policy, **options))

    return ask


def one(id="u1"):
    return UserSelection(ids=(id,))


def test_answers_are_typed_and_kept_and_the_record_stays(ask, played):
    before = sha256((played / "run.sqlite").read_bytes()).hexdigest()
    manifest = (played / "manifest.json").read_bytes()
    found = ask([SATISFIED, {"ask": "Again?", "text": 5}], users=UserSelection(count=3))
    assert [answer.value for answer in found.answers] == [4, "4"] * 3
    assert {answer.policy for answer in found.answers} == {SCRIPTED}
    assert read_interviews(played)[-1] == found
    assert sha256((played / "run.sqlite").read_bytes()).hexdigest() == before
    assert (played / "manifest.json").read_bytes() == manifest


@pytest.mark.parametrize("round", [0, 1, 3])
def test_a_user_is_asked_as_she_was_after_the_round(ask, played, round):
    ask(users=one("u2"), at_round=round)
    opened = reopen(played, round)
    memory = opened.memory(1)
    system, user = Scripted.prompts[-1]
    assert user.count("stars: ") == min(30, len(memory.history))
    shown = user.partition("<preferences>\n")[2].partition("\n</preferences>")[0]
    assert shown == (memory.summary or "none yet")
    assert "gender: " in user and SATISFIED["ask"] in user and "from 1 (the least)" in system


def test_an_answer_in_another_form_is_asked_for_once_more(ask):
    (answer,) = ask(settings={"first": "rather high"}, users=one()).answers
    assert (answer.value, answer.problem, answer.repaired) == (4, "", True)
    assert len(answer.completions) == 2
    assert '"rather high" is not one whole number' in Scripted.prompts[-1][-1]


def test_what_cannot_be_read_is_counted_and_in_no_figure(ask):
    found = ask(settings={"first": "9", "repaired": "four"}, users=UserSelection(count=2))
    assert [answer.value for answer in found.answers] == [None, None]
    assert '"four" is not' in found.answers[0].problem
    (figure,) = answer_figures(found)
    assert (figure.interval.n, figure.unread) == (0, 2)
    assert figure.interval.mean != figure.interval.mean


def test_a_model_that_takes_a_schema_is_given_the_scale(ask):
    settings = {"structured": True, "whole": '{"think": "so", "answer": "{}"}'}
    (answer,) = ask(settings=settings, users=one()).answers
    assert answer.value == 4
    schema = Scripted.options[-1]["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["answer"] == {"type": "string", "enum": ["1", "2", "3", "4", "5"]}


def test_users_of_every_arm_are_asked_and_grouped(ask):
    found = ask(arms=["all"], users=UserSelection(count=4))
    assert {answer.arm for answer in found.answers} == {"popular", "random"}
    by_gender = answer_figures(found, by="gender")
    assert {figure.arm for figure in by_gender} == {"popular", "random"}
    assert sum(figure.interval.n for figure in by_gender) == 8
    with pytest.raises(RunError, match='no "gendr"; did you mean "gender"'):
        answer_figures(found, by="gendr")


def test_shares_of_all_and_of_none_have_an_interval_with_a_width(ask):
    questions = [{"ask": "Again?", "yes_no": True}, {"ask": "Which?", "choice": ["yes", "b"]}]
    found = answer_figures(ask(questions, {"first": "Yes"}, users=UserSelection(count=5)))
    shares = {(figure.question, figure.of): figure.interval for figure in found}
    assert [share.mean for share in shares.values()] == [1.0, 1.0, 0.0]
    # Wilson (1927) for 5 of 5: the lower end is n / (n + z^2) with z = 1.96.
    assert shares["Again?", "yes"].low == pytest.approx(5 / (5 + 1.959964**2))
    assert shares["Which?", "b"].high > 0.4


@pytest.mark.parametrize(("count", "n"), [(0, 5), (5, 5), (2, 9), (700, 1000)])
def test_the_interval_of_a_share_is_that_of_scipy(count, n):
    found = figures._share(count, n)
    theirs = binomtest(count, n).proportion_ci(method="wilson")
    assert found == pytest.approx((count / n, theirs.low, theirs.high, n))


def test_a_spent_budget_keeps_the_answers_so_far(ask, played):
    found = ask(budget={"calls": 2}, users=UserSelection(count=5))
    assert (len(found.answers), found.not_asked) == (2, 3)
    assert "budget is spent" in found.stopped
    assert read_interviews(played)[-1].not_asked == 3
    with pytest.raises(PausedError, match="budget is spent"):
        ask(budget={"calls": 0})


def test_a_cache_asks_nothing_twice(ask, tmp_path):
    ask(users=UserSelection(count=3), cache=tmp_path / "answers.sqlite")
    again = ask([{"ask": "Another?", "yes_no": True}, SATISFIED], cache=tmp_path / "answers.sqlite")
    asked = [prompt[1] for prompt in Scripted.prompts if SATISFIED["ask"] in prompt[1]]
    assert len(asked) == len(set(asked)) == len(again.profiles)


@pytest.mark.parametrize("policy", ["lexical", "reasoner", "nano"])
def test_a_policy_that_reads_no_questions_is_refused(played, policy):
    with pytest.raises(ConfigError, match=f'"{policy}" cannot be interviewed'):
        interview(played, [SATISFIED], InterviewOptions(policy={"use": policy}))


def test_the_policy_of_the_run_is_the_default(played):
    with pytest.raises(ConfigError, match='"lexical" cannot be interviewed'):
        interview(played, [SATISFIED])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"users": UserSelection(ids=("u99",))}, 'the id "u99"'),
        ({"users": UserSelection(where=(("gendr", "F"),))}, 'did you mean "gender"'),
        ({"users": UserSelection(where=(("gender", "X"),))}, 'gender "X"; known: F, M'),
        ({"at_round": 4}, "the arm popular has 3 recorded rounds"),
        ({"at_round": -1}, "no round -1"),
        ({"arms": ["rand"]}, 'did you mean "random"'),
        ({"seed": 9}, "no trial with seed 9"),
        ({"budget": {"usd": 1}}, "has no price"),
    ],
)
def test_what_cannot_be_asked_is_named_before_anything_is_asked(ask, options, said):
    with pytest.raises((RunError, ConfigError), match=said):
        ask(**options)
    assert not Scripted.prompts


@pytest.mark.parametrize(
    ("kind", "said"),
    [("training", "is a training"), ("evaluation", "an evaluation"), ("audit", "an audit")],
)
def test_other_folders_are_refused_by_name(tmp_path, played, kind, said):
    manifest = read_manifest(played)
    manifest.kind = kind
    write_manifest(tmp_path, manifest)
    with pytest.raises(RunError, match=f"{said} and cannot be asked"):
        interview(tmp_path, [SATISFIED])


def test_a_link_in_the_place_of_the_folder_is_not_followed(ask, played, tmp_path):
    kept = played / "interviews"
    if kept.exists():
        kept.rename(tmp_path / "before")
    (tmp_path / "elsewhere").mkdir()
    kept.symlink_to(tmp_path / "elsewhere")
    try:
        assert ask(users=one()).file is None
        assert not list((tmp_path / "elsewhere").iterdir())
    finally:
        kept.unlink()


def test_a_damaged_interview_is_named(ask, played):
    file = Path(ask(users=one()).file)
    values = json.loads(file.read_text())
    values["interview"]["answers"][0]["type"] = "mood"
    file.write_text(json.dumps(values))
    with pytest.raises(RunError, match=r"\d.json is damaged: interview.answers.0.type"):
        read_interviews(played)
    (played / "interviews").rename(played / "interviews.old")


def test_answers_are_kept_if_the_interview_is_interrupted(ask, played, monkeypatch):
    answer = Scripted._generate
    number = len(read_interviews(played))

    def interrupted(self, messages, *given, **named):
        if len(Scripted.prompts) == 2:
            raise KeyboardInterrupt
        return answer(self, messages, *given, **named)

    monkeypatch.setattr(Scripted, "_generate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ask(settings={"limits": {"in_flight": 1}}, users=UserSelection(count=4))
    kept = read_interviews(played)[number]
    assert kept.stopped == "it was interrupted"
    assert (len(kept.answers), kept.not_asked) == (2, 2)


def test_after_sigterm_what_was_answered_is_kept(ask, monkeypatch):
    answer = Scripted._generate

    def terminated(self, messages, *given, **named):
        if len(Scripted.prompts) == 1:
            signal.raise_signal(signal.SIGTERM)
        return answer(self, messages, *given, **named)

    monkeypatch.setattr(Scripted, "_generate", terminated)
    monkeypatch.setattr(import_module("starec_sim.interviews.interview"), "_IN_FLIGHT", 1)
    found = ask(users=UserSelection(count=4))
    assert found.stopped == "stopped by SIGTERM"
    assert (len(found.answers), found.not_asked) == (2, 2)
