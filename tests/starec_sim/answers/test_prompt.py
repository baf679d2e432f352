"""A prompt is read by its sections, whatever its sentences say."""

import pytest

from starec_sim.answers import SUMMARY_WORDS, read_prompt, sections, thought

RANKING = """You may like these. What now?
<preferences>
Drama: liked
</preferences>
<history>
- 4 stars: liked | "Heat" | genre: Crime
long ago
- 2 stars: disliked | "Up"
</history>
<candidates>
A. "Her" | genre: Drama
B. "Alien"
</candidates>"""
REFLECTION = """<preferences>
Drama: liked
</preferences>
<item>
A. "Her"
B. "Up"
</item>
<prediction>
A. ranked 1 of 5
B. not shown
</prediction>
<feedback>
A. chosen, 4 stars: liked
B. 1 stars: disliked
</feedback>"""


def read(user, system="Be brief."):
    return read_prompt((("system", system), ("user", user)))


def test_a_ranking_shows_preferences_experiences_and_candidates():
    prompt = read(RANKING)
    assert (prompt.asks, prompt.preferences) == ("ranking", "Drama: liked")
    shown = [each[:2] for each in prompt.history]
    assert shown == [(4.0, '"Heat" | genre: Crime'), (2.0, '"Up"')]
    assert prompt.candidates == (("A", '"Her" | genre: Drama'), ("B", '"Alien"'))


def test_a_page_is_acted_on():
    prompt = read('<page number="3">\nA. "Her"\n</page>')
    assert (prompt.asks, prompt.candidates) == ("feed", (("A", '"Her"'),))


def test_a_reflection_puts_item_prediction_and_feedback_side_by_side():
    prompt = read(REFLECTION)
    assert prompt.asks == "reflection"
    assert prompt.reviewed == (
        ("A", '"Her"', "ranked 1 of 5", "chosen, 4 stars: liked"),
        ("B", '"Up"', "not shown", "1 stars: disliked"),
    )


def test_a_description_is_asked_for_where_one_is_shown():
    prompt = read("<item>\nA. x\n</item>\n<description>\nfor friends of crime\n</description>")
    assert (prompt.asks, prompt.description) == ("description", "for friends of crime")


@pytest.mark.parametrize(
    ("system", "words"),
    [("Use at most 50 words.", 50), ("Be brief.", SUMMARY_WORDS), ("at most 9999999 words", 180)],
)
def test_the_first_message_limits_the_words(system, words):
    assert read(REFLECTION, system).words == words


def test_a_message_that_asks_again_is_not_read():
    question = (("system", "s"), ("user", RANKING))
    repair = (*question, ("assistant", "?"), ("user", "<candidates>\nC. z\n</candidates>"))
    assert read_prompt(repair) == read_prompt(question)


@pytest.mark.parametrize("text", ["", "hello", "<candidates>\nA. x", "<candidates></candidates>"])
def test_a_text_without_whole_sections_shows_nothing(text):
    prompt = read(text)
    assert (prompt.asks, prompt.candidates, prompt.history) == ("ranking", (), ())


def test_of_a_section_that_occurs_twice_the_first_counts():
    assert sections("<item>\na\n</item>\n<item>\nb\n</item>") == {"item": "a"}


def test_reasoning_is_what_stands_between_its_tags():
    assert thought("<think>\nA. x\n</think><ranking>A</ranking><think>y</think>") == "A. x"
    assert thought("A. x</think>") == thought("<think>A. x") == ""
