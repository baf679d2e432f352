"""Sharing a prompt changes the cost of a gradient, and nothing else."""

import numpy as np
import pytest

from starec_sim.errors import ConfigError
from starec_sim.learning.attention import IN_PIECES
from starec_sim.learning.grpo_loss import ratios, surrogate
from starec_sim.learning.packing import TrainingRow, log_probabilities, packs, visible
from starec_sim.learning.rows import TokenRow

from .conftest import ARCHITECTURES, VOCABULARY, make_model

torch = pytest.importorskip("torch")


def rows_of_groups(rng, groups=3, size=4, longest=12):
    """Ragged groups: each has one prompt, and completions of different lengths."""
    for _ in range(groups):
        prompt = tuple(rng.integers(3, 259, rng.integers(5, 30)).tolist())
        for _ in range(size):
            length = int(rng.integers(1, longest))
            completion = tuple(rng.integers(3, 259, length).tolist())
            sampled = [bool(rng.random() < 0.8) for _ in range(length - 1)] + [True]
            logprobs = tuple(float(-rng.random()) * 6 if wrote else 0.0 for wrote in sampled)
            yield TokenRow(prompt, completion, tuple(sampled), logprobs)


def training_rows(rows, rng):
    for row in rows:
        advantage = float(rng.normal())
        weight = [float(rng.random()) if wrote else 0.0 for wrote in row.sampled]
        yield TrainingRow(row, [advantage] * len(weight), weight)


def padded_reference(model, training_row):
    """The same quantities from one row at a time, with the library's own forward pass."""
    row = training_row.row
    ids = torch.tensor([row.prompt + row.completion])
    logs = model(ids).logits[0, len(row.prompt) - 1 : -1].log_softmax(-1)
    new = logs[torch.arange(len(row.completion)), torch.tensor(row.completion)]
    wrote = torch.tensor(row.sampled)
    return new[wrote], torch.tensor(row.logprobs, dtype=logs.dtype)[wrote], wrote


def gradient(model):
    found = torch.cat([p.grad.flatten() for p in model.parameters()])
    model.zero_grad()
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("architecture", "tokens"), [*((each, 64) for each in ARCHITECTURES), ("qwen3", 4096)]
)
@pytest.mark.parametrize("attention", ["sdpa", IN_PIECES])
@pytest.mark.parametrize("recomputed", [False, True])
def test_packed_gradients_equal_those_of_rows_one_by_one(
    architecture, tokens, attention, recomputed
):
    rng = np.random.default_rng(1)
    rows = list(training_rows(rows_of_groups(rng), rng))
    model = make_model(architecture).double()
    model.set_attn_implementation(attention)
    if recomputed:
        model.train().activation_checkpointing_enable()
    for training_row in rows:
        new, old, wrote = padded_reference(model, training_row)
        ratio = (new - old).exp()
        advantage = torch.tensor(training_row.advantage, dtype=new.dtype)[wrote]
        gain = torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage)
        (-(gain * torch.tensor(training_row.weight, dtype=new.dtype)[wrote]).sum()).backward()
    reference = gradient(model)

    for pack in packs(rows, tokens=tokens):
        new, _ = log_probabilities(model, pack)
        ratio = ratios(new, pack.old.double(), pack.span)
        gain = surrogate(ratio, pack.advantage.double(), 0.2, 0.2)
        (-(gain * pack.weight.double()).sum()).backward()
    packed = gradient(model)
    assert reference.norm() > 0
    assert (packed - reference).norm() / reference.norm() < 1e-6


def test_log_probabilities_in_chunks_are_the_same(monkeypatch):
    rng = np.random.default_rng(2)
    (pack,) = packs(training_rows(rows_of_groups(rng), rng), tokens=4096)
    model = make_model()
    whole, entropy = log_probabilities(model, pack)
    whole.sum().backward()
    at_once = gradient(model)
    monkeypatch.setattr("starec_sim.learning.packing.LOGITS_AT_ONCE", VOCABULARY * 5)
    parts, entropies = log_probabilities(model, pack)
    parts.sum().backward()
    assert torch.allclose(parts, whole, atol=1e-6) and torch.allclose(entropies, entropy, atol=1e-6)
    assert torch.allclose(gradient(model), at_once, atol=1e-4, rtol=1e-4)


def test_packs_hold_every_sampled_id_once_and_never_more_than_they_may():
    rng = np.random.default_rng(3)
    rows = list(rows_of_groups(rng, groups=7, size=5))
    made = packs(training_rows(rows, rng), tokens=100)
    assert max(pack.ids.numel() for pack in made) <= 100
    learned = sorted(token for pack in made for token in pack.target.tolist())
    wanted = sorted(
        token
        for row in rows
        for token, wrote in zip(row.completion, row.sampled, strict=True)
        if wrote
    )
    assert learned == wanted


def test_sharing_prompts_saves_most_of_the_tokens():
    row = TokenRow((5,) * 300, (7,) * 48, (True,) * 48, (-1.0,) * 48)
    (pack,) = packs([TrainingRow(row, [1.0] * 48, [1.0] * 48)] * 8, tokens=4096)
    assert pack.ids.numel() == 300 + 8 * 48


def test_a_row_longer_than_a_pack_is_refused_with_both_numbers():
    row = TokenRow((5,) * 60, (7,) * 8, (True,) * 8, (-1.0,) * 8)
    with pytest.raises(ConfigError, match="a row has 68 tokens, and batch_tokens is 64"):
        packs([TrainingRow(row, [1.0] * 8, [1.0] * 8)], tokens=64)


def test_a_completion_sees_the_prompt_and_itself_only():
    seen = visible(torch.tensor([[0, 0, 1, 1, 2, -1]]))[0, 0].tolist()
    assert seen == [
        [True, False, False, False, False, False],
        [True, True, False, False, False, False],
        [True, True, True, False, False, False],
        [True, True, True, True, False, False],
        [True, True, False, False, True, False],
        [True, True, False, False, False, True],
    ]
