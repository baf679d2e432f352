"""What clients of `starec serve` send: all that asks for nothing is taken, the rest is refused."""
# ruff: noqa: F811 (fixtures are imported, and named again where they are used)

import asyncio

import httpx
import pytest

from starec_sim.policies.lexical import LexicalPolicy
from starec_sim.policies.local import LocalPolicy
from starec_sim.serving.endpoint import Endpoint
from starec_sim.serving.requests import read_request
from tests.tiny_models import model_folder, one_thread, tokenizer  # noqa: F401

HI = {"role": "user", "content": "hi"}


def send(method, path, *, policy=None, headers=None, **options):
    """Send a request to an endpoint in this process; return its status and its body."""
    app = Endpoint("tiny", policy or LexicalPolicy()).app()

    async def sent():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answer = await client.request(method, path, headers=headers, **options)
            return answer.status_code, answer.json()

    return asyncio.run(sent())


def ask(*messages, path="/v1/chat/completions", policy=None, **keys):
    body = {"model": "tiny", "messages": list(messages) or [HI], **keys}
    return send("POST", path, policy=policy, json=body)


NAMES = """reasoning_effort top_k max_tokens stop seed stream stream_options tools chat_template
    logprobs response_format guided_json metadata unheard_of"""


@pytest.mark.parametrize("key", NAMES.split())
def test_null_asks_for_nothing_under_any_key(key):
    assert ask(**{key: None})[0] == 200


@pytest.mark.parametrize(
    "keys",
    [
        {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0, "best_of": 1, "n": 1},
        {"top_k": 0, "length_penalty": 1, "use_beam_search": False, "ignore_eos": False},
        {"frequency_penalty": 0, "presence_penalty": 0, "logit_bias": {}, "stop_token_ids": []},
        {"tools": [], "tool_choice": "none", "parallel_tool_calls": True, "functions": []},
        {"max_tokens": -1, "stop": [], "skip_special_tokens": True, "min_tokens": 0},
        {"max_completion_tokens": -1, "stop": "", "chat_template_kwargs": {}, "n": 2, "best_of": 2},
        {"store": True, "user": "me", "metadata": {"a": "b"}, "service_tier": "auto"},
        {"response_format": {"type": "text", "json_schema": None}},
        {"reasoning_effort": "none", "think": False, "options": {}, "keep_alive": "5m"},
        {"separate_reasoning": True, "stream_reasoning": True, "no_stop_trim": False},
        {"cache_prompt": True, "id_slot": -1, "dry_multiplier": 0.0, "xtc_probability": 0},
        {"top_n_sigma": -1.0, "dynatemp_range": 0.0, "timings_per_token": False, "seed": -1},
        {"rid": "a", "session_params": {}, "return_hidden_states": False, "transforms": []},
        {"thinking": {"type": "disabled"}, "enable_thinking": False, "extra_body": {}},
        {"max_tokens": 7, "max_completion_tokens": 7},
        {"max_tokens": None, "max_completion_tokens": 7},
    ],
)
def test_usual_values_of_other_servers_keys_ask_for_nothing(keys):
    assert ask(**keys)[0] == 200


def test_options_of_a_stream_that_is_not_one_ask_for_nothing():
    assert ask(stream=False, stream_options={"include_usage": None})[0] == 200


@pytest.mark.parametrize(
    "keys",
    [
        {"top_k": 40},
        {"min_p": 0.1},
        {"repetition_penalty": 1.1},
        {"frequency_penalty": -0.1},
        {"best_of": 2},
        {"logit_bias": {"1": 5}},
        {"tools": [{"type": "function"}]},
        {"tool_choice": "required"},
        {"max_tokens": -2},
        {"stop_token_ids": [5]},
        {"ignore_eos": True},
        {"reasoning_effort": "high"},
        {"think": True},
        {"thinking": {"type": "enabled"}},
        {"xtc_probability": 0.5},
        {"unheard_of": 0},
        {"temperature": True},
        {"top_p": True},
        {"seed": False},
        {"max_completion_tokens": True},
        {"max_tokens": 5, "max_completion_tokens": 6},
    ],
    ids=lambda keys: next(iter(keys)),
)
def test_what_would_change_an_answer_is_refused_by_name(keys):
    status, body = ask(**keys)
    assert status == 400
    assert next(iter(keys)) in body["error"]["message"]


@pytest.mark.parametrize("keys", [{"top_k": 40}, {"seed": False}, {"unheard_of": 0}])
def test_a_refused_key_is_the_parameter_of_the_error(keys):
    assert ask(**keys)[1]["error"]["param"] in keys


def test_the_seed_minus_one_is_any_seed():
    request = read_request({"model": "tiny", "messages": [HI], "seed": -1})
    assert request.options(0, True, False)["seed"] != request.options(0, True, False)["seed"]


@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant", "content": None},
        {"role": "assistant", "content": None, "tool_calls": None, "refusal": None},
        {"role": "assistant"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "system", "content": [{"type": "text", "text": "a", "cache_control": {"x": 1}}]},
        {"role": "user", "content": "a", "name": None},
    ],
)
def test_messages_come_as_text_as_parts_and_without_content(message):
    assert ask(HI, message, HI)[0] == 200


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": None},
        {"role": "system"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "a"}}]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
    ],
)
def test_messages_without_text_are_refused(message):
    status, body = ask(message)
    assert (status, body["error"]["param"].startswith("messages.0")) == (400, True)


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/", "/v1//models", "/v1/models/tiny/"])
def test_slashes_of_an_address_do_not_matter(path):
    assert send("GET", path)[0] == 200
    assert ask(path="/v1//chat/completions/")[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "localhost:port",
        "localhost:",
        "localhost:80:80",
        "localhost:123456",
        "evil.example\\@localhost",
        "evil.example@localhost",
        "localhost/evil",
        "localhost#",
        "[::1",
        "",
    ],
)
def test_a_host_that_programs_read_differently_is_refused(host):
    assert send("GET", "/v1/models", headers={"host": host})[0] == 403
    assert send("GET", "/v1/models", headers={"origin": f"http://{host}"})[0] == 403


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000"])
def test_names_of_this_machine_are_taken(host):
    headers = {"host": host, "origin": f"http://{host}"}
    assert send("GET", "/v1/models", headers=headers)[0] == 200


def test_a_prompt_of_megabytes_is_refused_before_all_of_it_is_tokenized(
    model_folder,
    monkeypatch,
):
    policy = LocalPolicy(model=str(model_folder), max_tokens=1)
    chat = policy._lazy.get().chat_format
    tokenized = []
    ids = chat._ids
    monkeypatch.setattr(chat, "_ids", lambda text: tokenized.append(text) or ids(text))
    long = "drama " * 500_000
    status, body = ask({"role": "user", "content": long}, policy=policy)
    policy.close()
    assert status == 400
    assert "far more tokens than the 512" in body["error"]["message"]
    assert sum(map(len, tokenized)) < 50_000


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([{"type": "image_url", "image_url": {"url": "x"}}], "part 0 has the type 'image_url'; "),
        ([{"type": "text", "text": 3}], "part 0 must have a text under `text`"),
        ([{"type": "text", "text": "a", "x": 1}], "there is no such key"),
        (["hi"], "part 0 must be an object"),
        ({}, "must be a text, or a list of parts"),
    ],
)
def test_a_content_that_cannot_be_read_is_refused_in_words_about_json(content, said):
    status, body = ask({"role": "user", "content": content})
    assert status == 400
    assert said in body["error"]["message"]
    assert "Input should" not in body["error"]["message"]


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 200 + b"1" + b"}" * 200])
def test_a_body_that_is_nested_too_deeply_is_refused_by_its_depth(body):
    headers = {"content-type": "application/json"}
    status, answer = send("POST", "/v1/chat/completions", content=body, headers=headers)
    assert status == 400
    said = answer["error"]["message"]
    assert said == "the body is not JSON: it is nested more than 100 levels deep"


def test_half_a_surrogate_pair_is_refused():
    headers = {"content-type": "application/json"}
    body = rb'{"model": "tiny", "messages": [{"role": "user", "content": "\ud800"}]}'
    status, answer = send("POST", "/v1/chat/completions", content=body, headers=headers)
    assert status == 400
    assert "half of a surrogate pair" in answer["error"]["message"]
