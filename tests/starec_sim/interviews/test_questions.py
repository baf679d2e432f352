"""Questions have exactly one type, and answers are read strictly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starec_sim.errors import ConfigError, RunError
from starec_sim.interviews import InterviewQuestion, UserSelection, read_survey
from starec_sim.interviews.people import read_selection


def question(**type):
    return InterviewQuestion(ask="So?", **type)


@pytest.mark.parametrize(
    ("type", "text", "value"),
    [
        ({"scale": "1-5"}, "5", 5),
        ({"scale": "-2-2"}, "-2", -2),
        ({"scale": "1-5"}, "6", None),
        ({"scale": "1-5"}, "4.5", None),
        ({"scale": "1-5"}, "4 or 5", None),
        ({"scale": "1-5"}, "", None),
        ({"choice": ["a  b", "c"]}, "A b", "a  b"),
        ({"choice": ["a", "c"]}, "a, c", None),
        ({"yes_no": True}, "No", False),
        ({"yes_no": True}, "no, never", None),
        ({"number": True}, "1e400", None),
        ({"number": True}, "nan", None),
        ({"number": True}, "-12.5", -12.5),
    ],
)
def test_an_answer_is_read_or_it_is_none(type, text, value):
    read, problem = question(**type).read(text)
    assert (read, bool(problem)) == (value, value is None)


@given(st.integers(-50, 50), st.integers(1, 100), st.text(max_size=30))
def test_a_value_of_a_scale_is_always_within_it(low, points, text):
    scale = question(scale=(low, low + points))
    for said in (text, str(low), str(low + points), str(low + points + 1)):
        value, _ = scale.read(said)
        assert value is None or low <= value <= low + points
    assert scale.read(str(low))[0] == low
    assert scale.read(str(low + points + 1))[0] is None


def test_a_text_that_is_too_long_is_cut_and_that_is_said():
    value, problem = question(text=2).read_text("<answer>one two three</answer>", "tags")
    assert value == "one two"
    assert "3 words, not at most 2" in problem


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("questions: [{ask: So}]", 'the question "So" has no type'),
        ("questions: [{ask: So, yes_no: true, number: true}]", "has types yes_no and number"),
        ("questions: [{ask: So, scle: 1-5, number: true}]", 'scle.*did you mean "scale"'),
        ("questions: [{ask: So, choice: [a, A]}]", 'option "a" is there more than once'),
        ("questions: [{ask: So, choice: [a]}]", "there is 1 option; there must be 2 to 50"),
        ("questions: [{ask: So, choice: [yes, no]}]", "must be text, got True"),
        ("questions: [{ask: So, scale: 5-1}]", "5-1 has no two points"),
        ("questions: [{ask: So, scale: high}]", "must be LOW-HIGH"),
        ("questions: [{ask: a, number: true}, {ask: a, number: true}]", 'are called "a"'),
        ("questions: []", "there are 0 questions, not 1 to 100"),
        ("questions: all", "must be a list, got 'all'"),
        ("questions: [So]", "must hold keys and values, got 'So'"),
        ("name: x\nrounds: 3", "is no survey: it holds name, rounds"),
    ],
)
def test_a_wrong_survey_says_what_is_wrong(tmp_path, text, said):
    path = tmp_path / "survey.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_survey(path)


def test_users_are_named_in_several_ways():
    assert read_selection(["20", "gender=F"]) == UserSelection((), (("gender", "F"),), 20)
    assert read_selection(["u1,u2"], ["u3"]).ids == ("u3", "u1", "u2")
    for wrong in (["0"], ["3", "4"], [""], [","]):
        with pytest.raises(RunError, match="expected a number from 1"):
            read_selection(wrong)
    with pytest.raises(RunError, match="chosen by number or trait as well"):
        read_selection(["3"], ["u1"])
