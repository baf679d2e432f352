"""A training that diverges stops, and names the last version that was good."""

import math

import pytest

from starec_sim.learning.config import Guards
from starec_sim.learning.grpo import Objective, lessons
from starec_sim.learning.learner import DivergenceError, Update
from starec_sim.learning.places import ranking_places
from starec_sim.learning.rows import Rollout, Row
from starec_sim.learning.step_metrics import Guard, distinct, step_figures

from .conftest import make_tokenizer


def rollout(answer, reward=0.0, group="a", malformed=1.0):
    row = Row((1,), tuple(answer), (True,) * len(answer), (-1.0,) * len(answer))
    counters = {"malformed": malformed, "length": float(len(answer))}
    return Rollout(group, "fast", (row,), reward, "v", 1.0, {"tier": reward}, counters)


def update(kl=0.1, tokens=10):
    return Update(-0.5, 1.0, tokens, 20, 2.0, kl, 0.1, 0.0, 0.5)


def figures(batch, updates):
    return step_figures(batch, [lessons(batch, Objective())], updates)


def test_a_step_tells_rewards_by_component_and_what_may_be_exploited():
    batch = [
        rollout([3, 4], 1.0),
        rollout([5], 0.0),
        rollout([5], 1.0, "b"),
        rollout([5], 1.0, "b"),
    ]
    found = figures(batch, [update(), update(kl=0.3, tokens=30)])
    assert found["reward"] == {"fast": 0.75} and found["components"] == {"fast: tier": 0.75}
    assert found["counters"] == {"fast: length": 1.25, "fast: malformed": 1.0}
    assert (found["groups"], found["zero_variance"]) == (2, 0.5)
    assert found["kl"] == pytest.approx((0.1 * 10 + 0.3 * 30) / 40)
    assert found["distinct"] == 1 / 3


def test_a_policy_that_runs_from_its_anchor_is_stopped():
    with pytest.raises(DivergenceError, match=r"9.00 nats per token away") as stopped:
        Guard(Guards(kl=5)).check(figures([rollout([3])], [update(kl=9.0)]), 1, "versions/000004")
    assert "the last good version is versions/000004" in stopped.value.hint


def test_a_policy_that_says_the_same_to_everything_is_stopped():
    batch = [rollout([3, 4], number % 2) for number in range(40)]
    assert distinct(batch) == 0
    with pytest.raises(DivergenceError, match=r"the same answer to everything: 0.0% of 40"):
        Guard(Guards(distinct=0.02)).check(figures(batch, [update()]), 40, "v")


def test_a_training_without_any_answer_says_so():
    guard = Guard(Guards(patience=2))
    guard.check(figures([], []), 0, "v")
    with pytest.raises(DivergenceError, match="for 2 steps there was no answer to learn from"):
        guard.check(figures([], []), 0, "v")


def test_rewards_that_are_all_equal_for_long_are_named():
    guard = Guard(Guards(patience=3))
    nothing = figures([rollout([3], 0.5), rollout([4], 0.5)], [])
    assert math.isnan(nothing["loss"]) and nothing["zero_variance"] == 1.0
    guard.check(nothing, 2, "v")
    guard.check(nothing, 2, "v")
    with pytest.raises(DivergenceError, match="for 3 steps all rewards within each group were eq"):
        guard.check(nothing, 2, "v")


@pytest.mark.parametrize(
    ("malformed", "remedy"), [(1.0, "imitate a teacher first"), (0.0, "add a denser reward")]
)
def test_where_no_answer_has_the_form_imitation_is_the_remedy(malformed, remedy):
    nothing = figures([rollout([3], 0.5, malformed=malformed), rollout([4], 0.5)], [])
    with pytest.raises(DivergenceError) as stopped:
        Guard(Guards(patience=1)).check(nothing, 2, "v")
    assert remedy in stopped.value.hint


def test_a_good_step_lets_the_guard_forget():
    guard = Guard(Guards(patience=2))
    nothing = figures([rollout([3], 0.5), rollout([4], 0.5)], [])
    for _ in range(3):
        guard.check(nothing, 2, "v")
        guard.check(figures([rollout([3])], [update()]), 1, "v")


def test_each_token_of_a_ranking_knows_its_place():
    tokenizer = make_tokenizer()
    text = "<think>A > B</think><ranking>B > A</ranking>"
    ids = tuple(tokenizer(text, add_special_tokens=False)["input_ids"])
    row = Row((1,), ids, (True,) * len(ids), (0.0,) * len(ids))
    start = text.index("B > A")
    found = ranking_places(tokenizer)(row)
    assert found[start : start + 5] == [0, 0, 0, 1, 1]
    assert set(found[:start] + found[start + 5 :]) == {None}
