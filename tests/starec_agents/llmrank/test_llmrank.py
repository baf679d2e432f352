"""Zero-shot ranking: the history as it stands, one question, and nothing written."""

import asyncio

import pytest

from starec_agents.llmrank import LLMRankAgent
from starec_sim.errors import ConfigError
from starec_sim.types import Experience, Feedback, Memory, Verdict

RANKING = "<ranking>D > C > B > A</ranking>"
LIVED = Memory((Experience(5, 5.0, "world"), Experience(1, 2.0, "world")), "Drama: liked")


@pytest.fixture
def play(call_of, scripted):
    def visit(world, fast, memory=None, **config):
        agent = LLMRankAgent(LLMRankAgent.Config(**config))
        return asyncio.run(agent.visit(call_of(world, fast, scripted("never asked"), memory)))

    return visit


def test_it_shows_the_history_in_order_and_points_at_the_latest(play, tiny_world, scripted):
    fast = scripted(RANKING)
    play(tiny_world(), fast, LIVED)
    ((_, system), (_, question)) = fast.asked[0]
    assert "one who" not in system and "Drama: liked" not in question
    history = question[question.index("<history>") : question.index("</history>")]
    assert history.index("Jaws") < history.index("Up")
    (recent,) = [line for line in question.splitlines() if "most recent" in line]
    assert "Up" in recent and "2 stars: disliked" in recent


def test_without_recency_the_prompt_is_only_sequential(play, tiny_world, scripted):
    fast = scripted(RANKING)
    play(tiny_world(), fast, LIVED, recency=False)
    assert "most recent" not in fast.asked[0][1][1]


def test_who_has_lived_nothing_has_nothing_recent(play, tiny_world, scripted):
    fast = scripted(RANKING)
    play(tiny_world(), fast)
    assert "nothing yet" in fast.asked[0][1][1] and "most recent" not in fast.asked[0][1][1]


def test_what_happened_is_remembered_and_nothing_is_written(play, tiny_world, scripted):
    visit = play(tiny_world(pages=3), scripted("<ranking>D > B > A > C</ranking>"), LIVED)
    assert [len(step.memory.history) for step in visit.steps] == [3, 4, 5]
    assert {step.memory.summary for step in visit.steps} == {"Drama: liked"}
    assert {turn.node for step in visit.steps for turn in step.turns} == {"fast"}
    assert {step.verdict.slow for step in visit.steps} == {False}


def test_a_broken_answer_is_repaired_once(play, tiny_world, scripted):
    fast = scripted("<ranking>D > C > B > X</ranking>", RANKING)
    (step,) = play(tiny_world(), fast).steps
    assert step.decision.ranking == (3, 2, 1, 0) and step.decision.repaired


def test_where_nothing_is_revealed_the_record_says_so(play, tiny_world, scripted):
    class Silent(tiny_world):
        def respond(self, user, steps, observation, decision):
            return Feedback((), target=2, ending="done")

    (silent,) = play(Silent(), scripted(RANKING)).steps
    (step,) = play(tiny_world(), scripted(RANKING)).steps
    assert silent.verdict == Verdict(False, "nothing was revealed")
    assert step.verdict == Verdict(False, "never")


def test_a_feed_is_refused(play, tiny_world, scripted):
    with pytest.raises(ConfigError, match="llmrank ranks candidates"):
        play(tiny_world("feed"), scripted(RANKING))


def test_prompts_of_ones_own_replace_those_that_ship(tmp_path):
    (tmp_path / "ranking.md").write_text("Rank.\n=== user ===\n$history $recent $candidates $count")
    agent = LLMRankAgent(LLMRankAgent.Config(prompts=tmp_path))
    assert agent.prompts()["ranking"].startswith("Rank.")
    (tmp_path / "reflect.md").write_text("Reflect.")
    with pytest.raises(ConfigError, match='no prompt is called "reflect"'):
        LLMRankAgent(LLMRankAgent.Config(prompts=tmp_path))
