"""The local policy through the endpoint, asked by the `openai` policy: equal to the token."""

import asyncio

import pytest

from starec_sim.policies.openai import OpenAIPolicy

pytest.importorskip("torch")

CHAT = [("system", "user item liked"), ("user", "<history>\ndrama war\n</history>\nrank")]


@pytest.fixture
def local(model_folder):
    from starec_sim.policies.local import LocalPolicy

    made = LocalPolicy(model=str(model_folder), max_tokens=12, dtype="fp32")
    yield made
    made.close()


@pytest.fixture
def remote(serve, local):
    return OpenAIPolicy(model="tiny", base_url=serve(local), token_ids=True, temperature=0.9)


def ask(policy, *calls):
    async def all_at_once():
        try:
            return await asyncio.gather(*(policy.ainvoke(CHAT, **call) for call in calls))
        finally:
            await policy.aclose()

    return asyncio.run(all_at_once())


def test_the_client_gets_the_tokens_that_the_engine_sampled(local, remote):
    calls = [{"seed": seed, "max_tokens": 5 + seed} for seed in range(8)]
    far = ask(remote, *calls)
    near = ask(local, *({**call, "temperature": 0.9} for call in calls))
    for one, other in zip(far, near, strict=True):
        assert one.content == other.content
        assert one.usage_metadata == other.usage_metadata
        told, sampled = (reply.response_metadata["tokens"] for reply in (one, other))
        assert told.completion == sampled.completion
        assert (told.prompt, told.version) == (sampled.prompt, sampled.version)
        assert told.logprobs == pytest.approx(sampled.logprobs, abs=1e-5)
        assert told.sampling == {
            name: sampled.sampling[name] for name in ("temperature", "max_tokens", "seed")
        }


def test_every_token_has_a_text(local):
    (reply,) = ask(local, {"seed": 1})
    tokens = reply.response_metadata["tokens"]
    assert len(local.token_texts(tokens.completion)) == len(tokens.completion)
    assert local.token_texts([1]) == ["<|im_start|>"]


def test_a_prompt_that_does_not_fit_is_refused_with_the_reason(remote):
    from starec_sim.errors import PolicyError

    with pytest.raises(PolicyError, match="more than the 512 that") as raised:
        ask(remote, {"max_tokens": 600})
    assert "400" in raised.value.message
