"""Solved questions stand before a question, and are checked before anything is asked."""

import json

import pytest
import yaml

from starec_agents.star import StarAgent
from starec_sim.answers import labelled, read_prompt
from starec_sim.errors import ConfigError
from starec_sim.policies.lexical import LexicalPolicy
from starec_sim.types import Memory, Observation

RANKING = {
    "question": "<history>\n- 5 stars: liked | \"Jaws\" | genre: Sea\n</history>\n"
    "<candidates>\nA. \"Sky\" | genre: Air\nB. \"Sub\" | genre: Sea\n</candidates>\nRank all 2.",
    "answer": "<think>\nB. Sea: liked\n</think>\n<ranking>B > A</ranking>",
}  # fmt: skip
PAGE = {
    "question": '<page number="1">\nA. "Sky"\nB. "Sub"\n</page>\nAct on all 2 items.',
    "answer": "<think>\nx\n</think>\n<actions>\nA: skip\nB: watch 4\n</actions>\n<next>stay</next>",
}
REFLECTION = {
    "question": "<item>\nA. \"Sky\"\n</item>\n<prediction>\nA. ranked 1 of 2\n</prediction>\n"
    "<feedback>\nA. 5 stars: liked\n</feedback>",
    "answer": "<think>\nx\n</think>\n<preferences>\nSea: liked\n</preferences>",
}  # fmt: skip
SKIPS = "<actions>\nA: skip\nB: skip\nC: skip\nD: skip\n</actions>\n<next>leave</next>"
ORDER = "<ranking>A > B > C > D</ranking>"


@pytest.fixture
def file_of(tmp_path):
    def write(*examples):
        path = tmp_path / "examples.yaml"
        path.write_text(yaml.safe_dump({"examples": [*examples]}))
        return path

    return write


def agent(path):
    return StarAgent(StarAgent.Config(gate={"when": "never"}, examples=path))


def refusal(path):
    with pytest.raises(ConfigError) as refused:
        agent(path)
    assert refused.value.hint
    return refused.value.message


# --- what is asked --------------------------------------------------------------------------------


def test_roles_alternate_with_examples_and_a_repair(tiny_world, scripted, play, file_of):
    policy = scripted("?", ORDER)
    play(tiny_world(), policy, policy, gate={"when": "never"}, examples=file_of(RANKING, PAGE))
    first, second = policy.asked[-2:]
    assert [role for role, _ in first] == ["system", "human", "ai", "human"]
    assert [role for role, _ in second] == ["system", "human", "ai", "human", "ai", "human"]
    assert first[1:3] == [
        ("human", "An example:\n" + RANKING["question"]),
        ("ai", RANKING["answer"]),
    ]
    assert "Alien" in first[3][1]


def test_a_question_gets_the_examples_of_its_kind_only(tiny_world, scripted, play, file_of):
    policy = scripted(SKIPS)
    play(
        tiny_world("feed"), policy, policy, gate={"when": "never"}, examples=file_of(RANKING, PAGE)
    )
    assert [text for role, text in policy.asked[-1] if role == "ai"] == [PAGE["answer"]]


def test_a_reflection_gets_its_examples(tiny_world, scripted, play, file_of):
    fast, slow = scripted(ORDER), scripted(REFLECTION["answer"])
    visit = play(tiny_world(), fast, slow, gate={"when": "always"}, examples=file_of(REFLECTION))
    assert ("human", "An example:\n" + REFLECTION["question"]) in slow.asked[-1]
    assert len(fast.asked[-1]) == 2
    assert visit.steps[-1].memory.summary == "Sea: liked"


def test_examples_are_json_where_json_is_asked_for(tiny_world, call_of, scripted, file_of):
    class InJson(type(scripted())):
        structured: bool = True

    world = tiny_world()
    call = call_of(world, InJson(answers=["x"]), InJson(answers=["x"]))
    examples = file_of(RANKING)
    messages = agent(examples).question(call, world.observe(0, ()))
    assert json.loads(messages[2][1]) == {"think": "B. Sea: liked", "ranking": ["B", "A"]}
    messages = agent(file_of(PAGE)).question(call, tiny_world("feed").observe(0, ()))
    assert json.loads(messages[2][1])["actions"] == {"A": "skip", "B": "watch 4"}


def test_without_examples_prompts_and_their_digests_are_as_before():
    assert agent(None).prompts().keys() == {"ranking", "feed", "act", "reflect", "repair", "json"}


def test_a_run_knows_its_examples_by_a_digest(file_of):
    one = agent(file_of(RANKING)).prompts()["examples.yaml"]
    assert one != agent(file_of(PAGE)).prompts()["examples.yaml"]


# --- what a policy without a model reads ----------------------------------------------------------


def test_examples_do_not_mislead_a_script(tiny_world, scripted, call_of, file_of):
    world, lexical = tiny_world(), LexicalPolicy()
    call = call_of(world, scripted("x"), scripted("x"), Memory())
    plain = agent(None).question(call, world.observe(0, ()))
    shown = agent(file_of(RANKING)).question(call, world.observe(0, ()))
    assert len(shown) == len(plain) + 2
    assert lexical.answer_to(shown) == lexical.answer_to(plain)
    assert read_prompt(shown) == read_prompt(plain)
    repair = agent(None).rethink(shown, "Sky first", "there is no <ranking>")
    assert read_prompt(repair) == read_prompt(plain)


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"answer": "B, then A"}, "exactly one <ranking>"),
        ({"answer": "<ranking>B > B</ranking>"}, "examples.0: the answer to a ranking"),
        ({"question": "Rank these."}, "the question shows no <candidates>"),
        ({"question": "<candidates>\nB. x\nA. y\n</candidates>"}, "has the labels B, A"),
        ({"question": ""}, "examples.0.question"),
        ({"answer": "x" * 5_000}, "examples.0.answer"),
        ({"reply": "x"}, "examples.0.reply"),
    ],
)
def test_an_example_that_cannot_be_used_is_named(file_of, changes, said):
    assert said in refusal(file_of(RANKING | changes))


def test_a_reflection_that_is_too_long_is_named(file_of):
    longer = f"<preferences>{'word ' * 181}</preferences>"
    assert "181 words" in refusal(file_of(REFLECTION | {"answer": longer}))


def test_more_than_eight_examples_of_a_kind_are_refused(file_of):
    agent(file_of(*[RANKING] * 8, PAGE))
    assert "more than 8 examples of a ranking" in refusal(file_of(*[RANKING] * 9))


def test_a_file_that_is_not_there_or_holds_no_examples_is_named(tmp_path, file_of):
    assert "there is no file" in refusal(tmp_path / "none.yaml")
    assert "examples" in refusal(file_of())


def test_an_observation_with_labels_like_an_example_is_unharmed(
    tiny_world, call_of, scripted, file_of
):
    world = tiny_world()
    call = call_of(world, scripted("x"), scripted("x"))
    seen = Observation(world.task, (4, 5), ("Her", "Jaws"))
    messages = agent(file_of(RANKING)).question(call, seen)
    assert labelled(seen.cards) in messages[-1][1]
