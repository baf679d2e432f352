"""The metrics of a step; a training that diverges stops and names its last good version."""

import math
from pathlib import Path

import pytest

from starec_sim.learning.advantages import Objective
from starec_sim.learning.config import Guards
from starec_sim.learning.grpo import make_batch
from starec_sim.learning.learner import DivergenceError, Update
from starec_sim.learning.rows import Rollout, TokenRow
from starec_sim.learning.stage_step import StageStep
from starec_sim.learning.step_metrics import Guard, distinct, step_metrics
from starec_sim.learning.token_ranks import ranks_by_token

from .conftest import BYTES, make_tokenizer

GOOD = Path("versions/000004")
STRENGTH = "train.grpo.objective.kl"


def rollout(answer, reward=0.0, group="a", malformed=1.0):
    row = TokenRow((1,), tuple(answer), (True,) * len(answer), (-1.0,) * len(answer))
    counters = {"malformed": malformed, "length": float(len(answer))}
    return Rollout(group, "fast", (row,), reward, "v", 1.0, {"tier": reward}, counters)


def update(kl=0.1, tokens=10):
    return Update(-0.5, 1.0, tokens, 20, 2.0, kl, 0.1, 0.0, 0.5)


def metrics_of(batch, updates):
    made = make_batch(batch, Objective())
    step = StageStep(updates, made.groups, made.alone, made.equal)
    return step_metrics("grpo", 0, batch, step)


def test_a_step_reports_rewards_by_component_and_what_a_policy_may_exploit():
    batch = [
        rollout([3, 4], 1.0),
        rollout([5], 0.0),
        rollout([5], 1.0, "b"),
        rollout([5], 1.0, "b"),
    ]
    found = metrics_of(batch, [update(), update(kl=0.3, tokens=30)])
    assert found["reward"] == {"fast": 0.75} and found["components"] == {"fast: tier": 0.75}
    assert found["counters"] == {"fast: length": 1.25, "fast: malformed": 1.0}
    assert (found["groups"], found["zero_variance"]) == (2, 0.5)
    assert found["kl"] == pytest.approx((0.1 * 10 + 0.3 * 30) / 40)
    assert found["distinct"] == 1 / 3


def test_a_policy_that_leaves_its_reference_is_stopped():
    with pytest.raises(DivergenceError, match=r"9.00 nats per token away") as stopped:
        Guard(Guards(kl=5), GOOD, STRENGTH).check(metrics_of([rollout([3])], [update(kl=9.0)]), 1)
    named = Guard(Guards(), GOOD, STRENGTH).name_version(stopped.value)
    assert f"the last good version is {GOOD}" in named.hint


def test_a_policy_that_says_the_same_to_everything_is_stopped():
    batch = [rollout([3, 4], number % 2) for number in range(40)]
    assert distinct(batch) == 0
    with pytest.raises(DivergenceError, match=r"the same answer to everything: 0.0% of 40"):
        Guard(Guards(distinct=0.02), GOOD, STRENGTH).check(metrics_of(batch, [update()]), 40)


def test_a_training_without_any_answer_says_so():
    guard = Guard(Guards(patience=2), GOOD, STRENGTH)
    guard.check(metrics_of([], []), 0)
    with pytest.raises(DivergenceError, match="for 2 steps there was no answer to learn from"):
        guard.check(metrics_of([], []), 0)


def test_equal_rewards_over_many_steps_are_named():
    guard = Guard(Guards(patience=3), GOOD, STRENGTH)
    nothing = metrics_of([rollout([3], 0.5), rollout([4], 0.5)], [])
    assert math.isnan(nothing["loss"]) and nothing["zero_variance"] == 1.0
    guard.check(nothing, 2)
    guard.check(nothing, 2)
    with pytest.raises(DivergenceError, match="for 3 steps all rewards within each group were eq"):
        guard.check(nothing, 2)


@pytest.mark.parametrize(
    ("malformed", "remedy"), [(1.0, "imitate a teacher first"), (0.0, "add a denser reward")]
)
def test_where_no_answer_has_the_form_imitation_is_the_remedy(malformed, remedy):
    nothing = metrics_of([rollout([3], 0.5, malformed=malformed), rollout([4], 0.5)], [])
    with pytest.raises(DivergenceError) as stopped:
        Guard(Guards(patience=1), GOOD, STRENGTH).check(nothing, 2)
    assert remedy in stopped.value.hint


def test_a_step_that_learns_resets_the_count_of_idle_steps():
    guard = Guard(Guards(patience=2), GOOD, STRENGTH)
    nothing = metrics_of([rollout([3], 0.5), rollout([4], 0.5)], [])
    for _ in range(3):
        guard.check(nothing, 2)
        guard.check(metrics_of([rollout([3])], [update()]), 1)


def test_each_token_of_a_ranking_has_its_rank():
    tokenizer = make_tokenizer(BYTES)
    text = "<think>A > B</think><ranking>B > A</ranking>"
    ids = tuple(tokenizer(text, add_special_tokens=False)["input_ids"])
    row = TokenRow((1,), ids, (True,) * len(ids), (0.0,) * len(ids))
    start = text.index("B > A")
    ranks = ranks_by_token(tokenizer)(row)
    assert ranks[start : start + 5] == [0, 0, 0, 1, 1]
    assert set(ranks[:start] + ranks[start + 5 :]) == {None}


def test_a_resumed_training_that_diverges_names_the_version_it_was_resumed_from(tmp_path):
    guard = Guard(Guards(), tmp_path / "000003", STRENGTH)
    assert str(tmp_path / "000003") in guard.name_version(DivergenceError("x", hint="y")).hint
    guard.passed(tmp_path / "000004")
    assert str(tmp_path / "000004") in guard.name_version(DivergenceError("x", hint="y")).hint
