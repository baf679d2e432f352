"""JSON answers are read as strictly as tags: labels once each, nothing invented or guessed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starec_sim.answers import read_decision, read_summary
from starec_sim.tasks import BUILT_IN
from starec_sim.types import Observation


def shown(task, count):
    slate = tuple(range(100, 100 + count))
    return Observation(BUILT_IN[task], slate, tuple(f'"{item}"' for item in slate))


RANKING, FEED = shown("ranking", 4), shown("feed", 3)
PAGE = {"A": "watch 4", "B": "skip", "C": "watch"}


def both(tags, answer, observation):
    """What is read of the same answer in either form."""
    return [
        read_decision(tags, observation)[0],
        read_decision(json.dumps(answer), observation, "json")[0],
    ]


@given(st.lists(st.sampled_from(["A", "B", "C", "D", "E", "a", "Heat", "1"]), max_size=6))
def test_a_ranking_means_the_same_in_both_forms(marks):
    tags = f"<think>so</think><ranking>{' > '.join(marks)}</ranking>"
    one, other = both(tags, {"think": "so", "ranking": marks}, RANKING)
    assert one == other


@given(
    st.dictionaries(
        st.sampled_from(["A", "B", "C", "D", "a"]),
        st.sampled_from(["skip", "watch", "watch 4", "watch 9", "Watch 4", "hm"]),
    ),
    st.sampled_from(["stay", "leave", "perhaps"]),
)
def test_a_page_means_the_same_in_both_forms(done, following):
    lines = "\n".join(f"{mark}: {said}" for mark, said in done.items())
    tags = f"<actions>\n{lines}\n</actions><next>{following}</next>"
    one, other = both(tags, {"actions": done, "next": following}, FEED)
    assert one == other


@pytest.mark.parametrize(
    ("text", "read", "flaws"),
    [
        ('{"ranking": ["C", "A"]}', (102, 100), {"missing": 2}),
        ('{"ranking": ["C", "A", "C", "B", "D"]}', (102, 100, 101, 103), {"duplicate": 1}),
        ('{"ranking": ["C > A > B > D"]}', (), {"invented": 1, "missing": 4}),
        ('{"ranking": ["C", 1, null, ["A"]]}', (102,), {"invented": 3, "missing": 3}),
        ('{"ranking": "C > A > B > D"}', (), {"unparsed": 1, "missing": 4}),
        ('{"ranking": {"C": 1, "A": 2}}', (), {"unparsed": 1, "missing": 4}),
        ('{"ranking": ["C"], "ranking": ["A"]}', (), {"unparsed": 1, "missing": 4}),
        ('{"answer": {"ranking": ["C", "A", "B", "D"]}}', (), {"unparsed": 1, "missing": 4}),
        ('["C", "A", "B", "D"]', (), {"unparsed": 1, "missing": 4}),
        ('{"ranking": ["C", "A", "B", "D"]', (), {"unparsed": 1, "missing": 4}),
        ('```json\n{"ranking": ["C"]}\n```', (102,), {"missing": 3}),
        ("<ranking>C > A > B > D</ranking>", (), {"unparsed": 1, "missing": 4}),
        ("[" * 60_000, (), {"unparsed": 1, "missing": 4}),
        ("9" * 50_000, (), {"unparsed": 1, "missing": 4}),
        ("", (), {"unparsed": 1, "missing": 4}),
    ],
)
def test_a_broken_object_is_counted_and_the_rest_stands_in_shown_order(text, read, flaws):
    decision, findings = read_decision(text, RANKING, "json")
    rest = tuple(item for item in RANKING.slate if item not in read)
    assert decision.ranking == read + rest
    assert (decision.read, decision.flaws) == (len(read), flaws)
    assert str(findings)


def test_a_label_that_acts_twice_is_a_duplicate():
    text = '{"actions": {"A": "skip", "A": "watch 4", "B": "skip", "C": "skip"}, "next": "stay"}'
    decision, _ = read_decision(text, FEED, "json")
    assert decision.flaws == {"duplicate": 1}
    assert not decision.actions[0].done


@pytest.mark.parametrize("said", [4, None, {"watch": 4}, ["watch", 4], "watch 4\nB: skip"])
def test_an_action_that_is_not_one_of_the_words_is_not_read(said):
    text = json.dumps({"actions": PAGE | {"A": said}, "next": "stay"})
    assert read_decision(text, FEED, "json")[0].flaws == {"unparsed": 1, "missing": 1}


@pytest.mark.parametrize("quoted", ["", '{"ranking": ["D", "C", "B", "A"]}', "</think> so"])
def test_what_a_model_thought_before_its_object_is_no_part_of_it(quoted):
    text = f'<think>\nhm {quoted}\n</think>\n{{"ranking": ["C", "A", "B", "D"]}}'
    assert read_decision(text, RANKING, "json")[0].ranking == (102, 100, 101, 103)


def test_a_summary_is_bounded_and_can_be_stored():
    text = json.dumps({"think": "hm", "preferences": "  Drama: liked one two \ud800"})
    assert read_summary(text, 180, "json")[0] == "Drama: liked one two ?"
    summary, findings = read_summary(text, 3, "json")
    assert (summary, findings.counts) == ("Drama: liked one", {"overlong": 1})
    summary, findings = read_summary('{"preferences": ["Drama: liked"]}', 180, "json")
    assert (summary, findings.counts) == (None, {"unparsed": 1})
