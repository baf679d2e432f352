"""A step of GRPO: from rollouts to advantages, to updates of the weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from starec_sim.learning.advantages import Objective, advantages, earned, is_equal
from starec_sim.learning.config import Grpo
from starec_sim.learning.learner import Learner, Update
from starec_sim.learning.packing import TrainingRow
from starec_sim.learning.rows import Rollout, TokenRow, by_group
from starec_sim.learning.split import group_batches
from starec_sim.learning.stage_step import StageStep
from starec_sim.rng import Streams
from starec_sim.types import FloatArray

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


def grpo_step(
    learner: Learner,
    rollouts: Sequence[Rollout],
    grpo: Grpo,
    step: int,
    streams: Streams,
    ranks_of: RanksOf,
) -> StageStep:
    """Learn from the rollouts of one round: `passes` times over all groups, batch by batch.

    For a question q, G answers o_1 ... o_G are sampled from the old policy and get rewards r_1 ...
    r_G. With the ratio rho_it = pi(o_it) / pi_old(o_it) at token t of answer i, each batch is one
    step up the gradient of

        A_i = (r_i - mean r) / std r
        J = E[1/G sum_i 1/|o_i| sum_t min(rho_it A_i, clip(rho_it, 1-low, 1+high) A_i) - beta KL_it]

    Shao et al. (2024), "DeepSeekMath", equation 3. STARec (arXiv 2508.18812) trains with G = 8 and
    beta = 1e-3. The settings have the variants of DAPO, Dr. GRPO and Rank-GRPO; `grpo_loss.py`
    cites them.

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
    updates: list[Update] = []
    learned: list[Batch] = []
    groups = {rollout.group for rollout in rollouts}
    for chosen in map(set, group_batches(groups, grpo, step, streams)):
        drawn = [rollout for rollout in rollouts if rollout.group in chosen]
        # 1. Rewards become advantages A_i within each group: `advantages.py`.
        batch = make_batch(drawn, grpo.objective, ranks_of)
        learned.append(batch)
        # 2. The optimizer makes one step; its loss is -J: `grpo_loss.py`.
        if batch.rows:
            temperature = drawn[0].temperature
            updates.append(learner.improve(batch.rows, grpo.objective, temperature))
    learner.end_step()
    return StageStep(
        updates,
        sum(batch.groups for batch in learned),
        sum(batch.alone for batch in learned),
        sum(batch.equal for batch in learned),
    )


def make_batch(
    rollouts: Sequence[Rollout], objective: Objective, ranks_of: RanksOf | None = None
) -> Batch:
    """Turn rewards into advantages and weights; groups without a difference are left out.

    Args:
        rollouts: Of one update, in any order; all processes must pass the same.
        objective: The variant.
        ranks_of: For credit by position.
    """
    groups = by_group(rollouts)
    kept: list[tuple[Rollout, FloatArray]] = []
    alone = equal = 0
    for group in groups.values():
        gained = earned(group, objective)
        if len(group) < 2:
            alone += 1
        elif is_equal(gained):
            equal += 1
        else:
            better = advantages(gained, divide_by_deviation=objective.divide_by_deviation)
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
