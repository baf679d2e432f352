"""Every shipped template is written with the tags and phrases that the answers room names."""

import re
from importlib.resources import files

import pytest

import starec_agents
from starec_agents.agentcf.prompting import CFPrompts
from starec_agents.base.templates import SPLIT
from starec_agents.llmrank.prompting import RecencyPrompts
from starec_agents.star.prompting import StarPrompts
from starec_sim.answers import read_prompt
from starec_sim.answers.json_schema import asked_parts
from starec_sim.answers.prompt import WORD_LIMIT
from starec_sim.answers.tags import (
    ACTIONS,
    DESCRIPTION,
    NEXT,
    PARTS,
    PREFERENCES,
    RANKING,
    SECTIONS,
    THINK,
)

ANSWERS = {
    "ranking": (THINK, RANKING),
    "choose": (THINK, RANKING),
    "feed": (THINK, ACTIONS, NEXT),
    "act": (THINK, ACTIONS, NEXT),
    "reflect": (THINK, PREFERENCES),
    "describe": (THINK, DESCRIPTION),
}
ASKS = {"choose": "ranking", "act": "feed", "reflect": "reflection", "describe": "description"}


def questions():
    """Each template that asks for an answer, by agent and name; the paraphrases of star too."""
    for prompts in (StarPrompts, RecencyPrompts, CFPrompts):
        for name, text in prompts.read(None, 10, 180).texts.items():
            if SPLIT in text:
                yield pytest.param(name, text, id=f"{prompts.package}-{name}")
    for path in (files(starec_agents) / "star" / "paraphrases").iterdir():
        yield pytest.param(path.name.removesuffix(".md"), path.read_text("utf-8"), id="paraphrase")


@pytest.mark.parametrize(("name", "text"), [*questions()])
def test_a_template_asks_in_known_tags_and_is_read_by_them(name, text):
    system, _, user = text.partition(SPLIT)
    assert asked_parts(system) == ANSWERS[name]
    assert set(ANSWERS[name]) <= set(PARTS)
    opened = re.findall(r"^<([a-z]+)[ >]", user, re.MULTILINE)
    assert opened and set(opened) <= set(SECTIONS)
    assert read_prompt((("user", user),)).asks == ASKS.get(name, name)


@pytest.mark.parametrize("prompts", [StarPrompts, CFPrompts])
def test_a_reflection_limits_its_words_by_the_phrase_that_is_read(prompts):
    assert WORD_LIMIT.format(words="$limit") in prompts.read(None, 10, 180).texts["reflect"]
