"""Answers in tags are read strictly: what was asked for counts, everything else is counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starec_sim.answers import (
    CHARACTERS_A_WORD,
    MAX_ANSWER,
    label,
    labels,
    part,
    read_decision,
    read_summary,
)
from starec_sim.tasks import BUILT_IN
from starec_sim.types import Observation


def shown(task, count):
    """An observation whose items are 100, 101, ... so that no item is its own place."""
    slate = tuple(range(100, 100 + count))
    return Observation(BUILT_IN[task], slate, tuple(f'"{item}"' for item in slate))


LIST, PAGE = shown("ranking", 4), shown("feed", 3)
CLEAN_PAGE = "<actions>\nA: watch 4\nB: skip\nC: watch\n</actions>\n<next>stay</next>"


# --- rankings -------------------------------------------------------------------------------------


@given(st.permutations(range(28)))
def test_a_clean_ranking_is_read_as_it_stands(order):
    observation = shown("ranking", 28)
    answer = (
        f"<think>\nA. Drama: liked\n</think>\n<ranking>{' > '.join(map(label, order))}</ranking>"
    )
    decision, findings = read_decision(answer, observation)
    assert decision.ranking == tuple(100 + place for place in order)
    assert (decision.read, decision.flaws, str(findings)) == (28, {}, "")


@pytest.mark.parametrize(
    "text", ["D > C > B > A", "D>C>B>A", "D, C, B, A", "D\nC\nB\nA\n", "D C B A"]
)
def test_any_plain_separator_will_do(text):
    decision, _ = read_decision(f"<ranking>{text}</ranking>", LIST)
    assert decision.ranking == (103, 102, 101, 100)
    assert not decision.malformed


@pytest.mark.parametrize(
    ("text", "read", "flaws"),
    [
        ("<ranking>C > A</ranking>", (102, 100), {"missing": 2}),
        ("<ranking>C > A > C > B > D</ranking>", (102, 100, 101, 103), {"duplicate": 1}),
        ("<ranking>C > A > E > B > D</ranking>", (102, 100, 101, 103), {"invented": 1}),
        ("<ranking>c > a > b > d</ranking>", (), {"invented": 4, "missing": 4}),
        ("<ranking>Heat > Up > A > B</ranking>", (100, 101), {"invented": 2, "missing": 2}),
        ("<ranking>1. C 2. A 3. B 4. D</ranking>", (102, 100, 101, 103), {"invented": 4}),
        ("<ranking></ranking>", (), {"missing": 4}),
        ("<ranking>\u0410 > \u0412 > \u0421 > D</ranking>", (103,), {"invented": 3, "missing": 3}),
        ("C > A > B > D", (), {"unparsed": 1, "missing": 4}),
        ("<ranking>C > A > B > D", (), {"unparsed": 1, "missing": 4}),
        ("C > A > B > D</ranking>", (), {"unparsed": 1, "missing": 4}),
        ("</ranking>C > A > B > D<ranking>", (), {"unparsed": 1, "missing": 4}),
        ("<LIST>C > A > B > D</LIST>", (), {"unparsed": 1, "missing": 4}),
        ("<ranking>A</ranking><ranking>C > A > B > D</ranking>", (), {"unparsed": 1, "missing": 4}),
        ("<ranking><ranking>C > A > B > D</ranking>", (), {"unparsed": 1, "missing": 4}),
        ("<think><ranking>C > A > B > D</ranking></think>", (), {"unparsed": 1, "missing": 4}),
        ("<think>so <ranking>C > A > B > D</ranking>", (), {"unparsed": 1, "missing": 4}),
        ("", (), {"unparsed": 1, "missing": 4}),
        ("None", (), {"unparsed": 1, "missing": 4}),
        ("\x00\ud83d" * 50, (), {"unparsed": 1, "missing": 4}),
    ],
)
def test_a_broken_ranking_is_counted_and_the_rest_stands_in_shown_order(text, read, flaws):
    decision, findings = read_decision(text, LIST)
    rest = tuple(item for item in LIST.slate if item not in read)
    assert decision.ranking == read + rest
    assert decision.read == len(read)
    assert decision.flaws == flaws
    assert str(findings)
    assert all(decision.rank_of(item) is None for item in rest)


def test_a_form_quoted_inside_the_reasoning_is_not_the_answer():
    text = "<think>as <ranking>A > B</ranking> says</think><ranking>D > C > B > A</ranking>"
    decision, _ = read_decision(text, LIST)
    assert decision.ranking == (103, 102, 101, 100)
    assert not decision.malformed


def test_reasoning_whose_opening_tag_stood_in_the_prompt_is_reasoning_all_the_same():
    decision, _ = read_decision("B <ranking></think><ranking>D > C > B > A</ranking>", LIST)
    assert not decision.malformed


def test_an_overlong_answer_is_a_flaw_even_when_its_ranking_can_be_read():
    answer = "<ranking>D > C > B > A</ranking>" + "x" * 100_000
    decision, findings = read_decision(answer, LIST)
    assert decision.ranking == (103, 102, 101, 100)
    assert decision.flaws == {"overlong": 1}
    assert str(MAX_ANSWER) in str(findings)


def test_what_stands_beyond_the_limit_is_not_read():
    answer = "x" * 100_000 + "<ranking>D > C > B > A</ranking>"
    decision, _ = read_decision(answer, LIST)
    assert decision.read == 0
    assert decision.flaws == {"overlong": 1, "unparsed": 1, "missing": 4}


def test_thousands_of_labels_credit_each_item_once():
    decision, _ = read_decision(f"<ranking>{'A > ' * 15_000}B</ranking>", LIST)
    assert decision.read == 2
    assert decision.flaws == {"duplicate": 14_999, "missing": 2}


# --- pages ----------------------------------------------------------------------------------------


def acted(decision):
    return [(action.item, action.done, action.rating) for action in decision.actions]


def test_a_clean_page_is_read_as_it_stands():
    decision, findings = read_decision(f"<think>\n...\n</think>\n{CLEAN_PAGE}", PAGE)
    assert acted(decision) == [(100, True, 4.0), (101, False, None), (102, True, None)]
    assert (decision.leave, decision.flaws, str(findings)) == (False, {}, "")


@pytest.mark.parametrize(
    ("lines", "watched", "flaws"),
    [
        ("A: watch 4\nC: skip", [100], {"missing": 1}),
        ("A: watch 4\nB: skip\nC: skip\nD: watch 5", [100], {"invented": 1}),
        ("A: skip\nA: watch 5\nB: skip\nC: skip", [], {"duplicate": 1}),
        ("A: watch 6\nB: skip\nC: skip", [], {"unparsed": 1, "missing": 1}),
        ("A: watch 4.5\nB: skip\nC: skip", [], {"unparsed": 1, "missing": 1}),
        ("a: watch 4\nB: skip\nC: skip", [], {"unparsed": 1, "missing": 1}),
        ("A: Watch 4\nB: skip\nC: skip", [], {"unparsed": 1, "missing": 1}),
        ("I watch everything", [], {"unparsed": 1, "missing": 3}),
        ("", [], {"missing": 3}),
    ],
)
def test_a_broken_page_is_counted_and_what_was_not_read_is_skipped(lines, watched, flaws):
    text = f"<actions>\n{lines}\n</actions><next>leave</next>"
    decision, _ = read_decision(text, PAGE)
    assert [action.item for action in decision.actions] == list(PAGE.slate)
    assert [action.item for action in decision.actions if action.done] == watched
    assert decision.flaws == flaws
    assert decision.leave


@pytest.mark.parametrize(
    "following", ["", "<next></next>", "<next>Leave</next>", "<next>leave</next><next>stay</next>"]
)
def test_without_a_clear_leave_a_user_stays_and_it_is_a_flaw(following):
    actions = CLEAN_PAGE.partition("<next>")[0]
    decision, findings = read_decision(actions + following, PAGE)
    assert not decision.leave
    assert decision.flaws == {"unparsed": 1}
    assert "<next>" in str(findings)


# --- any text -------------------------------------------------------------------------------------

FRAGMENTS = st.sampled_from(
    [
        *("<think>", "</think>", "<ranking>", "</ranking>", "<actions>", "</actions>"),
        *("<next>", "</next>", "<preferences>", "</preferences>", "stay", "leave"),
        *("A", "B", "C", "D", "E", "a", "AA", "\u0410", " > ", ", ", "\n", " ", "1."),
        *("A: skip", "\nB: watch 4\n", "C: watch", "B: watch 9", "Sci-Fi: liked", "&lt;", "\u2028"),
    ]
)
ANYTHING = st.one_of(
    st.text(max_size=200), st.lists(FRAGMENTS | st.text(max_size=3), max_size=40).map("".join)
)


@given(ANYTHING, st.integers(0, 30))
def test_any_text_yields_a_ranking_of_what_was_shown_and_credits_only_what_it_says(text, count):
    observation = shown("ranking", count)
    decision, findings = read_decision(text, observation)
    assert sorted(decision.ranking) == list(observation.slate)
    answer = text.rpartition("</think>")[2]
    for item in decision.ranking[: decision.read]:
        assert label(item - 100) in answer
    unread = decision.ranking[decision.read :]
    assert list(unread) == sorted(unread)
    assert decision.flaws.get("missing", 0) == count - decision.read
    assert decision.malformed == bool(str(findings))


@given(ANYTHING)
def test_any_text_yields_an_action_for_each_item_and_credits_only_what_it_says(text):
    decision, findings = read_decision(text, PAGE)
    assert [action.item for action in decision.actions] == list(PAGE.slate)
    for mark, action in zip(labels(3), decision.actions, strict=True):
        if action.done:
            assert f"{mark}: watch" in text
        assert action.rating is None or f"{mark}: watch {action.rating:.0f}" in text
    assert not decision.leave or "leave" in text
    assert decision.malformed == bool(str(findings))


# --- summaries ------------------------------------------------------------------------------------


def test_a_clean_summary_is_kept_word_for_word():
    text = "<think>x</think>\n<preferences>\nSci-Fi: liked\n\nHorror: disliked\n</preferences>"
    summary, findings = read_summary(text, 180)
    assert summary == "Sci-Fi: liked\n\nHorror: disliked"
    assert not findings.counts


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "None",
            "Sci-Fi: liked",
            "<preferences>Sci-Fi: liked",
            "<preferences> \n </preferences>",
        ),
        "<preferences>a</preferences><preferences>b</preferences>",
        "<think><preferences>a</preferences></think>",
        "<think>cut short <preferences>a</preferences>",
    ],
)
def test_without_exactly_one_block_after_the_reasoning_there_is_no_summary(text):
    summary, findings = read_summary(text, 180)
    assert summary is None
    assert findings.counts == {"unparsed": 1}
    assert "<preferences>" in str(findings)


def test_a_summary_of_too_many_words_is_cut_and_keeps_its_lines():
    text = "<preferences>\none two\nthree four\nfive\n</preferences>"
    summary, findings = read_summary(text, 3)
    assert summary == "one two\nthree"
    assert findings.counts == {"overlong": 1}
    assert "5 words, not at most 3" in str(findings)


def test_a_summary_without_spaces_is_bounded_all_the_same():
    summary, findings = read_summary(f"<preferences>{'爱' * 50_000}</preferences>", 10)
    assert summary == "爱" * 10 * CHARACTERS_A_WORD
    assert findings.counts == {"overlong": 1}


@given(ANYTHING, st.integers(1, 30))
def test_any_text_yields_a_bounded_summary_that_it_contains_or_none(text, limit):
    summary, findings = read_summary(text, limit)
    if summary is None:
        assert findings.counts["unparsed"]
    else:
        assert 1 <= len(summary.split()) <= limit
        assert len(summary) <= limit * CHARACTERS_A_WORD
        assert summary in text


@given(ANYTHING)
def test_a_part_is_found_only_where_it_is_the_only_one(text):
    for tag in ("ranking", "next"):
        content = part(text, tag)
        if content is not None:
            assert f"<{tag}>" not in content
            assert text.rpartition("</think>")[2].count(f"<{tag}>") == 1
