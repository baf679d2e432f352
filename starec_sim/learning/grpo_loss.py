"""The loss of Group Relative Policy Optimisation, beside its formulas.

For a question q, G answers o_1 ... o_G are sampled from the old policy and rewarded; with
rho_it = pi(o_it) / pi_old(o_it) and the advantage A_it of an answer within its group,

    J = E[ 1/G sum_i 1/|o_i| sum_t min(rho_it A_it, clip(rho_it, 1-low, 1+high) A_it) - beta KL_it ]

Shao et al. (2024), "DeepSeekMath", equation 3; STARec (arXiv 2508.18812) trains with G = 8 and
beta = 1e-3. pi_old are the sampler's own log-probabilities, so that no forward pass is spent on
them. Variants: token-mean (Yu et al., 2025, "DAPO", equation 8), a constant normaliser and no
division by the standard deviation (Liu et al., 2025, "Dr. GRPO"), and credit by position
(Rank-GRPO, arXiv 2510.20150).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from starec_sim.learning.advantages import Objective


class GrpoLoss(NamedTuple):
    """The loss of a pack, and what is logged of each id."""

    loss: Tensor
    """Shape (): minus J, summed over the pack."""
    kl: Tensor
    """Shape (N,): divergence from the reference policy."""
    clipped: Tensor
    """Shape (N,): 1 where the clip stops the gradient, else 0."""
    ratio_gap: Tensor
    """Shape (N,): |rho - 1|."""


def grpo_loss(
    new: Tensor,
    old: Tensor,
    reference: Tensor | None,
    advantage: Tensor,
    weight: Tensor,
    span: Tensor,
    objective: Objective,
) -> GrpoLoss:
    """Return minus J of the ids of a pack.

    Args:
        new: Log-probabilities under the policy that learns, shape (N,).
        old: Log-probabilities under the policy that sampled, shape (N,).
        reference: Log-probabilities under the reference policy, shape (N,); None without KL.
        advantage: A of each id, shape (N,).
        weight: What each id counts in the mean, shape (N,): 1 / (G |o_i|) for `mean: rollout`.
        span: Ids with the same number share one importance ratio, shape (N,).
        objective: The variant.
    """
    low, high = objective.clip_low, objective.clip_high
    ratio = ratios(new, old, span)
    gain = surrogate(ratio, advantage, low, high)
    kl = torch.zeros_like(new)
    if reference is not None:
        kl = divergence(new, reference)
        gain = gain - objective.kl * kl
    clip = clipped(ratio, advantage, low, high).float()
    return GrpoLoss(-(gain * weight).sum(), kl, clip, (ratio - 1).abs())


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


def divergence(new: Tensor, reference: Tensor) -> Tensor:
    """Return an estimate of KL(pi || pi_ref) at each id, shape (N,): never negative, unbiased.

    pi_ref / pi - log(pi_ref / pi) - 1; Schulman (2020), "Approximating KL divergence", k3.
    """
    gap = reference - new
    return gap.exp() - gap - 1


def clipped(ratio: Tensor, advantage: Tensor, low: float, high: float) -> Tensor:
    """Return where the clip stops the gradient, shape (N,), boolean."""
    return ((ratio < 1 - low) & (advantage < 0)) | ((ratio > 1 + high) & (advantage > 0))
