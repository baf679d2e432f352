"""Tasks: what an environment declares, and what follows from it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from starec_sim.answers import answer_schema, labels, read_decision, read_prompt
from starec_sim.policies.lexical import LexicalPolicy
from starec_sim.runs import codec
from starec_sim.tasks import (
    FEED,
    RANKING,
    Act,
    ActionKind,
    Amount,
    FreeText,
    OneOf,
    Task,
    task_of_json,
    task_to_json,
)
from starec_sim.types import Action, Decision, Experience, Feedback, Memory, Observation

SHOP = Task(
    "shop",
    scene="You are in a shop.",
    actions=(
        ActionKind("look at", past="looked at"),
        ActionKind("buy", Amount(1, 5, unit="pieces"), past="bought", at_most=2),
        ActionKind("comment", FreeText(20)),
        ActionKind("rate", Amount(1, 5, unit="stars"), optional=True),
        ActionKind("feel", OneOf(("so so", "good"))),
        ActionKind("dwell", Amount(0, 600, whole=False, unit="seconds")),
    ),
    per_item=2,
    after=(ActionKind("search", FreeText(30)),),
)


@pytest.mark.parametrize(
    ("text", "acts"),
    [
        ("skip", [("skip", None)]),
        ("look at", [("look at", None)]),
        ("buy 2", [("buy", 2.0)]),
        ('comment "so, so"', [("comment", "so, so")]),
        ('buy 2, comment "x"', [("buy", 2.0), ("comment", "x")]),
        ("rate", [("rate", None)]),
        ("feel so so", [("feel", "so so")]),
        ("dwell 12.5", [("dwell", 12.5)]),
    ],
)
def test_an_action_in_the_declared_form_is_read(text, acts):
    assert SHOP.read_acts(text) == tuple(Act(*act) for act in acts)
    assert ", ".join(SHOP.said(*act) for act in acts) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "buy", "buy 0", "buy 6", "buy 02", "buy 2.5", "buy two", "buy ٣", "Buy 2", " buy 2"),
        *("buy 1, buy 2", "skip, buy 1", "buy 1, skip", "buy 1,look at", "buy 1, look at, rate 2"),
        *('comment ""', 'comment " "', 'comment "a" b"', f'comment "{"a" * 21}"', "comment a"),
        *('comment "a\x07"', "feel bad", "dwell 601", "dwell -1", "dwell 1e2", "look", "leave"),
    ],
)
def test_an_action_in_any_other_form_is_refused(text):
    assert SHOP.read_acts(text) is None


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: ActionKind("Buy"), "lower-case words"),
        (lambda: ActionKind("buy", at_most=0), "at most 0 times"),
        (lambda: Amount(5, 1), "no range"),
        (lambda: Amount(-1, 1), "must not be negative"),
        (lambda: Amount(0, 1e9), "below 1e"),
        (lambda: Amount(0, float("nan")), "no range"),
        (lambda: OneOf(()), "empty"),
        (lambda: OneOf(("a", "a")), "twice"),
        (lambda: FreeText(0), "1 to 10000"),
        (lambda: Task("My Shop"), "lower-case letters"),
        (lambda: Task("shop", (ActionKind("skip"),)), '"skip" twice'),
        (lambda: Task("shop", (ActionKind("buy"),), per_item=2), "2 actions with an item"),
        (lambda: Task("shop", (ActionKind("buy"),), after=(ActionKind("stay"),)), '"stay" twice'),
        (lambda: Task("choose", after=(ActionKind("search"),)), "nothing follows it"),
    ],
)
def test_a_declaration_that_makes_no_sense_says_why(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_a_task_is_recorded_with_the_step_and_read_without_its_plugin():
    observation = Observation(SHOP, (3, 1), ("a", "b"), page=2)
    text = codec.dump_observation(observation)
    assert codec.load_observation(text).task == SHOP
    assert task_of_json(task_to_json(SHOP)) == SHOP
    assert codec.dump_observation(Observation(FEED, (1,), ("a",))) == '["feed",1,[1]]'
    assert codec.load_observation('["ranking",1,[1]]').task is RANKING


@pytest.mark.parametrize(
    "stored", ['["shop",1,[1]]', '["shop",1,[1],{}]', '["shop",1,[1],{"name":"Shop"}]']
)
def test_a_damaged_task_in_a_record_is_named(stored):
    with pytest.raises(ValueError, match=r"steps\.observation"):
        codec.load_observation(stored)


def test_what_was_done_is_recorded_and_read_back():
    actions = (Action(3, "buy", 2.0), Action(3, "comment", "so good"), Action(1), Action(2, "rate"))
    decision = Decision(actions=actions, move=Act("search", "shoes"))
    assert codec.load_decision(codec.dump_decision(decision)) == decision
    lived = (Experience(3, None, "world", "bought 2", like=True), Experience(1, 2.0, "world"))
    feedback = Feedback(lived, reward={"revenue": 3.0})
    assert codec.load_feedback(codec.dump_feedback(feedback)) == feedback
    memory = Memory(lived, "", 4)
    assert codec.load_memory(codec.dump_memory(memory)) == memory
    watched = Decision(actions=(Action(1, "watch", 4.0), Action(2)))
    assert '"actions":[[1,1,4.0],[2,0,null]]' in codec.dump_decision(watched)


def answered(actions: str, then: str = "stay", slate=(10, 11, 12)):
    observation = Observation(SHOP, slate, ("a", "b", "c"))
    text = f"<actions>\n{actions}\n</actions>\n<next>{then}</next>"
    return read_decision(text, observation)


def test_an_answer_is_read_by_the_declaration_of_its_task():
    decision, findings = answered('A: buy 2, comment "ok"\nB: skip\nC: rate 4', 'search "tea"')
    assert not findings.counts
    assert decision.actions == (
        *(Action(10, "buy", 2.0), Action(10, "comment", "ok")),
        *(Action(11), Action(12, "rate", 4.0)),
    )
    assert decision.move == Act("search", "tea") and not decision.leave
    assert decision.chosen == (10, 12)


def test_what_is_done_too_often_on_a_page_is_left_out_and_counted():
    decision, findings = answered("A: buy 1\nB: buy 1, look at\nC: buy 1")
    assert findings.counts == {"too many": 1}
    assert "at most 2 times" in str(findings)
    assert [a.kind for a in decision.actions] == ["buy", "buy", "look at", "skip"]


def test_a_line_in_another_form_is_a_flaw_whose_note_names_the_forms():
    decision, findings = answered("A: watch 4\nB: skip\nC: skip")
    assert findings.counts == {"unparsed": 1, "missing": 1}
    assert 'none of "A: skip", "A: look at", "A: buy 4"' in str(findings)
    assert not decision.actions[0].done


def test_the_schema_lists_what_can_be_listed_and_describes_the_rest():
    form = "<actions>\n...\n</actions>\n<next>...</next>"
    schema = answer_schema("shop", form, labels(2), SHOP)
    of_item = schema["properties"]["actions"]["properties"]["B"]
    assert (of_item["type"], of_item["maxItems"]) == ("array", 2)
    listed, *patterns = of_item["items"]["anyOf"]
    assert listed["enum"][:4] == ["skip", "look at", "buy 1", "buy 2"]
    assert any(each["pattern"].startswith('^comment (?:"') for each in patterns)
    answer = '{"actions": {"A": ["buy 2", "look at"], "B": ["skip"]}, "next": "leave"}'
    decision, findings = read_decision(answer, Observation(SHOP, (1, 2), ("", "")), "json")
    assert not findings.counts and decision.leave
    assert [a.kind for a in decision.actions] == ["buy", "look at", "skip"]


def prompt_of(task: Task, cards, history="nothing yet"):
    from starec_agents.star.prompting import StarPrompts
    from starec_sim.types import User

    slate = tuple(range(len(cards)))
    observation = Observation(task, slate, tuple(cards), context="budget: 12")
    prompts = StarPrompts.read(None, 10, 180)
    return observation, prompts.decide(User("u"), Memory(), observation, cards)


def test_the_prompt_says_what_can_be_done_and_what_the_user_knows():
    _, ((_, system), (_, user)) = prompt_of(SHOP, ["a", "b"])
    assert "You are in a shop." in system
    assert "A: buy 4 (a whole number of pieces from 1 to 5; at most 2 on a page)" in system
    assert 'search "good" (a text of at most 30 characters in double quotes)' in system
    assert user.startswith("<context>\nbudget: 12\n</context>\n")


def test_a_text_policy_reads_the_actions_from_the_prompt():
    _, messages = prompt_of(SHOP, ["a"])
    acts = read_prompt(messages).acts
    assert [act.example for act in acts] == SHOP.examples[1:]
    assert acts[1].at_most == 2 and acts[3].stars == (1, 5)


names = st.sampled_from(["look", "buy", "add to cart", "like it", "share", "rate", "dwell"])
arguments = st.one_of(
    st.none(),
    st.builds(
        lambda low, more, whole: Amount(low, low + more, whole, unit="stars"),
        st.integers(0, 3),
        st.integers(0, 40),
        st.booleans(),
    ),
    st.just(OneOf(("well", "well done"))),
    st.builds(FreeText, st.integers(1, 9)),
)


@st.composite
def tasks(draw):
    kinds = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    actions = tuple(
        ActionKind(
            name,
            draw(arguments),
            optional=draw(st.booleans()),
            at_most=draw(st.none() | st.integers(1, 3)),
        )
        for name in kinds
    )
    after = (ActionKind("search", FreeText(9)),) if draw(st.booleans()) else ()
    return Task("own", actions, per_item=draw(st.integers(1, len(actions))), after=after)


@settings(max_examples=60, deadline=None)
@given(task=tasks(), cards=st.lists(st.sampled_from(['"a" | g: x', '"b" | g: y']), min_size=1))
def test_the_lexical_policy_answers_in_form_whatever_an_environment_declares(task, cards):
    observation, messages = prompt_of(task, cards)
    answer = LexicalPolicy(curiosity=3).answer(read_prompt(messages))
    decision, findings = read_decision(answer, observation)
    assert not findings.counts, (answer, str(findings))
    assert task_of_json(task_to_json(task)) == task
    assert codec.load_decision(codec.dump_decision(decision)) == decision
    for example in task.examples:
        assert task.read_acts(example) is not None, example


def test_a_large_amount_is_written_as_it_is_read():
    task = Task("bank", (ActionKind("pay", Amount(0, 5_000_000, whole=False)),))
    for value in (1_000_000.0, 1_234_567.25, 0.5):
        assert task.read_acts(task.said("pay", value)) == (Act("pay", value),)
