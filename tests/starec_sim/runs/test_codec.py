import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starec_sim.runs import codec
from starec_sim.tasks import FEED, RANKING, Act
from starec_sim.types import Action, Decision, Experience, Feedback, Memory, Observation

rows = st.integers(0, 10_000)
# A lone surrogate is no text that could be stored.
kinds = st.sampled_from(["watch", "skip", "buy"])
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
stars = st.floats(1.0, 5.0)
experiences = st.builds(
    Experience,
    rows,
    st.none() | stars,
    st.sampled_from(["logged", "world", "model"]),
    words,
    st.none() | st.booleans(),
)
lived = st.lists(experiences, max_size=5).map(tuple)
observations = st.builds(
    Observation,
    st.sampled_from([RANKING, FEED]),
    st.lists(rows, max_size=20).map(tuple),
    st.just(()),
    st.integers(1, 50),
)
decisions = st.builds(
    Decision,
    ranking=st.lists(rows, max_size=20).map(tuple),
    read=st.integers(0, 20),
    actions=st.lists(
        st.builds(
            Action, rows, st.sampled_from(["watch", "skip", "buy"]), st.none() | stars | words
        ),
        max_size=10,
    ).map(tuple),
    move=st.none() | st.builds(Act, words, st.none() | stars | words),
    leave=st.booleans(),
    flaws=st.dictionaries(words, st.integers(1, 9), max_size=3),
    repaired=st.booleans(),
)
feedbacks = st.builds(
    Feedback,
    lived,
    target=st.none() | rows,
    reward=st.dictionaries(words, st.floats(allow_nan=False, allow_infinity=False), max_size=3),
    ending=words,
)
memories = st.builds(Memory, lived, words, st.integers(0, 1000))


@given(observations)
def test_an_observation_comes_back_without_its_cards(observation):
    assert codec.load_observation(codec.dump_observation(observation)) == observation


@given(decisions)
def test_a_decision_comes_back(decision):
    assert codec.load_decision(codec.dump_decision(decision)) == decision


@given(feedbacks)
def test_feedback_comes_back(feedback):
    assert codec.load_feedback(codec.dump_feedback(feedback)) == feedback


@given(memories)
def test_a_memory_comes_back(memory):
    assert codec.load_memory(codec.dump_memory(memory)) == memory


@given(decisions, decisions)
def test_two_decisions_have_one_text_only_when_they_are_equal(one, two):
    assert (codec.dump_decision(one) == codec.dump_decision(two)) == (one == two)


def test_what_is_empty_takes_no_space():
    assert codec.dump_decision(Decision()) == "{}"
    assert codec.dump_feedback(Feedback(())) == "{}"


def test_a_choice_of_the_first_item_is_not_taken_for_none():
    feedback = Feedback((), target=0)
    assert codec.load_feedback(codec.dump_feedback(feedback)).target == 0


def test_the_text_is_compact_readable_json():
    text = codec.dumps({"title": "Amélie", "n": [1, 2.5, None]})
    assert text == '{"title":"Amélie","n":[1,2.5,null]}'
    assert json.loads(text) == {"title": "Amélie", "n": [1, 2.5, None]}


def test_what_json_cannot_say_is_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        codec.dumps(math.nan)


@given(observations, decisions, feedbacks, memories)
def test_texts_are_the_json_that_a_json_encoder_writes(observation, decision, feedback, memory):
    for text in (
        codec.dump_observation(observation),
        codec.dump_decision(decision),
        codec.dump_feedback(feedback),
        codec.dump_memory(memory),
    ):
        again = json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False)
        assert text == again


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_json_does_not_have_is_no_text(value):
    with pytest.raises(ValueError, match="JSON"):
        codec.dump_feedback(Feedback((), reward={"engagement": value}))
