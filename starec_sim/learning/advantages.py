"""The advantage of each answer within its group, for the step of GRPO and for readers of a run.

It needs no torch, so that a group can be shown at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from starec_sim.learning.rows import Rollout
from starec_sim.settings import Settings
from starec_sim.types import FloatArray

SMALLEST_DEVIATION = 1e-6
"""Rewards of a group that differ by less than this are equal: nothing can be learned from them."""


class Objective(Settings):
    """Which of the variants is optimised."""

    clip_low: float = Field(default=0.2, gt=0, lt=1)
    clip_high: float = Field(default=0.2, gt=0)
    kl: float = Field(default=1e-3, ge=0)
    """Weight of the divergence from the reference policy (the paper's 1e-3); 0 saves its forward
    pass."""
    mean: Literal["rollout", "token", "constant"] = "rollout"
    """`rollout`: each rollout counts the same (GRPO). `token`: each token does (DAPO).
    `constant`: tokens are divided by a fixed length (Dr. GRPO)."""
    constant_tokens: int = Field(default=256, ge=1)
    """The fixed length of `mean: constant`."""
    divide_by_deviation: bool = True
    """Whether advantages are divided by the group's standard deviation."""
    credit: Literal["rollout", "position"] = "rollout"
    """`position`: each rank of a ranking is credited with what is earned from it on, compared with
    the same rank of the other answers, and has one importance ratio."""


def advantages(rewards: FloatArray, *, divide_by_deviation: bool) -> FloatArray:
    """Return how much better each answer is than its group: A_i = (r_i - mean r) / std r.

    Args:
        rewards: Shape (G,) or (G, ranks): each column is compared by itself.
        divide_by_deviation: Without it, A_i = r_i - mean r.

    >>> advantages(np.array([1.0, 0.0, 0.0, 1.0]), divide_by_deviation=True)
    array([ 1., -1., -1.,  1.])
    """
    centred: FloatArray = rewards - rewards.mean(0)
    if divide_by_deviation:
        deviation = rewards.std(0)
        centred /= np.where(deviation > SMALLEST_DEVIATION, deviation, np.inf)
    return centred


def earned(group: Sequence[Rollout], objective: Objective) -> FloatArray:
    """Return shape (G, ranks): what each rollout earned from each rank of its answer on.

    Without credit by position there is one column: the reward.
    """
    returns = [rollout.returns for rollout in group]
    if objective.credit == "position" and all(map(len, returns)):
        # The reasoning and the first rank decide about everything that follows.
        return np.array([(rollout.reward, *rollout.returns[1:]) for rollout in group])
    return np.array([[rollout.reward] for rollout in group])


def is_equal(earned: FloatArray) -> bool:
    """Return whether all answers of a group earned the same, so that none is better."""
    return bool((np.ptp(earned, axis=0) <= SMALLEST_DEVIATION).all())
