"""The local policy as a chat model: what it answers, and what it says when it cannot."""

import asyncio

import pytest

from starec_sim.policies.local import LocalPolicy
from starec_sim.types import Tokens

CHAT = [("system", "user item liked"), ("user", "<history>\ndrama war\n</history>\nrank")]


@pytest.fixture
def policy(model_folder):
    made = LocalPolicy(model=str(model_folder), max_tokens=16, dtype="fp32")
    yield made
    made.close()


def test_an_answer_carries_its_tokens(policy, tokenizer):
    reply = policy.invoke(CHAT, seed=7)
    tokens = reply.response_metadata["tokens"]
    assert isinstance(tokens, Tokens)
    assert reply.content == tokenizer.decode(tokens.completion, skip_special_tokens=True)
    assert len(tokens.completion) == len(tokens.logprobs) == 16
    assert reply.response_metadata["finish_reason"] == "length"
    assert reply.response_metadata["model_name"] == tokens.version == policy.version
    assert dict(tokens.sampling) == {"temperature": 1, "top_p": 1, "max_tokens": 16, "seed": 7}
    read, written = len(tokens.prompt), len(tokens.completion)
    assert reply.usage_metadata == {
        "input_tokens": read,
        "output_tokens": written,
        "total_tokens": read + written,
    }


def test_the_chat_template_is_applied_once(policy, tokenizer):
    tokens = policy.invoke(CHAT, seed=7).response_metadata["tokens"]
    text = (
        "<|im_start|>system\nuser item liked<|im_end|>\n"
        "<|im_start|>user\n<history>\ndrama war\n</history>\nrank<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert tokenizer.decode(tokens.prompt) == text


def test_the_same_seed_gives_the_same_answer_alone_and_in_company(policy):
    async def together():
        return await asyncio.gather(
            *(policy.ainvoke([("user", f"rank item {i % 3}")], seed=i) for i in range(9))
        )

    crowd = asyncio.run(together())
    alone = [policy.invoke([("user", f"rank item {i % 3}")], seed=i) for i in range(9)]
    assert [reply.content for reply in crowd] == [reply.content for reply in alone]
    assert len({reply.content for reply in crowd}) == 9


def test_a_call_overrides_the_settings(policy):
    reply = policy.invoke(CHAT, temperature=0, top_p=0.5, max_tokens=3)
    sampling = reply.response_metadata["tokens"].sampling
    assert (sampling["temperature"], sampling["top_p"], sampling["max_tokens"]) == (0, 0.5, 3)
    assert policy.invoke(CHAT, temperature=0, max_tokens=3).content == reply.content


def test_a_stream_gives_the_answer_in_pieces(policy):
    async def listen():
        return [chunk async for chunk in policy.astream(CHAT, seed=7)]

    pieces = asyncio.run(listen())
    whole = policy.invoke(CHAT, seed=7)
    assert "".join(piece.content for piece in pieces) == whole.content
    assert len(pieces) > 5
    ids = whole.response_metadata["tokens"].completion
    assert pieces[-1].response_metadata["tokens"].completion == ids
