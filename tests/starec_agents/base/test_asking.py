"""Ask, read, repair: one question, and a second one only where it can mend the answer."""

import asyncio

import pytest

from starec_agents.base import Asked, Context, Prompts, ask_and_repair
from starec_sim.agent import Call
from starec_sim.answers import Findings
from starec_sim.types import CallKey, Memory, Turn, User

TEXTS = {
    "repair": "Wrong: $errors.",
    "json": "As JSON.",
    "mood": "<think>\nwhy\n</think>\n<ranking>all</ranking>",
}
QUESTION = (("system", "s"), ("user", "u"))
ASKED = Asked("fast", "mood", QUESTION, labels=2)


class Policies:
    """Gives its answers in turn, and keeps what it was asked."""

    def __init__(self, *answers, json=False, failure=""):
        self.answers, self.json, self.failure = list(answers), json, failure
        self.asked = []

    def structured(self, node):
        return self.json

    async def ask(self, key, messages, schema=None, expected=None):
        self.asked.append((key, messages, schema))
        text = self.answers[len(self.asked) - 1]
        return turn(key.node, key.attempt, messages, text, self.failure)


def turn(node, attempt=0, messages=QUESTION, text="", failure=""):
    return Turn(node, attempt, "p", messages, text, None, None, 0.0, failure=failure)


def read(text):
    """Any text is read; only "good" has no flaw."""
    findings = Findings()
    findings.add("unparsed", text != "good", f"{text} is not good")
    return text.upper(), findings


def ask(policies, turns=(), steps=()):
    call = Call(3, 7, User("ann"), Memory(), None, policies)
    context = Context(call, Prompts(TEXTS, 10, 180), 40)
    state = {"turns": tuple(turns), "steps": tuple(steps)}
    return asyncio.run(ask_and_repair(context, state, ASKED, read))


def test_a_clean_answer_takes_one_question():
    policies = Policies("good")
    found, turns = ask(policies, steps=["first"])
    assert found == ["GOOD"]
    assert policies.asked == [(CallKey(7, 3, 1, "fast", 0), QUESTION, None)]
    assert [turn.error for turn in turns] == [""]


@pytest.mark.parametrize("second", ["good", "worse"])
def test_a_flaw_is_repaired_by_one_question_that_quotes_answer_and_error(second):
    policies = Policies("bad", second)
    found, turns = ask(policies)
    assert found == ["BAD", second.upper()]
    _, (key, messages, _) = policies.asked
    assert key.attempt == 1
    assert messages == (
        *QUESTION,
        ("assistant", "bad"),
        ("user", "Wrong: bad is not good."),
    )
    assert turns[0].error == "bad is not good"
    assert bool(turns[1].error) == (second == "worse")


def test_a_call_that_failed_is_not_repaired():
    found, (turn,) = ask(Policies("", failure="refused: no"))
    assert found == [""]
    assert turn.error and turn.failure


def test_attempts_count_the_questions_of_the_node_in_this_step():
    earlier = [turn("fast"), turn("slow"), turn("fast", 1)]
    policies = Policies("bad", "good")
    _, turns = ask(policies, earlier)
    assert [key.attempt for key, *_ in policies.asked] == [2, 3]
    assert turns[:3] == tuple(earlier)


def test_a_structured_policy_gets_the_schema_of_the_template_both_times():
    policies = Policies("bad", "good", json=True)
    ask(policies)
    schemas = [schema for *_, schema in policies.asked]
    assert [schema["title"] for schema in schemas] == ["mood", "mood"]
    assert schemas[0]["properties"]["ranking"]["items"]["enum"] == ["A", "B"]
