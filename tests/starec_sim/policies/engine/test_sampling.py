"""Tokens follow the distribution that was asked for, and depend on the seed of their row only."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from starec_sim.policies.engine import Sampling
from starec_sim.policies.engine.same_in_any_batch import LANES
from starec_sim.policies.engine.sampling import TokenSampler
from starec_sim.policies.engine.shared_prefixes import prefix_groups

CPU = torch.device("cpu")
LOGITS = torch.tensor([2.0, 1.0, 0.0, -1.0, -30.0])


def draws(sampling, count, logits=LOGITS):
    """Draw tokens of one row from the same distribution."""
    sampler = TokenSampler([sampling], CPU)
    return [sampler.draw(logits[None])[0].item() for _ in range(count)]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_frequencies_are_the_probabilities(temperature):
    expected = (LOGITS / temperature).softmax(0)
    # 40 rows with 100 draws each: the frequencies hold over seeds and over steps.
    sampler = TokenSampler([Sampling(1, temperature, seed=seed) for seed in range(40)], CPU)
    drawn = torch.stack([sampler.draw(LOGITS.expand(40, -1))[0] for _ in range(100)])
    counts = torch.bincount(drawn.flatten(), minlength=5)
    # Four standard deviations of a frequency.
    margin = 4 * (expected * (1 - expected) / 4000).sqrt() + 1e-9
    assert ((counts / 4000 - expected).abs() <= margin).all()


def test_top_p_keeps_the_likeliest_tokens_that_reach_it():
    probabilities = LOGITS.softmax(0)
    # The first has 0.64, the first two 0.88: only two of them reach 0.8.
    assert set(draws(Sampling(1, top_p=0.8, seed=1), 500)) == {0, 1}
    assert set(draws(Sampling(1, top_p=0.5, seed=1), 100)) == {0}
    sampler = TokenSampler([Sampling(1, top_p=0.8, seed=1)], CPU)
    token, logprob = sampler.draw(LOGITS[None])
    kept = probabilities[:2].sum()
    assert logprob.item() == pytest.approx(math.log(probabilities[token.item()] / kept), abs=1e-6)


def test_greedy_takes_the_likeliest_token_with_the_models_own_probability():
    token, logprob = TokenSampler([Sampling(1, 0.0)], CPU).draw(LOGITS[None])
    assert token.item() == 0
    assert logprob.item() == pytest.approx(LOGITS.log_softmax(0)[0].item(), abs=1e-6)


def test_rows_of_all_kinds_share_a_batch_without_changing_each_other():
    kinds = [
        Sampling(1, 0.0),
        Sampling(1, 1.0, seed=3),
        Sampling(1, 0.7, 0.8, seed=4),
        Sampling(1, 0.0, 0.5),
    ]
    batch = TokenSampler(kinds, CPU)
    together = [batch.draw(LOGITS.expand(4, -1))[0].tolist() for _ in range(50)]
    for row, kind in enumerate(kinds):
        assert [step[row] for step in together] == draws(kind, 50)


def test_rows_that_go_on_keep_their_streams():
    kinds = [Sampling(1, seed=seed) for seed in range(4)]
    sampler = TokenSampler(kinds, CPU)
    before = [sampler.draw(LOGITS.expand(4, -1))[0].tolist() for _ in range(5)]
    sampler.keep([1, 3])
    after = [sampler.draw(LOGITS.expand(2, -1))[0].tolist() for _ in range(300)]
    assert [step[1] for step in before] + [step[0] for step in after] == draws(kinds[1], 305)
    assert [step[3] for step in before] + [step[1] for step in after] == draws(kinds[3], 305)


def test_greedy_rows_go_on_though_they_never_drew():
    sampler = TokenSampler([Sampling(1, temperature=0.0, seed=seed) for seed in range(3)], CPU)
    sampler.draw(LOGITS.expand(3, -1))
    sampler.keep([0, 2])
    assert sampler.draw(LOGITS.expand(2, -1))[0].tolist() == [0, 0]


def test_an_impossible_token_is_never_drawn():
    logits = torch.tensor([0.0, float("-inf"), 0.0, float("-inf")])
    assert set(draws(Sampling(1, seed=2), 300, logits)) == {0, 2}


# What prompts share

prompt_lists = st.lists(
    st.tuples(st.integers(0, 2), st.lists(st.integers(0, 3), min_size=1, max_size=60)),
    min_size=1,
    max_size=12,
)


@given(prompt_lists)
def test_groups_cover_all_prompts_and_share_their_prefix(drawn):
    beginnings = [(1,) * 40, (2,) * 150, ()]
    prompts = sorted({(*beginnings[kind], *rest) for kind, rest in drawn})
    found = prefix_groups(prompts)
    assert [first for first, _, _ in found] == [0, *(last for _, last, _ in found[:-1])]
    assert found[-1][1] == len(prompts)
    for first, last, shared in found:
        assert len({prompt[:shared] for prompt in prompts[first:last]}) == 1
        assert all(len(prompt) > shared for prompt in prompts[first:last])
        assert shared % LANES == 0


ALLOWED = torch.tensor([False, True, False, True, True])


@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_allowed_tokens_are_drawn_in_their_own_proportions(temperature):
    scores = LOGITS / temperature
    expected = scores.masked_fill(~ALLOWED, -math.inf).softmax(0)
    sampler = TokenSampler([Sampling(1, temperature, seed=seed) for seed in range(40)], CPU)
    counts, rows = torch.zeros(5), LOGITS.expand(40, -1)
    for _ in range(100):
        tokens, logprobs = sampler.draw(rows, ALLOWED.expand(40, -1))
        counts += torch.bincount(tokens, minlength=5)
        assert torch.allclose(logprobs, expected.log()[tokens], atol=1e-5)
    margin = 4 * (expected * (1 - expected) / 4000).sqrt() + 1e-9
    assert ((counts / 4000 - expected).abs() <= margin).all()


@pytest.mark.parametrize(
    "sampling", [Sampling(1, seed=1), Sampling(1, 0.7, 0.9, 2), Sampling(1, 0)]
)
def test_a_token_that_is_allowed_is_the_one_that_is_drawn_without_a_grammar(sampling):
    free, held = TokenSampler([sampling], CPU), TokenSampler([sampling], CPU)
    for _ in range(200):
        token, _ = free.draw(LOGITS[None])
        kept, logprob = held.draw(LOGITS[None], ALLOWED[None])
        assert ALLOWED[kept].all() and logprob.isfinite().all()
        if ALLOWED[token]:
            assert kept == token


def test_where_top_p_leaves_nothing_that_is_allowed_it_does_not_count():
    sampler = TokenSampler([Sampling(1, top_p=0.5, seed=1)], CPU)
    token, logprob = sampler.draw(LOGITS[None], ALLOWED[None])
    expected = LOGITS.masked_fill(~ALLOWED, -math.inf).log_softmax(0)
    assert logprob.item() == pytest.approx(expected[token].item(), abs=1e-5)


def test_a_row_without_a_grammar_draws_as_it_does_alone():
    alone = TokenSampler([Sampling(1, seed=5)], CPU)
    both = TokenSampler([Sampling(1, seed=4), Sampling(1, seed=5)], CPU)
    allowed = torch.stack([ALLOWED, torch.ones(5, dtype=torch.bool)])
    for _ in range(50):
        tokens, logprobs = both.draw(LOGITS.expand(2, -1), allowed)
        token, logprob = alone.draw(LOGITS[None])
        assert tokens[1] == token and logprobs[1].item() == pytest.approx(logprob.item(), abs=1e-6)
