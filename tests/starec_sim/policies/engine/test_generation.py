"""What is generated: the same as Hugging Face's, whoever shares the batch."""

import random

import pytest
import torch

from starec_sim.policies.engine import Request, Sampling
from starec_sim.policies.engine.hf_engine import HFEngine
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


@pytest.fixture(params=MODELS, scope="module")
def model(request, build_model):
    family, changes = MODELS[request.param]
    return build_model(family, **changes)


@pytest.fixture(params=["engine of our own", "engine over generate"])
def engine(request, model):
    kind = TorchEngine if request.param == "engine of our own" else HFEngine
    return kind(model, "tiny")


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


def test_greedy_tokens_are_hugging_faces(build_model):
    for family, changes in MODELS.values():
        model = build_model(family, **changes)
        prompts = [*some_prompts(5), *some_prompts(3, shared=0, seed=2), (7,)]
        requests = [Request(p, Sampling(20, 0.0, stop=frozenset([2]))) for p in prompts]
        answers = TorchEngine(model, "tiny").generate(requests)
        assert [a.ids for a in answers] == [greedy(model, p, 20) for p in prompts]


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
