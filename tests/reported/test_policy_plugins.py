"""Mistakes of policies and rewards: each error names the plug-in, the question and the line."""

import asyncio
import re
import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from starec_sim import plugins
from starec_sim.boundary import BrokenContract
from starec_sim.errors import ContractError, PluginError
from starec_sim.executors.event_loop import run_coroutine
from starec_sim.learning.rewards import AnswerOutcome, Rewards
from starec_sim.policies.gateway.gateway import Gateway
from starec_sim.policies.gateway.policy import Policy
from starec_sim.policies.gateway.reply import Reply, read_reply
from starec_sim.rng import Streams
from starec_sim.types import CallKey, Decision, Feedback, Observation, Tokens
from tests.starec_sim.boundary import returned_values as values
from tests.turn_store import Turns

TOKENS = Tokens((1, 2), (3, 4), (-0.5, 0.0), "weights", {"temperature": 1.0, "seed": 2**53 + 1})
POLICY = """
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult


class Mine(BaseChatModel):
    @property
    def _llm_type(self):
        return "mine"

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        DO
"""


class Told(BaseChatModel):
    """A model that answers with a message that a test gives it."""

    message: object = None

    @property
    def _llm_type(self):
        return "told"

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        return ChatResult(generations=[ChatGeneration(message=self.message)])


def ask(model):
    """Ask a model one question, as user 1 of round 3 does."""
    policies = {"fast": Policy("told", model), "slow": Policy("told", model)}
    gateway = Gateway(policies, Streams(0), Turns())
    return asyncio.run(gateway.ask(CallKey(2, 1, 0, "fast"), (("user", "?"),)))


def message(tokens_in=3, tokens_out=4, **metadata):
    """Return an answer; its usage is not validated, as if a plug-in had set it afterwards."""
    answer = AIMessage("answer", response_metadata=metadata)
    answer.usage_metadata = {"input_tokens": tokens_in, "output_tokens": tokens_out}
    return answer


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (message(tokens_in=-4), r'usage_metadata\["input_tokens"\] is -4; no count is negative'),
        (message(tokens_out="many"), r"is 'many'; it must be a whole number"),
        (message(tokens_out=float("nan")), r"is nan; it must be a whole number"),
        (message(tokens=replace(TOKENS, logprobs=(-1.0, 0.5))), "a log-probability is 0.5; none"),
        (message(tokens=replace(TOKENS, logprobs=(-1.0, -np.inf))), "a log-probability is -inf"),
        (message(tokens=replace(TOKENS, logprobs=(-1.0,))), "2 sampled tokens and 1 log-prob"),
        (message(tokens=replace(TOKENS, completion=(3, "x"))), "an id in Tokens.completion is 'x'"),
    ],
    ids=["negative", "text", "NaN", "above 0", "infinite", "too few", "no id"],
)
def test_what_a_policy_answers_wrongly_is_named(answer, said):
    with pytest.raises(ContractError, match=said) as raised:
        ask(Told(message=answer))
    text = raised.value.message
    label = r"policy tests\.reported\.test_policy_plugins:Told"
    assert re.match(rf"{label}, _generate\(user 1, round 3, step 1, fast\): ", text), text
    assert re.search(r" \(test_policy_plugins\.py:\d+\)$", text), text


def test_usage_in_numpy_numbers_is_taken_and_missing_usage_is_unknown():
    turn = ask(Told(message=message(np.int64(3), None, tokens=TOKENS)))
    assert (turn.tokens_in, turn.tokens_out) == (3, None) and type(turn.tokens_in) is int
    assert turn.tokens.sampling["seed"] == 2**53 + 1
    assert turn.completion == "answer" and turn.tokens.logprobs == (-0.5, 0.0)


@pytest.mark.parametrize(
    ("do", "said"),
    [
        ('return {}["price"]', r"KeyError: 'price' \(mine.py:15\)"),
        ("return None", r"AttributeError: 'NoneType' object .* \(mine.py:14\)"),
        ("return ChatResult(generations=[])", r"IndexError: .* \(mine.py:14\)"),
    ],
    ids=["raises", "None", "no answer"],
)
def test_an_exception_of_a_policy_names_its_file_and_line(tmp_path, do, said):
    (tmp_path / "mine.py").write_text(POLICY.replace("DO", do))
    model = plugins.load("policies", f"{tmp_path / 'mine.py'}:Mine")()
    with pytest.raises((PluginError, ContractError), match=said) as raised:
        ask(model)
    assert "mine.py:Mine, _generate(user 1, round 3, step 1, fast): raised" in raised.value.message
    assert "mend the plug-in" in raised.value.hint


@settings(max_examples=60)
@given(st.data())
def test_any_message_is_read_into_plain_values_or_refused(data):
    answer = message(data.draw(st.just(3) | values.junk), data.draw(st.just(4) | values.junk))
    answer.response_metadata = {"tokens": data.draw(st.just(TOKENS).flatmap(values.damaged))}
    if data.draw(st.booleans()):
        answer.content = data.draw(values.junk)
    try:
        reply = read_reply(data.draw(st.just(answer) | values.junk))
    except BrokenContract as broken:
        assert broken.what
    else:
        assert type(reply) is Reply and reply.completion.encode().decode() == reply.completion
        for count in (reply.tokens_in, reply.tokens_out):
            assert count is None or (type(count) is int and count >= 0)
        if reply.tokens is not None:
            tokens = replace(reply.tokens, sampling={})  # numbers of either kind
            assert values.is_plain(tokens, Tokens)
            assert len(tokens.completion) == len(tokens.logprobs)
            assert all(-np.inf < each < 0.001 for each in tokens.logprobs)


OUTCOME = AnswerOutcome(
    "fast", "", True, Observation("feed", (1,), ("one",)), Decision(), Feedback(())
)


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ("None", "the reward is None; it must be a number"),
        ("'much'", "the reward is 'much'; it must be a number"),
        ("float('nan')", "the reward is nan; it must be a finite number"),
        ("10**400", "the reward is 10+…, which is too large"),
        ("[1.0]", r"the reward is \[1.0\]; it must be a number"),
        ("1 / 0", "raised ZeroDivisionError: division by zero"),
        ("exit()", "raised SystemExit"),
    ],
)
def test_what_a_reward_returns_wrongly_is_named(tmp_path, returned, said):
    (tmp_path / "mine.py").write_text(f"\ndef tips(outcome):\n    return {returned}\n")
    rewards = Rewards({f"{tmp_path / 'mine.py'}:tips": 1.0})
    with pytest.raises(ContractError, match=rf"reward mine.py:tips, user u3: {said}.*\(mine.py:"):
        rewards.of(OUTCOME, "user u3")


@pytest.mark.parametrize("returned", ["np.float32(0.5)", "np.array(1)[()]", "True", "2"])
def test_a_reward_may_be_a_numpy_number_or_a_truth_value(tmp_path, returned):
    source = f"import numpy as np\ndef tips(outcome):\n    return {returned}\n"
    (tmp_path / "mine.py").write_text(source)
    name = f"{tmp_path / 'mine.py'}:tips"
    _, parts = Rewards({name: 1.0}).of(OUTCOME, "user u3")
    assert type(parts[name]) is float and parts[name] > 0


def test_a_call_in_a_thread_that_does_not_return_keeps_nothing_from_ending():
    stuck, forever = threading.Event(), threading.Event()

    async def ask_twice():
        answered = await asyncio.to_thread(lambda: 42)
        asyncio.get_running_loop().run_in_executor(None, lambda: (stuck.set(), forever.wait()))
        await asyncio.to_thread(stuck.wait)
        return answered

    assert run_coroutine(ask_twice()) == 42  # and does not wait for the second call
    (left,) = (each for each in threading.enumerate() if each.name == "starec-call")
    assert left.daemon
    forever.set()
    left.join()
