"""A policy that can be held to a schema is asked for JSON; all others for tags."""

import json

import pytest
from pydantic import PrivateAttr

from starec_agents.star.prompting import StarPrompts
from starec_sim.answers import labels

PROMPTS = StarPrompts.read(None, 10, 180)
JSON_FORM = PROMPTS.texts["json"].strip()
RANKED = json.dumps({"think": "A. Sci-Fi: liked", "ranking": ["B", "A", "D", "C"]})
THOUGHT = json.dumps({"think": "hm", "preferences": "Drama: liked"})


@pytest.fixture
def held(scripted):
    """A scripted model that says it can be held to a schema, and keeps those it was given."""

    class Held(type(scripted())):
        structured: str = "json_schema"

        def _generate(self, messages, stop=None, run_manager=None, **kwargs):
            self._formats.append(kwargs.pop("response_format"))
            return super()._generate(messages, stop, run_manager, **kwargs)

        _formats: list = PrivateAttr(default_factory=list)

    return lambda *answers: Held(answers=list(answers))


def test_a_policy_that_can_be_held_to_a_schema_answers_in_json(play, tiny_world, held):
    fast, slow = held(RANKED), held(THOUGHT)
    (step,) = play(tiny_world("ranking"), fast, slow, gate={"when": "always"}).steps
    assert step.decision.ranking == (1, 0, 3, 2)
    assert not step.decision.malformed
    assert step.memory.summary == "Drama: liked"
    assert [wanted["json_schema"]["name"] for wanted in fast._formats] == ["ranking"]
    assert [wanted["json_schema"]["name"] for wanted in slow._formats] == ["reflect"]
    for model in (fast, slow):
        ((system, _),) = model.asked
        assert system[1].endswith(JSON_FORM)


def test_each_node_is_asked_in_the_form_its_own_policy_speaks(play, tiny_world, held, scripted):
    slow = scripted("<preferences>Drama: liked</preferences>")
    (step,) = play(tiny_world("ranking"), held(RANKED), slow, gate={"when": "always"}).steps
    assert step.memory.summary == "Drama: liked"
    assert JSON_FORM not in slow.asked[0][0][1]


def test_a_broken_object_is_repaired_in_the_same_form(play, tiny_world, held):
    fast = held('{"ranking": ["B", "B"]}', RANKED)
    (step,) = play(tiny_world("ranking"), fast, fast, gate={"when": "never"}).steps
    assert (step.decision.repaired, step.decision.malformed) == (True, False)
    assert len(fast._formats) == 2


def test_a_page_is_acted_on_in_json(play, tiny_world, held):
    actions = {"A": "skip", "B": "watch 2", "C": "skip", "D": "watch 5"}
    fast = held(json.dumps({"think": "", "actions": actions, "next": "leave"}))
    (step,) = play(tiny_world("feed"), fast, fast, gate={"when": "never"}).steps
    assert [action.rating for action in step.decision.actions] == [None, 2.0, None, 5.0]
    assert step.decision.leave
    assert fast._formats[0]["json_schema"]["schema"]["required"] == ["think", "actions", "next"]


# --- the schema ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("ranking", ["think", "ranking"]),
        ("feed", ["think", "actions", "next"]),
        ("reflect", ["think", "preferences"]),
    ],
)
def test_the_schema_asks_for_what_the_prompt_asks_for_reasoning_first(name, keys):
    schema = PROMPTS.schema(name, 3)
    assert schema["title"] == name
    assert schema["required"] == list(schema["properties"]) == keys
    assert schema["additionalProperties"] is False


def test_the_schema_knows_the_labels_and_nothing_else():
    marks = list(labels(3))
    ranking = PROMPTS.schema("ranking", 3)["properties"]["ranking"]
    assert (ranking["items"]["enum"], ranking["minItems"], ranking["maxItems"]) == (marks, 3, 3)
    actions = PROMPTS.schema("feed", 3)["properties"]["actions"]
    assert actions["required"] == marks
    assert actions["properties"]["A"]["enum"] == ["skip", *(f"watch {n}" for n in range(1, 6))]


def test_a_prompt_of_ones_own_decides_which_keys_there_are(tmp_path):
    text = PROMPTS.texts["ranking"].replace("<ranking>", "<mood>one word</mood>\n<ranking>", 1)
    (tmp_path / "ranking.md").write_text(text)
    assert StarPrompts.read(tmp_path, 10, 180).schema("ranking", 2)["required"] == [
        *("think", "mood", "ranking")
    ]
