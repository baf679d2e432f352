import asyncio
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from starec_sim.errors import ConfigError, PolicyError
from starec_sim.policies.openai import OpenAIPolicy
from starec_sim.settings import validate

KEY = "sk-secret-0123456789"
"""A header that spares the tests the half second of the first retry."""


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def ask(policy, messages="hi", **kwargs):
    async def run():
        try:
            return await policy.ainvoke(messages, **kwargs)
        finally:
            await policy.aclose()

    return asyncio.run(run())


def refusal(policy, **kwargs):
    with pytest.raises(PolicyError) as caught:
        ask(policy, **kwargs)
    shown = f"{caught.value} {caught.value!r}"
    assert KEY not in shown
    assert caught.value.hint
    return str(caught.value)


# What is sent


def test_the_request_carries_messages_settings_seed_and_extra_body(endpoint):
    policy = OpenAIPolicy(
        model="tiny",
        base_url=endpoint.url,
        api_key_env="OPENAI_API_KEY",
        temperature=0.5,
        top_p=0.9,
        max_tokens=64,
        extra_body={"chat_template_kwargs": {"enable_thinking": False}},
    )
    messages = [SystemMessage("be her"), HumanMessage("rank"), AIMessage("1"), HumanMessage("no")]
    ask(policy, messages, seed=7, stop=["END"])
    assert endpoint.bodies == [
        {
            "model": "tiny",
            "messages": [
                {"role": "system", "content": "be her"},
                {"role": "user", "content": "rank"},
                {"role": "assistant", "content": "1"},
                {"role": "user", "content": "no"},
            ],
            "temperature": 0.5,
            "top_p": 0.9,
            "max_tokens": 64,
            "seed": 7,
            "stop": ["END"],
            "chat_template_kwargs": {"enable_thinking": False},
        }
    ]
    assert endpoint.headers[0]["Authorization"] == f"Bearer {KEY}"


def test_what_is_not_set_is_left_to_the_server(endpoint):
    ask(OpenAIPolicy(model="tiny", base_url=endpoint.url))
    assert endpoint.bodies[0].keys() == {"model", "messages"}


def test_a_seed_is_held_back_from_a_server_that_refuses_it(endpoint):
    ask(OpenAIPolicy(model="tiny", base_url=endpoint.url, seeded=False), seed=7)
    assert "seed" not in endpoint.bodies[0]


def test_a_keyword_replaces_the_setting_for_one_call(endpoint):
    policy = OpenAIPolicy(model="tiny", base_url=endpoint.url, temperature=1.0, max_tokens=9)
    ask(policy, temperature=0.0, max_tokens=None)
    assert endpoint.bodies[0]["temperature"] == 0.0
    assert "max_tokens" not in endpoint.bodies[0]


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({}, "max_completion_tokens"),
        ({"base_url": "https://eu.api.openai.com/v1"}, "max_completion_tokens"),
        ({"base_url": "http://localhost:8000/v1"}, "max_tokens"),
        ({"max_tokens_key": "max_tokens"}, "max_tokens"),
    ],
)
def test_the_token_limit_goes_by_the_name_the_server_knows(settings, key):
    body = OpenAIPolicy(model="m", max_tokens=5, **settings)._body([HumanMessage("hi")], {})
    assert body == {"model": "m", "messages": [{"role": "user", "content": "hi"}], key: 5}


def test_the_environment_does_not_steer_the_request(endpoint, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-stray")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-stray")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: stray\nX-Stray: stray")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("LC_OUTPUT_VERSION", "v1")
    assert ask(OpenAIPolicy(model="tiny", base_url=endpoint.url)).content == "hello"
    assert "stray" not in str(endpoint.headers)
    assert OpenAIPolicy(model="tiny")._url == "https://api.openai.com/v1"


def test_a_proxy_of_the_environment_is_used_when_asked_for(endpoint, monkeypatch):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    policy = OpenAIPolicy(model="tiny", base_url=endpoint.url, trust_env=True)
    assert "no connection" in refusal(policy)


# What comes back


def test_the_answer_carries_text_usage_and_metadata(endpoint):
    reply = ask(OpenAIPolicy(model="tiny", base_url=endpoint.url))
    assert reply.content == "hello"
    assert reply.usage_metadata == {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}
    metadata = reply.response_metadata
    assert metadata["model_name"] == "tiny-1"
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


# Many at once


def test_sixty_four_calls_at_once(endpoint):
    endpoint.replies({"json": endpoint.completion(), "together": 64})
    policy = OpenAIPolicy(model="tiny", base_url=endpoint.url)

    async def run():
        replies = await asyncio.gather(*(policy.ainvoke("hi", seed=i) for i in range(64)))
        await policy.aclose()
        return replies

    assert [reply.content for reply in asyncio.run(run())] == ["hello"] * 64
    assert sorted(body["seed"] for body in endpoint.bodies) == list(range(64))
    assert endpoint.most_at_once == 64


def test_the_server_never_sees_more_than_max_in_flight(endpoint):
    endpoint.replies({"json": endpoint.completion(), "together": 3, "delay_s": 0.02})
    policy = OpenAIPolicy(model="tiny", base_url=endpoint.url, max_in_flight=3)

    async def run():
        await asyncio.gather(*(policy.ainvoke("hi") for _ in range(12)))
        await policy.aclose()

    asyncio.run(run())
    assert (len(endpoint.bodies), endpoint.most_at_once) == (12, 3)


def test_one_policy_serves_several_event_loops_and_reopens_after_closing(endpoint):
    policy = OpenAIPolicy(model="tiny", base_url=endpoint.url)
    assert ask(policy).content == ask(policy).content == "hello"
    assert policy._connections == {}


def test_invoke_works_without_and_within_a_running_loop(endpoint):
    policy = OpenAIPolicy(model="tiny", base_url=endpoint.url)

    async def notebook():
        return policy.invoke("hi", seed=3)

    assert policy.invoke("hi").content == asyncio.run(notebook()).content == "hello"
    assert endpoint.bodies[1]["seed"] == 3
    assert policy._connections == {}


# Whose fault it was


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        *((408, "endpoint"), (429, "endpoint"), (500, "endpoint"), (503, "endpoint")),
        *((400, "refused"), (413, "refused"), (422, "refused")),
        *((401, "closed"), (402, "closed"), (403, "closed"), (404, "closed")),
    ],
)
def test_a_status_says_whether_to_ask_again(endpoint, status, cause):
    endpoint.replies({"status": status, "json": {"error": {"message": "no"}}})
    with pytest.raises(PolicyError) as raised:
        ask(OpenAIPolicy(model="tiny", base_url=endpoint.url))
    assert raised.value.cause == cause
    assert len(endpoint.bodies) == 1, "the gateway repeats calls, and nobody else"


def test_an_empty_account_is_no_overload(endpoint):
    error = {"message": "You exceeded your current quota", "code": "insufficient_quota"}
    endpoint.replies({"status": 429, "json": {"error": error}})
    with pytest.raises(PolicyError) as raised:
        ask(OpenAIPolicy(model="tiny", base_url=endpoint.url))
    assert raised.value.cause == "closed"


def test_what_a_server_asks_to_wait_is_passed_on(endpoint):
    endpoint.replies({"status": 429, "text": "", "headers": {"Retry-After": "7"}})
    with pytest.raises(PolicyError) as raised:
        ask(OpenAIPolicy(model="tiny", base_url=endpoint.url))
    assert raised.value.retry_after_s == 7


def test_a_server_error_says_what_the_server_said(endpoint):
    endpoint.replies({"status": 500, "text": "worker died"})
    told = refusal(OpenAIPolicy(model="tiny", base_url=endpoint.url))
    assert f"{endpoint.url} failed (500): worker died" in told


def test_a_refused_request_names_what_was_wrong(endpoint):
    endpoint.replies({"status": 400, "json": {"error": {"message": "no such parameter: seed"}}})
    told = refusal(OpenAIPolicy(model="tiny", base_url=endpoint.url))
    assert "refused the request (400): no such parameter: seed" in told
    assert "seeded" in told


# Errors say what, why and what next


def test_nobody_listening():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: refused, and nobody else's
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        told = refusal(OpenAIPolicy(model="tiny", base_url=url))
    assert f"no connection to {url}: ConnectionRefusedError" in told
    assert f"is the server running? try: curl {url}/models" in told


def test_a_host_without_an_address(monkeypatch):
    def unknown(host, *_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    url = "http://nowhere.invalid/v1"
    told = refusal(OpenAIPolicy(model="tiny", base_url=url))
    assert f"no connection to {url}: gaierror" in told
    assert "Name or service not known" in told


def test_a_server_that_hangs_up(endpoint):
    endpoint.replies({"drop": True})
    told = refusal(OpenAIPolicy(model="tiny", base_url=endpoint.url))
    assert f"no connection to {endpoint.url}" in told


def test_a_server_that_does_not_speak_http():
    def greet():
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"SSH-2.0-OpenSSH\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=greet)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        told = refusal(OpenAIPolicy(model="tiny", base_url=url))
        thread.join()
    assert f"no connection to {url}" in told


def test_a_server_that_hangs_is_given_up_after_timeout_s(endpoint):
    endpoint.replies({"hang": True})
    policy = OpenAIPolicy(model="tiny", base_url=endpoint.url, timeout_s=0.5)
    told = refusal(policy)
    assert f"{endpoint.url} was silent for timeout_s = 0.5 seconds" in told
    assert len(endpoint.bodies) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key_is_named_by_its_variable_and_never_shown(endpoint, status):
    endpoint.replies({"status": status, "json": {"error": {"message": f"bad key {KEY}"}}})
    policy = OpenAIPolicy(model="tiny", base_url=endpoint.url, api_key_env="OPENAI_API_KEY")
    told = refusal(policy)
    assert f"with the key in OPENAI_API_KEY ({status}): bad key ***" in told
    assert "export OPENAI_API_KEY=..." in told


def test_a_missing_key_is_fine_until_the_server_wants_one(endpoint):
    endpoint.replies({"json": endpoint.completion()}, {"status": 401, "json": {"detail": "who?"}})
    policy = OpenAIPolicy(model="tiny", base_url=endpoint.url, api_key_env="UNSET_KEY")
    assert ask(policy).content == "hello"
    assert "with no key, UNSET_KEY unset (401): who?" in refusal(policy)
    assert KEY not in str(endpoint.headers)


def test_the_key_that_is_meant_for_openai_goes_nowhere_else(endpoint):
    ask(OpenAIPolicy(model="tiny", base_url=endpoint.url))
    assert KEY not in str(endpoint.headers)


def test_openai_itself_needs_a_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    told = refusal(OpenAIPolicy(model="gpt"))
    assert "https://api.openai.com/v1 needs a key, and OPENAI_API_KEY is not set" in told
    assert "hint: export OPENAI_API_KEY=..." in told


def test_a_key_no_header_can_carry(endpoint, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY + "…")
    policy = OpenAIPolicy(model="m", base_url=endpoint.url, api_key_env="OPENAI_API_KEY")
    assert "the key in OPENAI_API_KEY" in refusal(policy)


def test_an_unknown_model(endpoint):
    body = {"object": "error", "message": "The model `tinny` does not exist.", "code": 404}
    endpoint.replies({"status": 404, "json": body})
    told = refusal(OpenAIPolicy(model="tinny", base_url=endpoint.url))
    assert 'no model "tinny"' in told
    assert "The model `tinny` does not exist." in told
    assert f"curl {endpoint.url}/models" in told
    assert "should base_url be" not in told


def test_a_base_url_without_its_version(endpoint):
    root = endpoint.url.removesuffix("/v1")
    told = refusal(OpenAIPolicy(model="tiny", base_url=root + "/"))
    assert f"should base_url be {root}/v1?" in told


def test_a_prompt_that_does_not_fit(endpoint):
    message = "This model's maximum context length is 4096 tokens. However, you requested 9000."
    endpoint.replies({"status": 400, "json": {"message": message}})
    told = refusal(OpenAIPolicy(model="tiny", base_url=endpoint.url))
    assert 'does not fit the context of "tiny" (400): This model\'s maximum' in told


def test_a_quota_that_is_used_up(endpoint):
    endpoint.replies({"status": 429, "json": {"error": {"message": "quota"}}})
    told = refusal(OpenAIPolicy(model="tiny", base_url=endpoint.url))
    assert "takes no more requests (429): quota" in told


def test_a_long_complaint_is_bounded(endpoint):
    endpoint.replies({"status": 422, "json": {"detail": [{"msg": "x" * 5000}]}})
    assert len(refusal(OpenAIPolicy(model="tiny", base_url=endpoint.url))) < 600


@pytest.mark.parametrize("content_type", ["text/html", "application/json"])
def test_a_web_page_instead_of_an_answer(endpoint, content_type):
    page = "<!doctype html>\n<title>Welcome</title>" + "x" * 500
    endpoint.replies({"text": page, "content_type": content_type})
    told = refusal(OpenAIPolicy(model="tiny", base_url=endpoint.url))
    assert "not JSON: '<!doctype html> <title>Welcome</title>xxx" in told
    assert "x" * 81 not in told


def test_an_answer_cut_short(endpoint):
    endpoint.replies({"text": '{"choices": [{"mess', "content_type": "application/json"})
    told = refusal(OpenAIPolicy(model="tiny", base_url=endpoint.url))
    assert """not JSON: '{"choices": [{"mess'""" in told


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
    told = refusal(OpenAIPolicy(model="tiny", base_url=endpoint.url))
    assert "without a choice that holds text" in told


# Settings


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"temprature": 1}, 'there is no such key; did you mean "temperature"?'),
        ({"api_key": KEY}, 'there is no such key; did you mean "api_key_env"?'),
        ({"api_key_env": KEY}, "expected the name of an environment variable"),
        ({"base_url": "localhost:8000/v1"}, "expected an address such as"),
        ({"base_url": "http://:8000/v1"}, "expected an address such as"),
        ({"base_url": "http://localhost:80a0/v1"}, "Port could not be cast"),
        ({"base_url": "http://localhost/v1?token=1"}, "a key does not belong in the address"),
        ({"max_in_flight": 0}, "max_in_flight"),
        ({"model": ""}, "model"),
    ],
)
def test_a_wrong_setting_is_refused(settings, told):
    with pytest.raises(ConfigError) as caught:
        validate(OpenAIPolicy, {"model": "m", **settings}, at="fast")
    assert told in str(caught.value)
    assert KEY not in str(caught.value)


def test_the_key_is_nowhere_to_be_seen(endpoint):
    policy = OpenAIPolicy(model="tiny", base_url=endpoint.url)
    policy.invoke("hi")
    assert KEY not in f"{policy!r} {policy} {policy.model_dump()} {policy.asdict()}"
    with pytest.raises(ValueError) as caught:
        OpenAIPolicy(model="tiny", api_key=KEY)
    assert KEY not in str(caught.value)


def test_differently_set_policies_are_told_apart():
    cold, warm = (OpenAIPolicy(model="m", temperature=t) for t in (0.0, 1.0))
    assert cold._get_llm_string() != warm._get_llm_string()


def test_importing_the_policy_does_not_import_the_sdk():
    code = "import sys, starec_sim.policies.openai; print('openai' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# Structured output

WANTED = {
    "type": "json_schema",
    "json_schema": {"name": "ranking", "schema": {"type": "object"}, "strict": True},
}


@pytest.mark.parametrize(
    ("structured", "sent"),
    [
        ("json_schema", {"response_format": WANTED}),
        ("json_object", {"response_format": {"type": "json_object"}}),
        ("structured_outputs", {"structured_outputs": {"json": {"type": "object"}}}),
    ],
)
def test_a_schema_goes_by_the_name_the_server_knows(endpoint, structured, sent):
    policy = OpenAIPolicy(model="tiny", base_url=endpoint.url, structured=structured)
    ask(policy, response_format=WANTED)
    (body,) = endpoint.bodies
    assert {key: body[key] for key in body.keys() - {"model", "messages"}} == sent


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
    assert tokens.version == "tiny-1"
    assert tokens.sampling == {"temperature": 1, "max_tokens": 9, "seed": 7}


def test_tokens_that_nobody_asked_for_are_left_alone(endpoint):
    endpoint.replies(with_tokens(endpoint))
    reply = ask(OpenAIPolicy(model="tiny", base_url=endpoint.url))
    assert "tokens" not in reply.response_metadata
    assert "return_token_ids" not in endpoint.bodies[0]


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (None, "without the ids and log-probabilities"),
        ({"prompt": None}, "without the ids and log-probabilities"),
        ({"ids": ["5", "6"]}, "without the ids and log-probabilities"),
        ({"logprobs": ["-0.1 or so", -0.2]}, "without the ids and log-probabilities"),
        ({"logprobs": (-0.1,)}, "with 2 tokens and the log-probabilities of 1"),
    ],
)
def test_a_server_that_gives_no_tokens_is_refused_rather_than_trained_on(endpoint, told, said):
    if told is not None:
        endpoint.replies(with_tokens(endpoint, **told))
    policy = OpenAIPolicy(model="tiny", base_url=endpoint.url, token_ids=True)
    assert said in refusal(policy)
