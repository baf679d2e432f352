"""`starec doctor` finds what an endpoint takes, what it refuses, and what it takes and ignores."""

import asyncio
import json

import pytest

from starec_sim.errors import PolicyError
from starec_sim.policies.openai import OpenAIPolicy
from starec_sim.policies.openai.doctor import CHECKS, advised, examine


def refuse(words):
    return {"status": 400, "json": {"error": {"message": words}}}


def able(completion, body):
    """Answer as a server that takes everything."""
    text = f"A story with seed {body.get('seed')}."
    if "response_format" in body:
        text = json.dumps({"mood": "zorv"})
    cut = body.get("max_tokens") == 4
    read = sum(len(message["content"]) for message in body["messages"]) // 4
    answer = completion(text, finish_reason="length" if cut else "stop", usage=(read, 4))
    if body.get("return_token_ids"):
        answer["prompt_token_ids"] = [1]
        answer["choices"][0] |= {
            "token_ids": [2, 3],
            "logprobs": {"content": [{"logprob": -0.5}, {"logprob": -0.1}]},
        }
    return {"json": answer}


def checks_of(endpoint, reply, **settings):
    endpoint.replies(lambda body: reply(endpoint.completion, body))

    async def ask():
        policy = OpenAIPolicy(model="tiny", base_url=endpoint.url, **settings)
        return [check async for check in examine(policy)]

    return asyncio.run(ask())


def test_a_server_that_takes_everything_has_a_yes_for_each_question(endpoint):
    checks = checks_of(endpoint, able)
    assert [check.outcome for check in checks] == ["yes"] * CHECKS
    assert advised(checks, {"use": "openai"}) == {"use": "openai", "structured": "json_schema"}


def test_what_is_refused_becomes_a_setting_and_is_not_sent_again(endpoint):
    def reply(completion, body):
        if any(message["role"] == "system" for message in body["messages"]):
            return refuse("unknown role: system")
        for key in ("seed", "max_tokens", "response_format", "structured_outputs", "temperature"):
            if key in body:
                return refuse(f"{key}: Extra inputs are not permitted")
        limit = {"max_tokens": body.get("max_completion_tokens")}
        return able(completion, body | limit)

    checks = checks_of(endpoint, reply, temperature=0.5)
    assert advised(checks, {"use": "openai", "temperature": 0.5}) == {
        "use": "openai",
        "max_tokens_key": "max_completion_tokens",
        "system": "merge",
        "seeded": False,
    }
    assert "max_tokens" not in endpoint.bodies[-1]


def test_a_schema_and_a_seed_that_are_ignored_and_a_cut_prompt_are_found(endpoint):
    count = iter(range(100))

    def reply(completion, body):
        return {"json": completion(f"A joke, number {next(count)}.", usage=(50, 2))}

    found = {check.name: check for check in checks_of(endpoint, reply, structured="json_schema")}
    assert "ignored" in found["schema"].said
    assert found["schema"].settings == {"structured": None}
    assert found["seed"].outcome == "no"
    assert "cut without a word" in found["long prompt"].said
    assert found["max_tokens"].outcome == "unclear"


def test_an_endpoint_that_answers_nothing_is_an_error(endpoint):
    with pytest.raises(PolicyError, match="no such model"):
        checks_of(endpoint, lambda completion, body: refuse("no such model"))


def test_the_command_prints_what_to_write(endpoint, starec):
    endpoint.replies(lambda body: able(endpoint.completion, body))
    status, out, _ = starec("doctor", f"openai,model=tiny,base_url={endpoint.url}")
    assert status == 0
    assert "structured: json_schema" in out
    _, out, _ = starec("doctor", f"openai,model=tiny,base_url={endpoint.url}", "--json")
    assert json.loads(out)["policy"]["structured"] == "json_schema"


def test_a_policy_without_an_endpoint_is_refused(starec):
    status, _, err = starec("doctor", "lexical")
    assert status != 0
    assert "is no endpoint" in err
