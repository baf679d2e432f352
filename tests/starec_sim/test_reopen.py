"""A recorded trial is put back to the beginning of a round, and its users stand there again."""

import asyncio
import shutil

import pytest

from starec_sim import Experiment, run
from starec_sim.errors import RunError
from starec_sim.reopen import reopen
from starec_sim.runs.reader import reading

FEED = {"use": "feed", "recommender": "ease", "activity": 0.8, "page_size": 4, "pages": 2}
RANKING = {"use": "ranking", "candidates": 5, "choices": 4}


def recorded(folder, environment, agent="star"):
    return run(
        Experiment.model_validate(
            {
                "name": "opened",
                "rounds": 4,
                "seed": 3,
                "data": {"use": "synthetic", "users": 7, "items": 120},
                "environment": environment,
                "agent": agent,
                "policies": {"fast": "lexical", "slow": "lexical"},
                "executor": "cohort",
                "runs_dir": folder,
                "arms": {"first": {}, "second": {"environment.use": environment["use"]}},
            }
        )
    ).folder


@pytest.fixture(scope="module")
def feed(tmp_path_factory):
    return recorded(tmp_path_factory.mktemp("feed"), FEED)


@pytest.fixture(scope="module", params=["feed", "ranking", "agentcf", "llmrank"])
def folder(request, feed, tmp_path_factory):
    if request.param == "feed":
        return feed
    agent = "star" if request.param == "ranking" else request.param
    return recorded(tmp_path_factory.mktemp(request.param), RANKING, agent)


def told(step):
    return (step.observation.slate, step.decision, step.feedback, step.verdict)


@pytest.mark.parametrize("round", [0, 2, 3])
def test_a_visit_played_again_is_the_recorded_one(folder, round):
    opened = reopen(folder, round, "second", 3)
    with reading(folder) as reader:
        steps = reader.round_steps(opened.trial, round)
        users = dict(reader.users(opened.trial))
    for user, recorded_steps in steps.items():
        visit = asyncio.run(opened.agent.visit(opened.call(users[user].id)))
        assert [told(step) for step in visit.steps] == [told(step) for step in recorded_steps]
        assert visit.steps[-1].memory.summary == recorded_steps[-1].summary
        assert {turn.source for step in visit.steps for turn in step.turns} == {"replay"}


def test_replaying_all_rounds_gives_the_state_on_record(folder, monkeypatch):
    """The same memories, and the same slates in the round that would come next."""
    on_record = reopen(folder, 4)
    assert on_record.how == "the state on record after round 4"
    from starec_sim import reopen as module

    load = module.load_state
    monkeypatch.setattr(
        module, "load_state", lambda *given: load(*given)._replace(environment_state=None)
    )
    replayed = reopen(folder, 4)
    assert replayed.how == "the recorded decisions of rounds 1 to 4, replayed"
    assert replayed.memories == on_record.memories
    assert replayed.notes == on_record.notes
    assert replayed.visitors == on_record.visitors
    for user in on_record.visitors:
        assert replayed.environment.observe(user, ()) == on_record.environment.observe(user, ())


def test_a_question_that_is_not_on_record_is_asked(feed):
    call = reopen(feed, 0).call("u1")
    key = call.key(0, "fast")
    turn = asyncio.run(call.policies.ask(key, (("user", "[A] something else"),)))
    assert turn.source == "model"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"round": 5}, "has 4 recorded rounds, and none 6"),
        ({"round": -1}, "none 0"),
        ({"round": 0, "arm": "third"}, 'no arm "third"'),
        ({"round": 0, "seed": 9}, "no trial with seed 9"),
    ],
)
def test_what_is_not_recorded_is_refused(feed, given, message):
    with pytest.raises(RunError, match=message):
        reopen(feed, **given)


def test_who_does_not_visit_is_told_her_rounds(feed):
    opened = reopen(feed, 1)
    with reading(feed) as reader:
        users = dict(reader.users(opened.trial))
    absent = next(row for row in users if row not in opened.visitors)
    with pytest.raises(RunError, match="does not visit in round 2; her rounds: "):
        opened.call(users[absent].id)
    with pytest.raises(RunError, match='has the id "nobody"'):
        opened.call("nobody")


def test_other_data_is_refused(feed, tmp_path):
    copy = shutil.copytree(feed, tmp_path / feed.name)
    config = copy / "config.yaml"
    config.write_text(config.read_text().replace("items: 120", "items: 121"))
    with pytest.raises(RunError, match=r"config.yaml was changed|other users"):
        reopen(copy, 0)
