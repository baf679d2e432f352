"""Answers that the `openai` policy reads: text, usage, reasoning, tokens, and other shapes."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from starec_sim.errors import PolicyError
from starec_sim.policies.openai import OpenAIPolicy
from starec_sim.policies.openai.answers import read_answer
from starec_sim.policies.openai.target import Target
from tests.starec_sim.policies.openai.asking import ask, refusal


def test_the_answer_carries_text_usage_and_metadata(endpoint):
    reply = ask(OpenAIPolicy(model="tiny", base_url=endpoint.url))
    assert reply.content == "hello"
    assert reply.usage_metadata == {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}
    metadata = reply.response_metadata
    assert metadata["model_name"] == "fake-mini-1"
    assert metadata["finish_reason"] == "stop"
    assert metadata["system_fingerprint"] == "fp_1"


def test_a_server_that_counts_nothing_leaves_usage_unknown(endpoint):
    endpoint.replies({"json": endpoint.completion(usage=None)})
    assert ask(OpenAIPolicy(model="tiny", base_url=endpoint.url)).usage_metadata is None


def test_an_answer_that_was_cut_says_so(endpoint):
    endpoint.replies({"json": endpoint.completion("1. The", finish_reason="length")})
    reply = ask(OpenAIPolicy(model="tiny", base_url=endpoint.url))
    assert (reply.content, reply.response_metadata["finish_reason"]) == ("1. The", "length")


@pytest.mark.parametrize("content", [None, ""])
def test_an_empty_answer_is_empty_text(endpoint, content):
    endpoint.replies({"json": endpoint.completion(content, usage=(5, 0))})
    assert ask(OpenAIPolicy(model="tiny", base_url=endpoint.url)).content == ""


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_beside_the_content_becomes_a_think_block(endpoint, field):
    endpoint.replies(
        {"json": endpoint.completion("<next>stay</next>", **{field: "She likes war."})}
    )
    reply = ask(OpenAIPolicy(model="tiny", base_url=endpoint.url))
    assert reply.content == "<think>\nShe likes war.\n</think>\n<next>stay</next>"


def test_a_think_block_in_the_content_is_not_doubled(endpoint):
    content = "<think>mine</think>1"
    endpoint.replies({"json": endpoint.completion(content, reasoning_content="other")})
    assert ask(OpenAIPolicy(model="tiny", base_url=endpoint.url)).content == content


def test_reasoning_that_used_up_the_limit_leaves_no_answer(endpoint):
    body = endpoint.completion(None, finish_reason="length", reasoning_content="Well, she")
    endpoint.replies({"json": body})
    reply = ask(OpenAIPolicy(model="tiny", base_url=endpoint.url))
    assert reply.content == "<think>\nWell, she\n</think>\n"


def test_json_under_another_content_type_is_read(endpoint):
    text = '\n\n{"choices": [{"message": {"content": "kept alive"}}]}'
    endpoint.replies({"text": text, "content_type": "text/plain"})
    assert ask(OpenAIPolicy(model="tiny", base_url=endpoint.url)).content == "kept alive"


@pytest.mark.parametrize("content_type", ["text/html", "application/json"])
def test_a_web_page_instead_of_an_answer(endpoint, content_type):
    page = "<!doctype html>\n<title>Welcome</title>" + "x" * 500
    endpoint.replies({"text": page, "content_type": content_type})
    message = refusal(OpenAIPolicy(model="tiny", base_url=endpoint.url))
    assert "not JSON: '<!doctype html> <title>Welcome</title>xxx" in message
    assert "x" * 81 not in message


def test_an_answer_cut_short(endpoint):
    endpoint.replies({"text": '{"choices": [{"mess', "content_type": "application/json"})
    message = refusal(OpenAIPolicy(model="tiny", base_url=endpoint.url))
    assert """not JSON: '{"choices": [{"mess'""" in message


@pytest.mark.parametrize(
    "body",
    [
        {"choices": []},
        {"choices": None},
        {"error": {"message": "provider down"}},
        {"choices": [{"message": {"content": [{"type": "text"}]}}]},
        {"choices": ["hello"]},
        ["hello"],
        None,
    ],
)
def test_an_answer_of_another_shape(endpoint, body):
    endpoint.replies({"json": body})
    message = refusal(OpenAIPolicy(model="tiny", base_url=endpoint.url))
    assert "without a choice that holds text" in message


# Tokens


def with_tokens(endpoint, prompt=(1, 2, 70_000), ids=(5, 151_643), logprobs=(-0.1, -0.0)):
    body = endpoint.completion()
    body["prompt_token_ids"] = prompt
    body["choices"][0]["token_ids"] = ids
    body["choices"][0]["logprobs"] = {
        "content": [{"token": "x", "logprob": logprob} for logprob in logprobs]
    }
    return {"json": body}


def test_tokens_are_asked_for_and_read_as_the_server_gives_them(endpoint):
    endpoint.replies(with_tokens(endpoint))
    policy = OpenAIPolicy(
        model="adapter-3", base_url=endpoint.url, token_ids=True, temperature=1, max_tokens=9
    )
    reply = ask(policy, seed=7)
    (body,) = endpoint.bodies
    assert (body["return_token_ids"], body["logprobs"], body["model"]) == (True, True, "adapter-3")
    tokens = reply.response_metadata["tokens"]
    assert (tokens.prompt, tokens.completion) == ((1, 2, 70_000), (5, 151_643))
    assert tokens.logprobs == (float(np.float32(-0.1)), 0.0)
    assert tokens.version == "fake-mini-1"
    assert tokens.sampling == {"temperature": 1, "max_tokens": 9, "seed": 7}


def test_tokens_that_were_not_asked_for_are_ignored(endpoint):
    endpoint.replies(with_tokens(endpoint))
    reply = ask(OpenAIPolicy(model="tiny", base_url=endpoint.url))
    assert "tokens" not in reply.response_metadata
    assert "return_token_ids" not in endpoint.bodies[0]


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (None, "without the ids and log-probabilities"),
        ({"prompt": [-1]}, "without the ids and log-probabilities"),
        ({"ids": [5, 2**31]}, "without the ids and log-probabilities"),
        ({"logprobs": [-0.1, "-0.2"]}, "without the ids and log-probabilities"),
        ({"logprobs": [-0.1, -1e39]}, "without the ids and log-probabilities"),
        ({"logprobs": [-0.1, 2.0]}, "without the ids and log-probabilities"),
        ({"prompt": None}, "without the ids and log-probabilities"),
        ({"ids": ["5", "6"]}, "without the ids and log-probabilities"),
        ({"logprobs": ["-0.1 or so", -0.2]}, "without the ids and log-probabilities"),
        ({"logprobs": (-0.1,)}, "with 2 tokens and the log-probabilities of 1"),
    ],
)
def test_a_server_that_gives_no_tokens_is_refused_rather_than_trained_on(endpoint, tokens, message):
    if tokens is not None:
        endpoint.replies(with_tokens(endpoint, **tokens))
    policy = OpenAIPolicy(model="tiny", base_url=endpoint.url, token_ids=True)
    assert message in refusal(policy)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "text", "thinking", "reasoning", "refusal", "summary"]), inner
        )
    ),
    max_leaves=8,
)


@settings(max_examples=25)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            key: ANY_JSON | st.sampled_from(["text", "thinking"])
            for key in ("content", "reasoning", "reasoning_content", "refusal", "tool_calls")
        },
    ),
    ANY_JSON,
    ANY_JSON,
)
def test_a_message_of_any_shape_is_read_or_is_a_failure_of_the_endpoint(message, finish, usage):
    choice = {"message": message, "finish_reason": finish}
    body = json.dumps({"choices": [choice], "usage": usage})
    try:
        result = read_answer(body, {}, False, Target("http://h/v1", "m", "", None, 1))
    except PolicyError as error:
        assert error.cause == "endpoint"
    else:
        assert isinstance(result.generations[0].message.content, str)
