"""A step of GRPO: from rollouts to advantages, to updates of the weights.

The loss and its formulas are in `starec_sim.learning.grpo_loss`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from starec_sim.learning.config import Grpo
from starec_sim.learning.grpo_loss import Objective
from starec_sim.learning.learner import Learner, Update
from starec_sim.learning.packing import TrainingRow
from starec_sim.learning.rows import Rollout, TokenRow
from starec_sim.learning.split import batches
from starec_sim.rng import Streams
from starec_sim.types import FloatArray

SMALLEST_DEVIATION = 1e-6
"""Rewards of a group that differ by less than this are equal: nothing can be learned from them."""

RanksOf = Callable[[TokenRow], Sequence[int | None]]
"""Returns which rank of a ranking each id of a completion writes, from 0; None for other ids."""


class Batch(NamedTuple):
    """What one update learns from."""

    rows: list[TrainingRow]
    groups: int
    alone: int
    """Groups left out because they have one rollout only."""
    equal: int
    """Groups left out because all their rewards are equal."""


class GrpoStep(NamedTuple):
    """What a step learned from, and what its updates did."""

    batches: list[Batch]
    updates: list[Update]


def grpo_step(
    learner: Learner,
    rollouts: Sequence[Rollout],
    grpo: Grpo,
    step: int,
    streams: Streams,
    ranks_of: RanksOf,
) -> GrpoStep:
    """Learn from the rollouts of one round: `passes` times over all groups, batch by batch.

    Args:
        learner: Whose weights are updated.
        rollouts: Of one round; all processes must pass the same.
        grpo: The settings.
        step: The step, from 0.
        streams: The order of groups is drawn from them.
        ranks_of: For credit by position.

    Raises:
        DivergenceError: A loss or a gradient is not finite.
    """
    done = GrpoStep([], [])
    groups = sorted({rollout.group for rollout in rollouts})
    size = grpo.batch or max(1, len(groups))
    for epoch in range(step * grpo.passes, (step + 1) * grpo.passes):
        for indices in batches(len(groups), size, streams, "grpo batches", epoch):
            chosen = {groups[index] for index in indices}
            drawn = [rollout for rollout in rollouts if rollout.group in chosen]
            # 1. The advantage of each answer within its group: A_i = (r_i - mean r) / std r.
            batch = make_batch(drawn, grpo.objective, ranks_of)
            done.batches.append(batch)
            # 2. One step of the optimizer up the gradient of J.
            if batch.rows:
                temperature = drawn[0].temperature
                done.updates.append(learner.improve(batch.rows, grpo.objective, temperature))
    learner.end_step()
    return done


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


def make_batch(
    rollouts: Sequence[Rollout], objective: Objective, ranks_of: RanksOf | None = None
) -> Batch:
    """Turn rewards into advantages and weights; groups without a difference are left out.

    Args:
        rollouts: Of one update, in any order; all processes must pass the same.
        objective: The variant.
        ranks_of: For credit by position.
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
            better = advantages(earned, divide_by_deviation=objective.divide_by_deviation)
            kept += zip(group, better, strict=True)
    total = sum(rollout.tokens for rollout, _ in kept)
    rows = []
    for rollout, advantage in kept:
        match objective.mean:
            case "rollout":
                weight = 1 / (len(kept) * rollout.tokens)
            case "token":
                weight = 1 / total
            case "constant":
                weight = 1 / (len(kept) * objective.constant_tokens)
        by_rank = ranks_of if len(advantage) > 1 else None
        rows += [_training_row(row, advantage, weight, by_rank) for row in rollout.rows]
    return Batch(rows, len(groups), alone, equal)


def _earned(group: Sequence[Rollout], objective: Objective) -> FloatArray:
    """Return shape (G, ranks): what each rollout earned from each rank of its answer on."""
    returns = [rollout.returns for rollout in group]
    if objective.credit == "position" and all(map(len, returns)):
        # The reasoning and the first rank decide about everything that follows.
        return np.array([(rollout.reward, *rollout.returns[1:]) for rollout in group])
    return np.array([[rollout.reward] for rollout in group])


def _training_row(
    row: TokenRow, advantage: FloatArray, weight: float, ranks_of: RanksOf | None
) -> TrainingRow:
    weights = [weight if wrote else 0.0 for wrote in row.sampled]
    if ranks_of is None:
        return TrainingRow(row, [float(advantage[0])] * len(weights), weights)
    count = len(advantage)
    # An id beyond the last rank, such as a label that is written again, belongs to no rank.
    ranks = [rank if rank is not None and rank < count else None for rank in ranks_of(row)]
    credit = [float(advantage[rank or 0]) for rank in ranks]
    # One ratio for each rank; ids outside of the ranking keep their own.
    span = [count + number if rank is None else rank for number, rank in enumerate(ranks)]
    return TrainingRow(row, credit, weights, span)
