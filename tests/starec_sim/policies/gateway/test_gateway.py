"""Each call of a policy goes gateway the gateway and becomes a recorded turn."""

import asyncio
from dataclasses import replace
from itertools import product

import pytest
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.language_models.fake_chat_models import (
    FakeListChatModel,
    FakeMessagesListChatModel,
    GenericFakeChatModel,
)
from langchain_core.messages import AIMessage, ChatMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables.config import var_child_runnable_config
from pydantic import ConfigDict, PrivateAttr

from starec_sim.errors import ConfigError, ContractError, RunError
from starec_sim.policies.gateway import Gateway, Policy
from starec_sim.policies.gateway.replay import NoModel
from starec_sim.policies.text_policy import TextPolicy
from starec_sim.rng import Streams
from starec_sim.types import CallKey, Tokens
from tests.turn_store import Turns

QUESTION = (("system", "be brief"), ("user", "hello"))


class Echo(BaseChatModel):
    """Answers with the message it is given, and remembers with which options it was asked.

    With a `failure` it raises that at the question of these tests, and answers all others.
    """

    answer: AIMessage = AIMessage("hi")
    failure: Exception | None = None
    _asked: list = PrivateAttr(default_factory=list)

    model_config = ConfigDict(arbitrary_types_allowed=True)

    @property
    def _llm_type(self):
        return "echo"

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        if self.failure is not None and messages[-1].text == QUESTION[-1][1]:
            raise self.failure
        self._asked.append((messages, kwargs))
        return ChatResult(generations=[ChatGeneration(message=self.answer)])


class Seeded(Echo):
    """A model that samples, and says so."""

    seeded: bool = True


def gateway_of(model, turns=None, seed=0, slow=None):
    policies = {"fast": Policy("quick", model), "slow": Policy("careful", slow or model)}
    return Gateway(policies, Streams(seed), Turns(resumes=True) if turns is None else turns)


def ask(gateway, messages=QUESTION, node="fast", user=3, round=1, step=2, attempt=0):
    return asyncio.run(gateway.ask(CallKey(round, user, step, node, attempt), messages))


# --- asking ---------------------------------------------------------------------------------------


def test_a_turn_records_who_was_asked_what_and_what_came_back():
    model = Echo()
    turn = ask(gateway_of(model), attempt=1)
    assert (turn.node, turn.attempt, turn.policy) == ("fast", 1, "quick")
    assert (turn.messages, turn.completion, turn.error) == (QUESTION, "hi", "")
    assert turn.latency_s >= 0
    ((messages, options),) = model._asked
    assert [(message.type, message.text) for message in messages] == [
        *(("system", "be brief"), ("human", "hello"))
    ]
    assert options == {}


def test_each_node_has_its_own_policy():
    fast, slow = Echo(), Echo()
    turn = ask(gateway_of(fast, slow=slow), node="slow")
    assert turn.policy == "careful"
    assert (len(fast._asked), len(slow._asked)) == (0, 1)


def test_a_repair_sends_the_broken_answer_as_the_assistants():
    model = Echo()
    ask(gateway_of(model), (*QUESTION, ("assistant", "hm"), ("user", "again")))
    assert [message.type for message in model._asked[0][0]] == ["system", "human", "ai", "human"]


def test_a_role_that_does_not_exist_is_a_fault_of_the_agent():
    with pytest.raises(ContractError, match='"assistent"') as raised:
        ask(gateway_of(Echo()), (("assistent", "x"),))
    assert '"assistant"' in raised.value.hint


def test_tokens_are_as_the_model_reports_them_and_unknown_otherwise():
    usage = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
    reported = ask(gateway_of(Echo(answer=AIMessage("hi", usage_metadata=usage))))
    assert (reported.tokens_in, reported.tokens_out) == (7, 3)
    silent = ask(gateway_of(Echo()))
    assert (silent.tokens_in, silent.tokens_out) == (None, None)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("plain", "plain"),
        ("", ""),
        ([], ""),
        ([{"type": "text", "text": "one "}, {"type": "text", "text": "two"}], "one two"),
        ([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "yes"}], "yes"),
        (["one ", {"type": "text", "text": "two"}], "one two"),
        ("half a smile: \ud83d", "half a smile: ?"),
    ],
)
def test_whatever_form_the_content_has_a_completion_is_text_that_can_be_stored(content, text):
    completion = ask(gateway_of(Echo(answer=AIMessage(content)))).completion
    assert type(completion) is str
    assert completion == text
    assert completion.encode().decode() == text


@pytest.mark.parametrize(
    "model",
    [
        FakeListChatModel(responses=["hello there"]),
        GenericFakeChatModel(messages=iter(["hello there"])),
        FakeMessagesListChatModel(responses=[ChatMessage("hello there", role="oracle")]),
    ],
    ids=lambda model: type(model).__name__,
)
def test_every_chat_model_of_langchain_works(model):
    assert ask(gateway_of(model)).completion == "hello there"


# --- seeds ----------------------------------------------------------------------------------------


def seeds(model, gateway, **places):
    """Return the seed of each key of the product of the places."""
    keys = list(product(*places.values()))
    elsewhere = {"user": 3, "round": 1, "step": 2, "node": "fast", "attempt": 0}

    async def ask_all():
        for values in keys:
            where = elsewhere | dict(zip(places, values, strict=True))
            await gateway.ask(CallKey(**where), QUESTION)

    asyncio.run(ask_all())
    return dict(zip(keys, (options["seed"] for _, options in model._asked), strict=True))


PLACES = {
    "user": range(3),
    "round": range(3),
    "step": range(6),
    "node": ("fast", "slow"),
    "attempt": range(3),
}


@pytest.mark.slow
def test_no_two_keys_share_a_seed_and_the_same_key_always_has_the_same():
    first, second = Seeded(), Seeded()
    found = seeds(first, gateway_of(first), **PLACES)
    assert len(set(found.values())) == len(found) == 3 * 3 * 6 * 2 * 3
    assert seeds(second, gateway_of(second), **PLACES) == found
    assert all(0 <= seed < 2**31 for seed in found.values())


def test_another_run_seed_gives_other_seeds():
    first, second = Seeded(), Seeded()
    users = range(5)
    found = seeds(first, gateway_of(first, seed=1), user=users)
    assert found != seeds(second, gateway_of(second, seed=2), user=users)


@pytest.mark.parametrize("model", [Echo(), Seeded(seeded=False)])
def test_only_a_model_that_samples_is_given_a_seed(model):
    ask(gateway_of(model))
    assert model._asked[0][1] == {}


# --- the turn store-------------------------------------------------------------------------------


def test_every_turn_is_stored_under_its_key():
    turns = Turns(resumes=True)
    turn = ask(gateway_of(Echo(), turns), node="slow", attempt=1)
    assert turns == {CallKey(round=1, user=3, step=2, node="slow", attempt=1): turn}


def test_what_was_answered_before_is_not_asked_again():
    turns = Turns(resumes=True)
    first = ask(gateway_of(Echo(), turns))
    model = Echo(answer=AIMessage("something else"))
    assert ask(gateway_of(model, turns)) is first
    assert model._asked == []
    assert ask(gateway_of(model, turns), attempt=1).completion == "something else"


def test_a_recorded_key_with_another_question_is_refused():
    turns = Turns(resumes=True)
    ask(gateway_of(Echo(), turns))
    with pytest.raises(RunError, match="is not the one asked now") as raised:
        ask(gateway_of(Echo(), turns), (("user", "goodbye"),))
    assert "user 3" in raised.value.message


# --- failures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [ValueError("no such thing"), KeyError("x"), OSError("gone")])
def test_a_model_that_raises_leaves_a_failed_turn_that_names_it(failure):
    turns = Turns(resumes=True)
    turn = ask(gateway_of(Echo(failure=failure), turns))
    assert turn.failure.startswith('refused: the policy "quick" failed')
    assert type(failure).__name__ in turn.failure
    assert str(failure) in turn.failure
    assert (turn.completion, turn.tokens_in, turn.tries) == ("", None, 1)
    assert list(turns.values()) == [turn]


def test_an_error_that_explains_itself_passes_as_it_is():
    failure = ConfigError("no key", hint="export it")
    with pytest.raises(ConfigError) as raised:
        ask(gateway_of(Echo(failure=failure)))
    assert raised.value is failure


# --- tokens ---------------------------------------------------------------------------------------

TOKENS = Tokens((1, 2, 3), (4, 5), (-0.5, -0.25), "tiny@1", {"temperature": 1.0})


def test_the_tokens_of_an_answer_are_recorded_with_the_question_as_their_group():
    model = Echo(answer=AIMessage("hi", response_metadata={"tokens": TOKENS}))
    answers = [
        ask(gateway_of(model, seed=seed), user=user, attempt=attempt)
        for seed, user, attempt in product((0, 7), (3, 4), (0, 1))
    ]
    assert all(replace(turn.tokens, group="") == TOKENS for turn in answers)
    groups = [turn.tokens.group for turn in answers]
    assert len(set(groups)) == 4  # another seed or user is another question, a repair is not
    assert groups[0] == groups[1]


def test_arms_ask_different_questions():
    model = Echo(answer=AIMessage("hi", response_metadata={"tokens": TOKENS}))
    policies = {"fast": Policy("quick", model), "slow": Policy("careful", model)}
    gateways = [Gateway(policies, Streams(0), Turns(), arm) for arm in ("loop", "frozen")]
    assert [ask(gateway).tokens.group for gateway in gateways] == [
        "loop/0/1/3/2/fast",
        "frozen/0/1/3/2/fast",
    ]


@pytest.mark.parametrize("metadata", [{}, {"tokens": 12}, {"tokens": {"prompt": [1]}}])
def test_without_tokens_from_the_model_the_turn_has_none(metadata):
    assert ask(gateway_of(Echo(answer=AIMessage("hi", response_metadata=metadata)))).tokens is None


def test_log_probabilities_that_do_not_match_the_tokens_are_an_error():
    short = replace(TOKENS, logprobs=(-0.5,))
    model = Echo(answer=AIMessage("hi", response_metadata={"tokens": short}))
    with pytest.raises(ContractError, match="there are 2 sampled tokens and 1 log-probabilities"):
        ask(gateway_of(model))


# --- forms ----------------------------------------------------------------------------------------


class Held(Echo):
    """A model that can be held to a schema, and says so."""

    structured: str = "json_schema"


def test_a_schema_reaches_the_model_as_openai_writes_it():
    model, schema = Held(), {"title": "ranking", "type": "object"}
    gateway = gateway_of(model, slow=Echo())
    assert (gateway.structured("fast"), gateway.structured("slow")) == (True, False)
    asyncio.run(gateway.ask(CallKey(0, 0, 0, "fast"), QUESTION, schema))
    ((_, options),) = model._asked
    assert options["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "ranking", "schema": schema, "strict": True},
    }


def test_a_replay_asks_in_the_form_that_was_recorded():
    specs = {"fast": {"use": "openai", "structured": "json_schema"}, "slow": {"use": "openai"}}
    policies = {
        node: Policy(node, NoModel(structured=spec.get("structured")), spec)
        for node, spec in specs.items()
    }
    gateway = Gateway(policies, Streams(0), Turns(resumes=True))
    assert (gateway.structured("fast"), gateway.structured("slow")) == (True, False)


# --- policies that answer at once -----------------------------------------------------------------


class Plain(TextPolicy):
    """Says how long the question is."""

    @property
    def _llm_type(self):
        return "plain"

    def answer(self, prompt):
        return f"{len(prompt.text)} \ud800"


class Own(Plain):
    """Answers by a `_generate` of its own."""

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        return ChatResult(generations=[ChatGeneration(message=AIMessage("own"))])


class Starts(AsyncCallbackHandler):
    """Counts the calls that it hears of."""

    def __init__(self):
        self.count = 0

    async def on_chat_model_start(self, *args, **named):
        self.count += 1


def turn_of(model, handlers=()):
    async def ask():
        var_child_runnable_config.set({"callbacks": list(handlers)})
        return await gateway_of(model).ask(CallKey(0, 0, 0, "fast"), QUESTION)

    return replace(asyncio.run(ask()), latency_s=0.0)


def test_a_policy_without_weights_is_asked_by_a_function_unless_somebody_listens(monkeypatch):
    heard = Starts()
    listened = turn_of(Plain(), [heard])
    assert (heard.count, listened.completion, listened.tokens_in) == (1, "5 ?", 3)

    def never(*args, **named):
        raise AssertionError("nobody listens")

    monkeypatch.setattr(BaseChatModel, "agenerate", never)
    assert turn_of(Plain()) == listened


def test_a_policy_with_code_of_its_own_is_asked_as_any_chat_model():
    assert turn_of(Own()).completion == "own"
