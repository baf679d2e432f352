"""Questions to users for verifiers, and verifiers itself that asks them."""

import asyncio

import pytest

from starec_sim.errors import ConfigError
from starec_sim.interop.verifiers_questions import QuestionSource, UserQuestions
from tests.chat_endpoint import completion, endpoint  # noqa: F401

RANKING = """\
name: tiny
data: {use: synthetic, users: 12, items: 40, interactions: 12}
environment: {use: ranking, candidates: 4, choices: 2, sequence: 8, min_interactions: 4}
"""
FEED = """\
name: tiny
data: {use: synthetic, users: 12, items: 40, interactions: 12}
environment: {use: feed, recommender: item-knn, page_size: 3, pages: 1}
"""


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """Write an experiment and return its path."""

    def write(text):
        path = tmp_path_factory.mktemp("experiment") / "config.yaml"
        path.write_text(text)
        return str(path)

    return write


@pytest.fixture(scope="module")
def ranking(experiment):
    return UserQuestions(QuestionSource(experiment(RANKING)))


def rank(*labels):
    return f"<think>I say so.</think>\n<ranking>{' > '.join(labels)}</ranking>"


def test_an_answer_earns_what_it_earns_in_a_training(ranking):
    user = ranking.users[0]
    (_, system), (_, question) = ranking.messages(user)
    assert "<ranking>" in system + question
    orders = [rank(first, *sorted({*"ABCD"} - {first})) for first in "ABCD"]
    earned = [ranking.reward(user, order, {"tier": 2.0, "format": 1.0}) for order in orders]
    assert [e.components["format"] for e in earned] == [1.0] * 4
    assert sorted(e.components["tier"] for e in earned)[-1] == 1.0
    assert all(e.total == 2 * e.components["tier"] + 1 for e in earned)
    assert len({e.total for e in earned}) > 1


@pytest.mark.parametrize("text", ["", "<ranking>", "A > B", rank("A", "A", "B", "C"), "[" * 9999])
def test_an_answer_in_another_form_earns_the_worst(ranking, text):
    earned = ranking.reward(ranking.users[0], text, {"tier": 1.0, "format": 1.0})
    assert (earned.total, earned.counters["malformed"]) == (-1.0, 1.0)


def test_without_weights_the_task_decides(ranking, experiment):
    feed = UserQuestions(QuestionSource(experiment(FEED)))
    for questions, component in ((ranking, "tier"), (feed, "satisfaction")):
        earned = questions.reward(questions.users[0], "", {})
        assert set(earned.components) == {component}


def test_a_seed_decides_the_candidates(experiment):
    path = experiment(RANKING)
    first, again, other = (UserQuestions(QuestionSource(path, (), seed)) for seed in (0, 0, 1))
    user = first.users[0]
    assert first.messages(user) == again.messages(user) != other.messages(user)


def test_what_cannot_be_asked_is_refused(ranking, experiment):
    with pytest.raises(ConfigError, match='no user "u99" visits'):
        ranking.messages("u99")
    with pytest.raises(ConfigError, match='no reward "fun"'):
        ranking.reward(ranking.users[0], rank(*"ABCD"), {"fun": 1.0})
    with pytest.raises(ConfigError, match="2 arms: a, b"):
        UserQuestions(QuestionSource(experiment(RANKING + "arms: {a: {}, b: {}}\n")))


def test_verifiers_asks_a_model_and_rewards_it(experiment, endpoint, monkeypatch):  # noqa: F811
    reason = "verifiers is not installed: it needs other versions, see docs/interop-llm.md"
    vf = pytest.importorskip("verifiers.v1", reason=reason)
    starec_verifiers = pytest.importorskip("starec_verifiers")
    answers = [{**completion(text), "created": 0} for text in (rank("B", "A", "C", "D"), "nothing")]
    endpoint.replies(*({"json": answer} for answer in answers))
    monkeypatch.setenv("NO_KEY", "none")
    environment = starec_verifiers.load_environment(
        experiment(RANKING), users=2, rewards={"tier": 1.0, "format": 0.5}
    )
    tasks = list(environment.taskset)

    async def play():
        client = vf.EvalClientConfig(base_url=endpoint.url, api_key_var="NO_KEY")
        context = vf.ModelContext("fake", client)
        async with environment.serving():
            return [await environment.run_episode(task, context) for task in tasks]

    episodes = asyncio.run(play())
    assert all(episode.ok for episode in episodes), [e.errors for e in episodes]
    (good,), (bad,) = (episode.traces for episode in episodes)
    assert good.rewards["format"].score == 0.5
    assert good.reward == pytest.approx(good.rewards["tier"].score + 0.5)
    assert (bad.reward, bad.metrics["malformed"]) == (-1.0, 1.0)
    asked = endpoint.bodies[0]["messages"]
    assert [(m["role"], m["content"]) for m in asked] == [
        *UserQuestions(QuestionSource(tasks[0].data.source[0])).messages(tasks[0].data.user)
    ]
