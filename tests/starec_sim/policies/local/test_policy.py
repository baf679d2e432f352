"""The local policy as a chat model: what it answers, and what it says when it cannot."""

import asyncio
import shutil

import pytest
from pydantic import ValidationError

from starec_sim.errors import PolicyError
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


def test_the_same_seed_gives_the_same_answer_alone_and_in_a_batch(policy):
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


def test_a_stop_text_ends_the_answer_and_is_not_part_of_it(policy):
    whole = policy.invoke(CHAT, seed=7).content
    stop = whole[6:8]
    reply = policy.invoke(CHAT, seed=7, stop=[stop])
    assert reply.content == whole[: whole.index(stop)]
    assert reply.response_metadata["finish_reason"] == "stop"
    tokens = reply.response_metadata["tokens"]
    # The ids are what was sampled, the stop text included.
    assert len(tokens.completion) == len(tokens.logprobs) < 16

    async def listen():
        return "".join([c.content async for c in policy.astream(CHAT, seed=7, stop=[stop])])

    assert asyncio.run(listen()) == reply.content


def test_an_answer_is_never_tokenised_again(policy, tokenizer):
    """A random model writes tokens that no tokenizer would choose for its text."""
    tokens = policy.invoke(CHAT, seed=7).response_metadata["tokens"]
    text = tokenizer.decode(tokens.completion)
    assert tuple(tokenizer(text, add_special_tokens=False)["input_ids"]) != tokens.completion
    again = policy.invoke(CHAT, seed=7).response_metadata["tokens"]
    assert (again.prompt, again.completion) == (tokens.prompt, tokens.completion)


def test_without_a_seed_one_is_drawn_and_recorded(policy):
    first, second = (policy.invoke(CHAT).response_metadata["tokens"] for _ in range(2))
    assert first.sampling["seed"] != second.sampling["seed"]
    seed = first.sampling["seed"]
    assert policy.invoke(CHAT, seed=seed).response_metadata["tokens"].completion == first.completion


def test_calls_at_once_are_one_batch(policy):
    async def users():
        await policy.ainvoke(CHAT, seed=0)
        await asyncio.gather(*(policy.ainvoke(CHAT, seed=i) for i in range(12)))

    policy._lazy.get().batcher._wait_s = 1.0
    asyncio.run(users())
    assert policy._lazy.get().batcher.sizes == [1, 12]


def test_one_policy_serves_several_event_loops_and_works_after_closing(policy):
    async def once():
        reply = await policy.ainvoke(CHAT, seed=7)
        await policy.aclose()
        return reply.content

    assert asyncio.run(once()) == asyncio.run(once()) == policy.invoke(CHAT, seed=7).content


def test_invoke_works_within_a_running_loop(policy):
    async def notebook():
        return policy.invoke(CHAT, seed=7)

    assert asyncio.run(notebook()).content == policy.invoke(CHAT, seed=7).content


def test_leaving_a_stream_early_leaves_the_policy_usable(policy):
    async def first_piece():
        stream = policy.astream(CHAT, seed=7)
        piece = await anext(stream)
        await stream.aclose()
        return piece.content

    assert policy.invoke(CHAT, seed=7).content.startswith(asyncio.run(first_piece()))


def test_a_model_that_transformers_must_run(build_model, tokenizer, tmp_path):
    build_model("gpt2").save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    policy = LocalPolicy(model=str(tmp_path), max_tokens=6, dtype="fp32")
    reply = policy.invoke(CHAT, seed=7)
    policy.close()
    assert len(reply.response_metadata["tokens"].completion) == 6


# Bad input


def refusal(policy, messages=CHAT, **call):
    with pytest.raises(PolicyError) as refused:
        policy.invoke(messages, **call)
    assert refused.value.hint
    return str(refused.value)


def test_a_prompt_that_does_not_fit_says_by_how_much_and_what_is_longest(policy):
    history = "drama " * 200
    user = f"<profile>\nuser\n</profile>\n<history>\n{history}\n</history>\nrank"
    read = len(policy.invoke([("user", user)], max_tokens=1).response_metadata["tokens"].prompt)
    message = refusal(policy, [("user", user)], max_tokens=500)
    assert (
        f"{read:,} tokens of prompt and max_tokens = 500 are {read + 500 - 512:,} more" in message
    )
    assert "the longest part of the prompt is <history> with 20" in message
    assert f"hint: lower max_tokens to {512 - read}, or shorten <history>" in message


def test_a_prompt_beyond_the_window_cannot_be_helped_by_max_tokens(policy):
    message = refusal(policy, [("system", "user " * 700), ("user", "rank")])
    assert "the longest part of the prompt is the system message" in message
    assert "hint: shorten the system message" in message


def test_a_prompt_may_fill_the_window_to_the_last_token(policy):
    read = len(policy.invoke(CHAT, max_tokens=1).response_metadata["tokens"].prompt)
    reply = policy.invoke(CHAT, max_tokens=512 - read, seed=1)
    assert reply.response_metadata["finish_reason"] in ("length", "stop")
    assert "are 1 more than the 512" in refusal(policy, max_tokens=513 - read)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ({"max_tokens": 0}, "max_tokens = 0: expected at least 1"),
        ({"temperature": -1}, "temperature = -1: expected 0 or more"),
        ({"top_p": 0}, "top_p = 0: expected above 0, at most 1"),
        ({"temprature": 1}, 'no setting temprature for a call; did you mean "temperature"?'),
    ],
)
def test_a_call_that_makes_no_sense(policy, call, expected):
    assert expected in refusal(policy, **call)


def test_settings_that_make_no_sense():
    for settings in ({"max_tokens": 0}, {"top_p": 1.5}, {"dtype": "int4"}, {"tempo": 1}):
        with pytest.raises(ValidationError):
            LocalPolicy(model="tiny", **settings)


def test_a_graphics_card_that_is_not_there(model_folder, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    message = refusal(LocalPolicy(model=str(model_folder), device="cuda"))
    assert "torch finds no graphics card" in message


def test_a_template_that_refuses_the_messages(model_folder, build_model, tokenizer, tmp_path):
    shutil.copytree(model_folder, tmp_path / "strict")
    template = tmp_path / "strict" / "chat_template.jinja"
    template.write_text("{{ raise_exception('no system messages here') }}")
    message = refusal(LocalPolicy(model=str(tmp_path / "strict")))
    assert "does not take a conversation (system, user, assistant, user): no system" in message


def test_a_prompt_of_no_tokens(model_folder, tmp_path):
    shutil.copytree(model_folder, tmp_path / "silent")
    (tmp_path / "silent" / "chat_template.jinja").write_text(
        "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    )
    assert "the prompt has no tokens" in refusal(LocalPolicy(model=str(tmp_path / "silent")), "")


def test_a_model_without_a_chat_template_gets_a_plain_one(model_folder, tmp_path, caplog):
    shutil.copytree(model_folder, tmp_path / "base")
    (tmp_path / "base" / "chat_template.jinja").unlink()
    policy = LocalPolicy(model=str(tmp_path / "base"), max_tokens=4)
    prompt = policy.invoke(CHAT).response_metadata["tokens"].prompt
    policy.close()
    assert policy._lazy.get().chat_format.decode(prompt) == (
        "### System\nuser item liked\n\n"
        "### User\n<history>\ndrama war\n</history>\nrank\n\n### Assistant\n"
    )
    assert "has no chat template; a plain one is used" in caplog.text
    assert "hint: take a model that was tuned for chat" in caplog.text
