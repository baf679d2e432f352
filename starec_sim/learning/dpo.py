"""A step of Direct Preference Optimisation: from rollouts to pairs, to updates of the weights.

Of two answers to one question, c earned more than r. With

    m = (log pi(c) - log pi_ref(c)) - (log pi(r) - log pi_ref(r))

the loss of a pair is -log sigmoid(beta m): Rafailov et al. (2023), "Direct Preference
Optimization", equation 7. A log-probability is the sum over the ids that the policy wrote. The
reference policy is the one that the stage begins with. Answers come from groups that the policy
plays itself, as for GRPO, with the same rewards.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from starec_sim.learning.config import Dpo
from starec_sim.learning.learner import Learner, Update
from starec_sim.learning.packing import TrainingRow
from starec_sim.learning.pairs import Pair, pairs_of
from starec_sim.learning.rows import Rollout, by_group
from starec_sim.learning.split import group_batches
from starec_sim.learning.stage_step import StageStep
from starec_sim.rng import Streams


def dpo_step(
    learner: Learner, rollouts: Sequence[Rollout], dpo: Dpo, step: int, streams: Streams
) -> StageStep:
    """Learn from the rollouts of one round: `passes` times over all groups, batch by batch.

    Args:
        learner: Whose weights are updated.
        rollouts: Of one round; all processes must pass the same.
        dpo: The settings.
        step: The step, from 0.
        streams: The order of groups is drawn from them.

    Raises:
        DivergenceError: A loss or a gradient is not finite.
    """
    groups = by_group(rollouts)
    updates: list[Update] = []
    margins: list[float] = []
    seen = alone = equal = 0
    for chosen in group_batches(groups, dpo, step, streams):
        # 1. Pairs: the best answer of a group with its worst, and so on.
        drawn = [groups[name] for name in chosen]
        found = [pairs_of(group, dpo.pairs) for group in drawn]
        seen += len(drawn)
        alone += sum(len(group) < 2 for group in drawn)
        equal += sum(len(group) > 1 and not of for group, of in zip(drawn, found, strict=True))
        pairs = [pair for of in found for pair in of]
        # 2. One step of the optimizer down the gradient of the loss.
        if pairs:
            update, margin = prefer(learner, pairs, dpo.beta)
            updates.append(update)
            margins += margin
    learner.end_step()
    own = {
        "pairs": float(len(margins)),
        "margin": float(np.mean(margins)) if margins else float("nan"),
        "preferred": float(np.mean(np.array(margins) > 0)) if margins else float("nan"),
    }
    return StageStep(updates, seen, alone, equal, own)


def prefer(learner: Learner, pairs: Sequence[Pair], beta: float) -> tuple[Update, list[float]]:
    """Make one update by a batch of pairs; return what it did, and m of each pair before it.

    The loss depends on whole answers, which may be in different packs. So their log-probabilities
    come first, without a gradient. The gradient of the loss by log pi(c) is then a number, the
    weight of c's ids in a second pass; r has the same weight with the other sign.

    Args:
        learner: Has a reference policy.
        pairs: At least one.
        beta: How strongly the policy is held to its reference.
    """
    answers = [rollout for pair in pairs for rollout in pair]  # c, r, c, r, ...
    temperature = answers[0].temperature
    owner = torch.tensor([n for n, answer in enumerate(answers) for _ in answer.rows])
    rows = _rows(answers, [1.0] * len(answers))
    new, reference = learner.log_probabilities(rows, temperature)
    gained = torch.zeros(len(answers)).index_add(0, owner, new - reference)
    loss, margin = dpo_loss(gained[0::2], gained[1::2], beta)
    pull = beta * torch.sigmoid(-beta * margin) / len(pairs)
    weights = [sign * w for w in pull.tolist() for sign in (1.0, -1.0)]
    update = learner.imitate(_rows(answers, weights), temperature)
    ids = sum(answer.tokens for answer in answers)
    # -mean(log pi_ref - log pi), over ids that the sampler wrote.
    return update._replace(loss=float(loss), kl=float(gained.sum()) / ids), margin.tolist()


def dpo_loss(chosen: Tensor, rejected: Tensor, beta: float) -> tuple[Tensor, Tensor]:
    """Return the mean loss, shape (), and m of each pair, shape (P,).

    Args:
        chosen: log pi(c) - log pi_ref(c) of each pair, shape (P,).
        rejected: log pi(r) - log pi_ref(r), shape (P,).
        beta: See `prefer`.
    """
    margin = chosen - rejected
    return -torch.nn.functional.logsigmoid(beta * margin).mean(), margin


def _rows(answers: Sequence[Rollout], weights: Sequence[float]) -> list[TrainingRow]:
    """Return the rows of all answers, numbered, each id with the weight of its answer."""
    rows: list[TrainingRow] = []
    for answer, weight in zip(answers, weights, strict=True):
        for row in answer.rows:
            of_ids = [weight if wrote else 0.0 for wrote in row.sampled]
            rows.append(TrainingRow(row, [0.0] * len(of_ids), of_ids, number=len(rows)))
    return rows
