"""What is generated: the same as Hugging Face's, whoever shares the batch."""

import asyncio
import random
import threading

import numpy as np
import pytest
import torch

from starec_sim.errors import PolicyError
from starec_sim.policies.engine import Request, Sampling, prefix_cache
from starec_sim.policies.engine.batcher import Batcher
from starec_sim.policies.engine.decoder_weights import unsupported
from starec_sim.policies.engine.hf_engine import HFEngine
from starec_sim.policies.engine.precision import bf16_is_faster
from starec_sim.policies.engine.protocol import NobodyWaitsError
from starec_sim.policies.engine.same_in_any_batch import BLOCK, padded_tokens
from starec_sim.policies.engine.torch_engine import TorchEngine

LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
MODELS = {
    "qwen3, tied, 2 key heads": ("qwen3", {"num_key_value_heads": 2, "head_dim": 8}),
    "qwen3, tied, 1 key head, wide heads": (
        "qwen3",
        {"num_key_value_heads": 1, "head_dim": 16, "tie_word_embeddings": True},
    ),
    "qwen2, biases": ("qwen2", {"num_key_value_heads": 2, "tie_word_embeddings": False}),
    "llama, as many key heads": ("llama", {"num_key_value_heads": 4}),
    "llama, llama3 positions, biases": (
        "llama",
        {
            "num_key_value_heads": 2,
            "rope_parameters": LLAMA3_ROPE,
            "attention_bias": True,
            "mlp_bias": True,
        },
    ),
}


ENGINES = [(TorchEngine, name) for name in MODELS]
# `generate` is Hugging Face's for every model; our sampling around it is the same code for all.
ENGINES += [(HFEngine, "qwen3, tied, 2 key heads"), (HFEngine, "gpt2")]


@pytest.fixture(params=ENGINES, ids=lambda pair: f"{pair[0].__name__}, {pair[1]}", scope="module")
def engine_and_model(request, build_model):
    kind, name = request.param
    family, changes = MODELS.get(name, (name, {}))
    model = build_model(family, **changes)
    return kind(model, "tiny"), model


@pytest.fixture
def engine(engine_and_model):
    return engine_and_model[0]


@pytest.fixture
def model(engine_and_model):
    return engine_and_model[1]


def some_prompts(count, shared=40, seed=1):
    """Prompts of different lengths that begin alike."""
    draw = random.Random(seed)
    system = [draw.randrange(3, 320) for _ in range(shared)]
    return [
        tuple(system + [draw.randrange(3, 320) for _ in range(draw.randint(1, 60))])
        for _ in range(count)
    ]


def greedy(model, prompt, tokens):
    """What Hugging Face continues a single prompt with."""
    ids = torch.tensor([prompt])
    made = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=tokens,
        pad_token_id=0,
        eos_token_id=2,
    )
    return tuple(made[0, len(prompt) :].tolist())


def full_forward(model, prompt, completion, temperature=1.0):
    """Log-probabilities of a completion, from one pass over the whole text."""
    with torch.no_grad():
        logits = model(torch.tensor([prompt + completion])).logits[0, len(prompt) - 1 : -1]
    logprobs = (logits / temperature).log_softmax(-1)
    return logprobs.gather(1, torch.tensor(completion)[:, None])[:, 0]


@pytest.mark.slow
def test_greedy_tokens_are_hugging_faces(build_model):
    for family, changes in MODELS.values():
        model = build_model(family, **changes)
        prompts = [*some_prompts(3), *some_prompts(2, shared=0, seed=2), (7,)]
        requests = [Request(p, Sampling(14, 0.0, stop=frozenset([2]))) for p in prompts]
        answers = TorchEngine(model, "tiny").generate(requests)
        assert [a.ids for a in answers] == [greedy(model, p, 14) for p in prompts]


def test_log_probabilities_are_those_of_a_full_pass(engine, model):
    prompts = some_prompts(4)
    requests = [
        Request(prompt, Sampling(12, temperature, seed=10 * at + again))
        for at, prompt in enumerate(prompts)
        for again in range(3)
        for temperature in (1.0, 0.6)
    ]
    for request, answer in zip(requests, engine.generate(requests), strict=True):
        expected = full_forward(model, request.prompt, answer.ids, request.sampling.temperature)
        assert len(answer.ids) == 12
        torch.testing.assert_close(
            torch.tensor(answer.logprobs), expected, atol=1e-5, rtol=0, check_dtype=False
        )


def test_a_completion_ends_with_its_stop_token_and_the_others_go_on(engine):
    prompts = some_prompts(6)
    free = engine.generate([Request(p, Sampling(30, 1.0, seed=at)) for at, p in enumerate(prompts)])
    ends = frozenset([free[0].ids[4], free[3].ids[9]])
    stopped = engine.generate(
        [Request(p, Sampling(30, 1.0, seed=at, stop=ends)) for at, p in enumerate(prompts)]
    )
    for whole, cut in zip(free, stopped, strict=True):
        first = next((at for at, token in enumerate(whole.ids) if token in ends), None)
        assert cut.ids == (whole.ids if first is None else whole.ids[: first + 1])
        assert cut.finish == ("length" if first is None else "stop")


def mixed_requests():
    """Requests that share much, little or nothing, with the same prompt several times."""
    draw = random.Random(3)
    prompts = [
        *some_prompts(6, shared=BLOCK + 40),
        *some_prompts(3, shared=2 * BLOCK + 7, seed=2),
        *some_prompts(4, shared=0, seed=4),
        (7,),
    ]
    prompts += [tuple(draw.randrange(3, 320) for _ in range(length)) for length in (230, 350)]
    return [
        Request(
            prompt,
            Sampling(
                max_tokens=draw.choice([3, 20, 140]),
                temperature=draw.choice([0.0, 0.5, 1.0]),
                top_p=draw.choice([1.0, 0.9]),
                seed=at,
            ),
        )
        for at, prompt in enumerate(prompts + [prompts[2]] * 5)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("name", MODELS)
def test_a_completion_is_equal_to_the_bit_in_every_batch(build_model, name, dtype):
    if dtype is torch.bfloat16 and not bf16_is_faster("cpu"):
        pytest.skip("products in bf16 are not used on this processor")
    family, changes = MODELS[name]
    model, requests = build_model(family, **changes), mixed_requests()
    together = TorchEngine(model, "tiny", dtype).generate(requests)
    for size in (1, 2, 5):
        engine, order = TorchEngine(model, "tiny", dtype), list(range(len(requests)))
        random.Random(size).shuffle(order)
        for start in range(0, len(order), size):
            some = order[start : start + size]
            answers = engine.generate([requests[at] for at in some])
            assert answers == [together[at] for at in some], f"batches of {size}"


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_a_cache_without_blocks_as_on_a_graphics_card_gives_the_same(
    build_model, monkeypatch, dtype
):
    family, changes = MODELS["qwen3, tied, 2 key heads"]
    model, requests = build_model(family, **changes), mixed_requests()
    here = TorchEngine(model, "tiny", dtype).generate(requests)
    monkeypatch.setattr(prefix_cache, "blocks", lambda values: (values,))
    monkeypatch.setattr(prefix_cache, "_is_bf16_on_processor", lambda dtype, device: False)
    there = TorchEngine(model, "tiny", dtype).generate(requests)
    near = 1e-5 if dtype is torch.float32 else 0.1
    for one, other in zip(here, there, strict=True):
        if dtype is torch.float32:
            assert one.ids == other.ids
        # In bf16 another token may be drawn; until then the figures are near.
        same = next(
            (n for n, (a, b) in enumerate(zip(one.ids, other.ids, strict=False)) if a != b),
            len(one.ids),
        )
        assert np.allclose(one.logprobs[:same], other.logprobs[:same], atol=near)


@pytest.mark.slow
def test_completions_of_different_lengths_leave_the_batch_as_they_end(engine):
    prompts = some_prompts(4)
    # Our cache grows at 64 and 128 tokens; that of transformers is not ours.
    lengths = [1, 2, 5, 13, 70, 131] if isinstance(engine, TorchEngine) else [1, 2, 5, 13]
    requests = [
        Request(prompts[at % 4], Sampling(length, 1.0, seed=at))
        for at, length in enumerate(lengths)
    ]
    answers = engine.generate(requests)
    assert [len(answer.ids) for answer in answers] == lengths
    for request, answer in zip(requests, answers, strict=True):
        assert engine.generate([request])[0].ids == answer.ids


def test_a_row_draws_the_same_tokens_in_every_batch(engine):
    prompts = some_prompts(5)
    asked = Request(prompts[2], Sampling(24, 0.8, 0.9, seed=11))
    alone = engine.generate([asked])[0].ids
    company = [Request(p, Sampling(40, 1.0, seed=at)) for at, p in enumerate(prompts)]
    same_prompt = [Request(prompts[2], Sampling(9, 1.2, seed=at)) for at in range(3)]
    assert engine.generate([*company, asked, *same_prompt])[5].ids == alone
    assert engine.generate([*same_prompt, asked])[3].ids == alone


def test_a_watcher_sees_every_token_and_may_end_its_completion(engine):
    seen = []

    def third(token):
        seen.append(token)
        return len(seen) == 3

    prompts = some_prompts(2)
    answers = engine.generate(
        [Request(prompts[0], Sampling(9, seed=1), third), Request(prompts[1], Sampling(9, seed=2))]
    )
    assert (list(answers[0].ids), answers[0].finish) == (seen, "stop")
    assert (len(answers[1].ids), answers[1].finish) == (9, "length")


def test_both_engines_draw_the_same_tokens(build_model):
    model = build_model("qwen3", num_key_value_heads=2, head_dim=8)
    own = TorchEngine(model, "tiny")
    requests = [Request(p, Sampling(16, 0.9, seed=at)) for at, p in enumerate(some_prompts(4))]
    expected = [answer.ids for answer in own.generate(requests)]
    assert [answer.ids for answer in HFEngine(model, "tiny").generate(requests)] == expected


def test_another_architecture_is_generated_by_transformers(build_model):
    model = build_model("gpt2")
    assert unsupported(model.config) == "its architecture is gpt2"
    prompts = some_prompts(4)
    expected = [greedy(model, p, 10) for p in prompts]
    engine = HFEngine(model, "tiny")
    requests = [Request(p, Sampling(10, 0.0, stop=frozenset([2]))) for p in prompts]
    assert [answer.ids for answer in engine.generate(requests)] == expected


def test_a_sliding_window_is_left_to_transformers(build_model):
    model = build_model("qwen2", num_key_value_heads=2, use_sliding_window=True, sliding_window=16)
    model.config.layer_types = ["sliding_attention"] * 2
    assert "sliding window" in unsupported(model.config)


def test_prompts_of_a_later_batch_share_what_an_earlier_one_read(build_model):
    model = build_model("qwen3", num_key_value_heads=2, head_dim=8)
    engine = TorchEngine(model, "tiny")
    first, second, third = some_prompts(3, shared=BLOCK + 20)
    expected = [greedy(model, p, 8) for p in (first, second, third)]
    asked = [Request(p, Sampling(8, 0.0, stop=frozenset([2]))) for p in (first, second, third)]
    answers = [engine.generate([request])[0].ids for request in asked]
    assert answers == expected
    assert [len(ids) for ids in engine._prefixes] == [BLOCK + 16]


def test_a_prompt_may_fill_a_window_of_any_length(build_model):
    model = build_model("llama", num_key_value_heads=4, max_position_embeddings=91)
    prompt = tuple(range(5, 95))
    (answer,) = TorchEngine(model, "tiny").generate([Request(prompt, Sampling(1, 0.0))])
    assert answer.ids == greedy(model, prompt, 1)


def test_new_weights_answer_after_a_load(build_model):
    old, new = (
        build_model("qwen3", num_key_value_heads=2, head_dim=8, num_hidden_layers=n) for n in (2, 3)
    )
    engine = TorchEngine(old, "old")
    prompts = some_prompts(3)
    requests = [Request(p, Sampling(8, 0.0, stop=frozenset([2]))) for p in prompts]
    assert {answer.version for answer in engine.generate(requests)} == {"old"}
    engine.load(new, "new")
    answers = engine.generate(requests)
    assert [answer.ids for answer in answers] == [greedy(new, p, 8) for p in prompts]
    assert {answer.version for answer in answers} == {"new"}


def test_bf16_is_near_fp32(build_model):
    model = build_model("qwen3", num_key_value_heads=2, head_dim=8)
    request = Request(some_prompts(1)[0], Sampling(12, seed=3))
    answer = TorchEngine(model, "tiny", torch.bfloat16).generate([request])[0]
    expected = full_forward(model, request.prompt, answer.ids)
    assert (torch.tensor(answer.logprobs) - expected).abs().max() < 0.2


# Memory


class Crowded(TorchEngine):
    """Has memory for two completions."""

    def _generate(self, requests):
        if len(requests) > self.most:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 1 TB")
        return super()._generate(requests)


def test_a_batch_that_memory_does_not_hold_is_split(build_model):
    engine = Crowded(build_model("qwen3", num_key_value_heads=2, head_dim=8), "tiny")
    engine.most = 2
    requests = [Request(p, Sampling(4, seed=at)) for at, p in enumerate(some_prompts(5))]
    answers = engine.generate(requests)
    engine.most = 5
    assert [a.ids for a in answers] == [a.ids for a in engine.generate(requests)]


def test_too_little_memory_for_one_completion_is_an_error(build_model):
    engine = Crowded(build_model("qwen3", num_key_value_heads=2, head_dim=8), "tiny")
    engine.most = 0
    prompt = some_prompts(1)[0]
    with pytest.raises(
        PolicyError, match=r"out of memory .* max_tokens = 4\nhint: lower"
    ) as raised:
        engine.generate([Request(prompt, Sampling(4))])
    assert f"{len(prompt)} tokens of prompt" in str(raised.value)
    assert raised.value.cause == "closed"


def test_other_failures_are_not_taken_for_a_lack_of_memory(build_model):
    engine = Crowded(build_model("qwen3", num_key_value_heads=2, head_dim=8), "tiny")
    engine.most = 1
    with pytest.raises(IndexError):
        engine.generate([Request((999,), Sampling(4))])


def test_reading_prompts_stops_at_the_next_layer_once_nobody_waits(build_model):
    engine = TorchEngine(build_model("llama", num_key_value_heads=4), "tiny")
    asked = []

    def request(prompt, layers):
        """Somebody waits until that many layers have been read."""

        def is_awaited():
            asked.append(prompt)
            return len(asked) <= layers

        return Request(prompt, Sampling(2), is_awaited=is_awaited)

    prompts = some_prompts(3)
    with pytest.raises(NobodyWaitsError):
        engine.generate([request(prompt, 0) for prompt in prompts])
    assert asked == prompts  # no layer was read
    free = engine.generate([Request(prompts[0], Sampling(2))])
    asked.clear()
    (answer,) = engine.generate([request(prompts[0], 1_000)])
    assert answer == free[0] and asked


def test_a_caller_who_leaves_while_her_prompt_is_read_holds_up_nobody(build_model, monkeypatch):
    engine = TorchEngine(build_model("llama", num_key_value_heads=4), "tiny")
    long = some_prompts(1)[0]
    batcher, reading, left = Batcher(engine), threading.Event(), threading.Event()
    layers, before = [], engine._decoder._norm

    def norm(x, weight):
        layers.append(x.shape[1])
        reading.set()
        left.wait(5)
        return before(x, weight)

    monkeypatch.setattr(engine._decoder, "_norm", norm)

    async def leave():
        call = asyncio.ensure_future(batcher.ask(Request(long, Sampling(2))))
        await asyncio.to_thread(reading.wait, 5)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        left.set()
        return await batcher.ask(Request((5, 6, 7), Sampling(2)))

    answer = asyncio.run(leave())
    batcher.close()
    assert len(answer.ids) == 2
    # It was left in the first of two layers: two norms of it.
    assert layers[:3] == [padded_tokens(len(long)), padded_tokens(len(long)), padded_tokens(3)]
