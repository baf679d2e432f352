"""Group Relative Policy Optimisation, straight beside its formulas.

For a question q, G answers o_1 ... o_G are sampled from the old policy and rewarded; with
rho_it = pi(o_it) / pi_old(o_it) and the advantage A_it of an answer within its group,

    J = E[ 1/G sum_i 1/|o_i| sum_t min(rho_it A_it, clip(rho_it, 1-low, 1+high) A_it) - beta KL_it ]

Shao et al. (2024), "DeepSeekMath", equation 3; STARec (arXiv 2508.18812) trains with G = 8 and
beta = 1e-3. pi_old are the sampler's own log-probabilities, so that no pass is spent on them.
Variants: token-mean (Yu et al., 2025, "DAPO", equation 8), a constant normaliser and no division
by the standard deviation (Liu et al., 2025, "Dr. GRPO"), and credit by position (Rank-GRPO,
arXiv 2510.20150).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from starec_sim.learning.packing import TrainingRow
from starec_sim.learning.rows import Rollout, Row
from starec_sim.settings import Settings
from starec_sim.types import FloatArray

SMALLEST_DEVIATION = 1e-6
"""Rewards of a group that differ by less than this are equal: nothing can be learned from them."""


class Objective(Settings):
    """Which of the variants is optimised."""

    clip_low: float = Field(default=0.2, gt=0, lt=1)
    clip_high: float = Field(default=0.2, gt=0)
    kl: float = Field(default=1e-3, ge=0)
    """Weight of the divergence from the anchor (the paper's 1e-3); 0 saves its forward pass."""
    mean: Literal["rollout", "token", "constant"] = "rollout"
    """`rollout`: each rollout counts the same (GRPO). `token`: each token does (DAPO).
    `constant`: tokens are divided by a fixed length (Dr. GRPO)."""
    constant_tokens: int = Field(default=256, ge=1)
    """The fixed length of `mean: constant`."""
    divide_by_deviation: bool = True
    """Whether advantages are divided by the group's standard deviation."""
    credit: Literal["rollout", "position"] = "rollout"
    """`position`: each place of a ranking is credited with what is earned from it on, compared with
    the same place of the others, and has one importance ratio."""


class Batch(NamedTuple):
    """What there is to learn from a batch of rollouts."""

    lessons: list[TrainingRow]
    groups: int
    alone: int
    """Groups dropped because only one rollout was left in them."""
    equal: int
    """Groups dropped because all their rewards are the same."""


def advantages(rewards: FloatArray, *, divide_by_deviation: bool) -> FloatArray:
    """Return how much better each answer is than its group: A_i = (r_i - mean r) / std r.

    Args:
        rewards: Shape (G,) or (G, places): each column is compared by itself.
        divide_by_deviation: Without it, A_i = r_i - mean r.

    >>> advantages(np.array([1.0, 0.0, 0.0, 1.0]), divide_by_deviation=True)
    array([ 1., -1., -1.,  1.])
    """
    centred: FloatArray = rewards - rewards.mean(0)
    if divide_by_deviation:
        deviation = rewards.std(0)
        centred /= np.where(deviation > SMALLEST_DEVIATION, deviation, np.inf)
    return centred


def lessons(
    rollouts: Sequence[Rollout],
    objective: Objective,
    places: Callable[[Row], Sequence[int | None]] | None = None,
) -> Batch:
    """Turn rewards into advantages and weights; groups without a difference are dropped.

    Args:
        rollouts: Of one update, in any order; all processes must see the same.
        objective: The variant.
        places: For credit by position: which place of the ranking each id of a completion writes,
            counted from 0, None for all others.
    """
    groups: dict[str, list[Rollout]] = defaultdict(list)
    for rollout in rollouts:
        groups[rollout.group].append(rollout)
    kept: list[tuple[Rollout, FloatArray]] = []
    alone = equal = 0
    for group in groups.values():
        earned = _earned(group, objective)
        if len(group) < 2:
            alone += 1
        elif (np.ptp(earned, axis=0) <= SMALLEST_DEVIATION).all():
            equal += 1
        else:
            found = advantages(earned, divide_by_deviation=objective.divide_by_deviation)
            kept += zip(group, found, strict=True)
    total = sum(rollout.tokens for rollout, _ in kept)
    made = []
    for rollout, advantage in kept:
        match objective.mean:
            case "rollout":
                weight = 1 / (len(kept) * rollout.tokens)
            case "token":
                weight = 1 / total
            case "constant":
                weight = 1 / (len(kept) * objective.constant_tokens)
        by_place = places if len(advantage) > 1 else None
        made += [_lesson(row, advantage, weight, by_place) for row in rollout.rows]
    return Batch(made, len(groups), alone, equal)


def _earned(group: Sequence[Rollout], objective: Objective) -> FloatArray:
    """Return shape (G, places): what each rollout earned from each place of its answer on."""
    returns = [rollout.returns for rollout in group]
    if objective.credit == "position" and all(map(len, returns)):
        # The reasoning and the first place decide about everything that follows.
        return np.array([(rollout.reward, *rollout.returns[1:]) for rollout in group])
    return np.array([[rollout.reward] for rollout in group])


def _lesson(
    row: Row,
    advantage: FloatArray,
    weight: float,
    places: Callable[[Row], Sequence[int | None]] | None,
) -> TrainingRow:
    weights = [weight if wrote else 0.0 for wrote in row.sampled]
    if places is None:
        return TrainingRow(row, [float(advantage[0])] * len(weights), weights)
    count = len(advantage)
    # What is written beyond the last place, such as a label again, belongs to none.
    at = [place if place is not None and place < count else None for place in places(row)]
    credit = [float(advantage[place or 0]) for place in at]
    # One ratio for each place; ids outside of the ranking keep their own.
    span = [count + number if place is None else place for number, place in enumerate(at)]
    return TrainingRow(row, credit, weights, span)


def ratios(new: Tensor, old: Tensor, span: Tensor) -> Tensor:
    """Return the importance ratio of each id: exp of the mean log-ratio over its span.

    Args:
        new: Log-probabilities under the policy that learns, shape (N,).
        old: Those of the sampler, shape (N,).
        span: Shape (N,); where each id has its own, this is pi(o_t) / pi_old(o_t).
    """
    assert new.shape == old.shape == span.shape, "one of each for every id"
    logs = new - old
    count = int(span.max()) + 1 if len(span) else 0
    sizes = torch.zeros(count, dtype=logs.dtype, device=logs.device)
    sizes = sizes.index_add(0, span, torch.ones_like(logs))
    sums = torch.zeros_like(sizes).index_add(0, span, logs)
    return (sums[span] / sizes[span]).exp()


def surrogate(ratio: Tensor, advantage: Tensor, low: float, high: float) -> Tensor:
    """Return min(rho A, clip(rho, 1 - low, 1 + high) A), shape (N,)."""
    assert ratio.shape == advantage.shape, "one of each for every id"
    return torch.minimum(ratio * advantage, ratio.clamp(1 - low, 1 + high) * advantage)


def divergence(new: Tensor, anchor: Tensor) -> Tensor:
    """Return an estimate of KL(pi || anchor) at each id, shape (N,): never negative, unbiased.

    pi_anchor / pi - log(pi_anchor / pi) - 1; Schulman (2020), "Approximating KL divergence", k3.
    """
    gap = anchor - new
    return gap.exp() - gap - 1


def clipped(ratio: Tensor, advantage: Tensor, low: float, high: float) -> Tensor:
    """Return where the clip holds the gradient back, shape (N,), boolean."""
    return ((ratio < 1 - low) & (advantage < 0)) | ((ratio > 1 + high) & (advantage > 0))
