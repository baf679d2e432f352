import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from starec_sim.learning.advantages import Objective, advantages
from starec_sim.learning.grpo import make_batch
from starec_sim.learning.grpo_loss import clipped, divergence, ratios, surrogate
from starec_sim.learning.rows import Rollout, TokenRow

torch = pytest.importorskip("torch")

rewards = st.lists(st.floats(-5, 5), min_size=2, max_size=8).map(np.array)


def rollout(group, reward, length=4, returns=()):
    row = TokenRow((1, 2, 3), (9,) * length, (True,) * length, (-1.0,) * length)
    return Rollout(group, "fast", (row,), reward, "v1", 1.0, returns=returns)


@given(rewards)
def test_advantages_sum_to_zero_and_order_answers_as_their_rewards_do(rewards):
    for divide in (True, False):
        found = advantages(rewards, divide_by_deviation=divide)
        assert abs(found.sum()) < 1e-6
        order = np.argsort(rewards)
        assert (np.diff(found[order]) >= -1e-9).all()


def test_dividing_by_the_deviation_makes_it_one():
    assert advantages(np.array([0.0, 1.0, 5.0]), divide_by_deviation=True).std() == pytest.approx(1)


def test_equal_groups_and_groups_of_one_rollout_are_dropped_and_counted():
    batch = [("same", 0.5), ("same", 0.5), ("alone", 1.0), ("differs", 1.0), ("differs", 0.0)]
    found = make_batch([rollout(group, reward) for group, reward in batch], Objective())
    assert (found.groups, found.equal, found.alone) == (3, 1, 1)
    assert [row.advantage[0] for row in found.rows] == [1.0, -1.0]


def weights(mean, constant_tokens=10):
    batch = [rollout("a", 1.0, length=2), rollout("a", 0.0, length=6)]
    objective = Objective(mean=mean, constant_tokens=constant_tokens)
    return [row.weight for row in make_batch(batch, objective).rows]


def test_each_rollout_counts_the_same_or_each_token_or_a_fixed_length():
    assert [sum(weight) for weight in weights("rollout")] == pytest.approx([0.5, 0.5])
    assert [sum(weight) for weight in weights("token")] == pytest.approx([2 / 8, 6 / 8])
    assert [sum(weight) for weight in weights("constant")] == pytest.approx([2 / 20, 6 / 20])


def test_credit_by_position_compares_ranks_and_each_rank_has_one_ratio():
    # The first answer ranked the target second, the other did not find it.
    batch = [rollout("a", 0.63, returns=(0.63, 0.63, 0.0)), rollout("a", 0.0, returns=(0.0,) * 3)]
    found = make_batch(batch, Objective(credit="position"), lambda row: [None, 0, 1, 2])
    first = found.rows[0]
    assert first.advantage == pytest.approx([1.0, 1.0, 1.0, 0.0])
    assert first.span == [3, 0, 1, 2]


def test_labels_after_the_last_rank_belong_to_no_rank():
    batch = [rollout("a", reward, returns=(reward,) * 2) for reward in (1.0, 0.0)]
    first, _ = make_batch(batch, Objective(credit="position"), lambda row: [0, 1, 2, 3]).rows
    assert first.span == [0, 1, 4, 5]


def test_a_span_has_the_geometric_mean_of_its_ratios():
    new, old = torch.tensor([-1.0, -2.0, -3.0]), torch.tensor([-1.5, -1.0, -3.0])
    assert ratios(new, old, torch.tensor([0, 1, 2])).tolist() == pytest.approx(
        np.exp([0.5, -1.0, 0.0]).tolist()
    )
    shared = ratios(new, old, torch.tensor([0, 0, 1])).tolist()
    assert shared == pytest.approx(np.exp([-0.25, -0.25, 0.0]).tolist())


def test_the_surrogate_stops_rewarding_what_moved_far_enough():
    ratio = torch.tensor([0.5, 1.0, 1.5, 0.5, 1.0, 1.5])
    advantage = torch.tensor([1.0, 1.0, 1.0, -1.0, -1.0, -1.0])
    assert surrogate(ratio, advantage, 0.2, 0.3).tolist() == pytest.approx(
        [0.5, 1.0, 1.3, -0.8, -1.0, -1.5]
    )
    assert clipped(ratio, advantage, 0.2, 0.3).tolist() == [
        False,
        False,
        True,
        True,
        False,
        False,
    ]


def test_the_divergence_is_an_unbiased_estimate_of_the_kl():
    torch.manual_seed(0)
    policy, reference = torch.randn(6).log_softmax(-1), torch.randn(6).log_softmax(-1)
    estimate = (policy.exp() * divergence(policy, reference)).sum()
    exact = (policy.exp() * (policy - reference)).sum()
    assert estimate.item() == pytest.approx(exact.item(), abs=1e-6)
    assert (divergence(policy, reference) >= 0).all()
