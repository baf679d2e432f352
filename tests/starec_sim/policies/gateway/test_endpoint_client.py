"""Failures of an endpoint: which calls are repeated, which fail, and when the run pauses."""

import asyncio

import pytest
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field, PrivateAttr

from starec_sim.errors import ConfigError, PausedError, PolicyError
from starec_sim.policies.gateway import Gateway, GatewayResources, Policy
from starec_sim.policies.openai import OpenAIPolicy
from starec_sim.policies.settings import Budget, GatewaySettings, Limits
from starec_sim.rng import Streams
from starec_sim.types import CallKey
from tests.turn_store import Turns

QUICK = GatewaySettings(retries=2, backoff_s=0, timeout_s=5)
PROBE = "Answer with one word: ready"


class Script(BaseChatModel):
    """Does what `plan` has for a question: an exception, seconds to wait, or an answer."""

    plan: dict = Field(default={})
    probe: object = "ready"
    _asked: list = PrivateAttr(default_factory=list)

    @property
    def _llm_type(self):
        return "script"

    def _generate(self, *args, **kwargs):
        raise NotImplementedError

    async def _agenerate(self, messages, stop=None, run_manager=None, **kwargs):
        text = messages[-1].text
        self._asked.append(text)
        act = self.probe if text == PROBE else self.plan.get(text, "hello")
        if isinstance(act, list):
            act = act.pop(0) if len(act) > 1 else act[0]
        if isinstance(act, Exception):
            raise act
        if isinstance(act, float):
            await asyncio.sleep(act)
            act = "late"
        return ChatResult(generations=[ChatGeneration(message=AIMessage(act))])


class StatusError(Exception):
    """As SDKs raise them."""

    def __init__(self, status, headers=None):
        super().__init__(f"status {status}")
        self.status_code = status
        self.response = type("Response", (), {"headers": headers or {}})()


def gateway_of(model, settings=QUICK, budget=None, limits=None):
    policy = Policy("far", model, limits=limits or Limits())
    resources = GatewayResources(settings, budget or Budget())
    return Gateway({"fast": policy, "slow": policy}, Streams(0), Turns(), "", resources)


async def asked(gateway, text, user=0):
    return await gateway.ask(CallKey(0, user, 0, "fast"), (("user", text),))


def ask(gateway, *texts):
    """Ask one after the other, each for another user."""

    async def run():
        try:
            return [await asked(gateway, text, user) for user, text in enumerate(texts)]
        finally:
            model = gateway._policies["fast"].model
            if isinstance(model, OpenAIPolicy):
                await model.aclose()

    return asyncio.run(run())


# --- trying again ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "failure",
    [StatusError(429), StatusError(503), ConnectionResetError("gone"), TimeoutError()],
)
def test_a_failure_that_may_pass_is_tried_again(failure):
    model = Script(plan={"a": [failure, failure, "at last"]})
    (turn,) = ask(gateway_of(model), "a")
    assert (turn.completion, turn.tries, turn.failure) == ("at last", 3, "")


@pytest.mark.parametrize("failure", [StatusError(400), StatusError(422), ValueError("bad")])
def test_a_request_that_is_refused_is_never_repeated(failure):
    model = Script(plan={"a": failure})
    first, second = ask(gateway_of(model), "b", "a")
    assert first.completion == "hello"
    assert (second.tries, second.completion) == (1, "")
    assert second.failure.startswith("refused: ")
    assert model._asked == ["b", "a"]


def test_one_users_broken_call_does_not_stop_the_others():
    model = Script(plan={"a": StatusError(500)})
    before, broken, after = ask(gateway_of(model), "b", "a", "c")
    assert (before.failure, after.failure) == ("", "")
    assert broken.failure.startswith("endpoint: ")
    assert "status 500 (after 3 attempts)" in broken.failure
    assert "\nhint: " in broken.failure
    assert broken.tries == 3


def test_the_waits_double(monkeypatch):
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    monkeypatch.setattr("starec_sim.policies.gateway.endpoint_client.asyncio.sleep", sleep)
    settings = QUICK.model_copy(update={"backoff_s": 1})
    ask(gateway_of(Script(plan={"a": StatusError(500)}), settings), "a")
    assert len(slept) == 2
    assert 0.5 <= slept[0] <= 1 <= slept[1] <= 2
    assert slept[1] == pytest.approx(2 * slept[0])


def test_retry_after_delays_all_calls():
    model = Script(plan={"a": [StatusError(429, {"Retry-After": "0.3"}), "hello"]})
    gateway = gateway_of(model)

    async def together():
        began = asyncio.get_running_loop().time()
        first = asyncio.create_task(asked(gateway, "a"))
        while not model._asked:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asked(gateway, "b", 1)
        await first
        return asyncio.get_running_loop().time() - began

    assert asyncio.run(together()) >= 0.3
    assert sorted(model._asked[1:]) == ["a", "b"]


def test_a_call_of_any_chat_model_ends_after_timeout_s():
    model = Script(plan={"a": 60.0})
    settings = GatewaySettings(retries=1, backoff_s=0, timeout_s=0.05)
    (turn,) = ask(gateway_of(model, settings), "a")
    assert turn.failure.startswith(
        'time-out: the policy "far" gave no answer within gateway.timeout_s = 0.05 seconds'
    )
    assert "raise gateway.timeout_s" in turn.failure
    assert model._asked == ["a", "a", PROBE]


# --- pausing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [StatusError(401), StatusError(402)])
def test_a_failure_that_every_call_would_have_pauses_at_once(failure):
    model = Script(plan={"a": failure})
    with pytest.raises(PausedError) as raised:
        ask(gateway_of(model), "b", "a")
    assert raised.value.reason == "endpoint"
    assert model._asked == ["b", "a"]


def test_an_endpoint_that_answers_no_call_pauses_the_run():
    model = Script(plan={"a": StatusError(500)}, probe=StatusError(500))
    with pytest.raises(PausedError, match="status 500"):
        ask(gateway_of(model), "b", "a")
    assert model._asked == ["b", "a", "a", "a", PROBE]


def test_a_setting_that_every_call_is_refused_for_pauses_the_run():
    model = Script(plan={"a": StatusError(400)}, probe=StatusError(400))
    with pytest.raises(PausedError, match="status 400"):
        ask(gateway_of(model), "a")


def test_an_endpoint_that_answers_short_questions_only_pauses_the_run():
    texts = ["a", "b", "c", "d"]
    model = Script(plan=dict.fromkeys(texts, StatusError(400)))
    turns = ask(gateway_of(model), *texts[:3])
    assert [turn.completion for turn in turns] == ["", "", ""], "three may be three bad prompts"
    model = Script(plan=dict.fromkeys(texts, StatusError(400)))
    with pytest.raises(PausedError, match="all of the first 4 questions were refused"):
        ask(gateway_of(model), *texts)
    model = Script(plan=dict.fromkeys(texts, StatusError(400)))
    answered = ask(gateway_of(model), "e", *texts)
    assert [turn.completion for turn in answered] == ["hello", "", "", "", ""]


def test_an_endpoint_that_asks_to_wait_for_hours_pauses_the_run():
    model = Script(plan={"a": StatusError(429, {"Retry-After": "86400"})})
    with pytest.raises(PausedError):
        ask(gateway_of(model), "a")
    assert model._asked == ["a"]


def test_the_run_pauses_after_the_calls_in_flight_have_ended():
    model = Script(plan={"slow": 0.1, "wrong": StatusError(401)})
    gateway = gateway_of(model)

    async def together():
        with pytest.raises(PausedError):
            await asyncio.gather(asked(gateway, "slow"), asked(gateway, "wrong", 1))

    asyncio.run(together())
    assert [turn.completion for turn in gateway._turns.values()] == ["late"]


def test_an_error_of_the_configuration_is_raised_as_it_is():
    with pytest.raises(ConfigError, match="no such adapter"):
        ask(gateway_of(Script(plan={"a": ConfigError("no such adapter")})), "a")


# --- an endpoint that speaks OpenAI's format, badly -----------------------------------------------


def at(endpoint, **settings):
    model = OpenAIPolicy(model="tiny", base_url=endpoint.url, **settings)
    return gateway_of(model)


def good(endpoint):
    return {"json": endpoint.completion("fine")}


@pytest.mark.parametrize(
    ("reply", "failure"),
    [
        ({"text": "<html>Bad gateway</html>"}, "not JSON: '<html>Bad gateway</html>'"),
        ({"text": '{"choices": [{"mess', "content_type": "application/json"}, "not JSON: '{"),
        ({"json": {"choices": []}}, "without a choice that holds text"),
        ({"status": 500, "text": "worker died"}, "failed (500): worker died"),
        ({"status": 429, "text": "slow down"}, "takes no more requests (429): slow down"),
    ],
    ids=["HTML", "truncated JSON", "no choice", "500", "429"],
)
def test_bad_answers_are_asked_again_and_then_cost_only_this_call(endpoint, reply, failure):
    endpoint.replies(reply, reply, reply, good(endpoint))
    (turn,) = ask(at(endpoint), "a")
    assert failure in turn.failure
    assert turn.failure.startswith(("endpoint: ", "overload: "))
    assert "(after 3 attempts)\nhint: " in turn.failure
    assert len(endpoint.bodies) == 4, (
        "three attempts, and one question to see whether the endpoint answers"
    )


def test_an_endpoint_that_hangs_costs_only_this_call(endpoint):
    hang = {"hang": True}
    endpoint.replies(hang, hang, hang, good(endpoint))
    (turn,) = ask(at(endpoint, timeout_s=0.2), "a")
    assert turn.failure.startswith(f"time-out: {endpoint.url} was silent for timeout_s = 0.2")


@pytest.mark.parametrize("reply", [{"text": "<html>Welcome</html>"}, {"status": 500}])
def test_an_endpoint_that_never_answers_well_pauses_with_its_message(endpoint, reply):
    endpoint.replies(reply)
    with pytest.raises(PausedError) as raised:
        ask(at(endpoint), "a")
    assert endpoint.url in raised.value.message
    assert raised.value.hint


def test_a_wrong_key_pauses_and_names_its_variable(endpoint, monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-wrong")
    endpoint.replies({"status": 401, "json": {"error": {"message": "bad key"}}})
    with pytest.raises(PausedError, match="does not let us in with the key in MY_KEY") as raised:
        ask(at(endpoint, api_key_env="MY_KEY"), "a")
    assert "export MY_KEY=" in raised.value.hint
    assert len(endpoint.bodies) == 1


def test_no_tokens_at_all_is_an_empty_answer(endpoint):
    endpoint.replies({"json": endpoint.completion("", finish_reason="length", usage=(9, 0))})
    (turn,) = ask(at(endpoint), "a")
    assert (turn.completion, turn.tokens_out, turn.failure, turn.tries) == ("", 0, "", 1)


# --- limits ---------------------------------------------------------------------------------------


def test_no_more_calls_are_in_flight_than_the_limit(endpoint):
    endpoint.replies({"json": endpoint.completion(), "delay_s": 0.02})
    model = OpenAIPolicy(model="tiny", base_url=endpoint.url)
    gateway = gateway_of(model, limits=Limits(in_flight=3))

    async def together():
        await asyncio.gather(*(asked(gateway, "a", user) for user in range(12)))
        await model.aclose()

    asyncio.run(together())
    assert endpoint.most_at_once <= 3
    assert len(endpoint.bodies) == 12


def test_a_failure_of_ours_is_refused_unless_it_says_otherwise():
    error = PolicyError("x")
    assert (error.cause, error.retry_after_s) == ("refused", None)
