"""Requests of the `openai` policy: what is sent, how many at once, and which settings it takes."""

import asyncio
import subprocess
import sys

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from starec_sim.errors import ConfigError
from starec_sim.policies.openai import OpenAIPolicy
from starec_sim.settings import validate
from tests.starec_sim.policies.openai.asking import KEY, ask, refusal


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


def test_the_environment_does_not_change_the_request(endpoint, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-stray")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-stray")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: stray\nX-Stray: stray")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("LC_OUTPUT_VERSION", "v1")
    assert ask(OpenAIPolicy(model="tiny", base_url=endpoint.url)).content == "hello"
    assert "stray" not in str(endpoint.headers)
    assert OpenAIPolicy(model="tiny").url == "https://api.openai.com/v1"


def test_a_proxy_of_the_environment_is_used_when_asked_for(endpoint, monkeypatch):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    policy = OpenAIPolicy(model="tiny", base_url=endpoint.url, trust_env=True)
    assert "no connection" in refusal(policy)


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


# Settings


@pytest.mark.parametrize(
    ("settings", "message"),
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
def test_a_wrong_setting_is_refused(settings, message):
    with pytest.raises(ConfigError) as caught:
        validate(OpenAIPolicy, {"model": "m", **settings}, at="fast")
    assert message in str(caught.value)
    assert KEY not in str(caught.value)


def test_the_key_is_never_shown(endpoint):
    policy = OpenAIPolicy(model="tiny", base_url=endpoint.url)
    policy.invoke("hi")
    assert KEY not in f"{policy!r} {policy} {policy.model_dump()} {policy.asdict()}"
    with pytest.raises(ValueError) as caught:
        OpenAIPolicy(model="tiny", api_key=KEY)
    assert KEY not in str(caught.value)


def test_policies_with_different_settings_are_different():
    cold, warm = (OpenAIPolicy(model="m", temperature=t) for t in (0.0, 1.0))
    assert cold._get_llm_string() != warm._get_llm_string()


@pytest.mark.slow
def test_importing_the_policy_does_not_import_the_sdk():
    code = "import sys, starec_sim.policies.openai; print('openai' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
