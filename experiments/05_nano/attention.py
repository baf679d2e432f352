"""Causal attention for training on a CPU: the same result as torch's fused kernel, in less time.

torch's fused kernel for CPUs spends most of its time in the backward pass. This one splits the
queries into blocks. Each block attends only to the keys before its end, and forward and backward
are matrix products.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

BLOCK = 64
"""How many queries one block has."""


class _Attention(torch.autograd.Function):
    """softmax(q kᵀ / √d) v for query heads that share one key-value head."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        batch, heads, length, size = q.shape
        keys = (k * size**-0.5).transpose(1, 2)
        later = torch.full((BLOCK, BLOCK), -torch.inf, dtype=q.dtype).triu(1)
        mixed, shares = torch.empty_like(q), []
        for start in range(0, length, BLOCK):
            end = min(start + BLOCK, length)
            rows = end - start
            asked = q[:, :, start:end].reshape(batch, heads * rows, size)
            scores = (asked @ keys[:, :, :end]).view(batch, heads, rows, end)
            scores[..., start:] += later[:rows, :rows]
            share = scores.softmax(-1).view(batch, heads * rows, end)
            mixed[:, :, start:end] = (share @ v[:, :end]).view(batch, heads, rows, size)
            shares.append(share)
        ctx.save_for_backward(q, k, v, *shares)
        return mixed

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # type: ignore[override]
        q, k, v, *shares = ctx.saved_tensors
        batch, heads, length, size = q.shape
        scale = size**-0.5
        to_q, to_k, to_v = torch.empty_like(q), *torch.zeros(2, batch, length, size)
        values = v.transpose(1, 2)
        for share, start in zip(shares, range(0, length, BLOCK), strict=True):
            end = min(start + BLOCK, length)
            rows = end - start
            asked = q[:, :, start:end].reshape(batch, heads * rows, size)
            wanted = gradient[:, :, start:end].reshape(batch, heads * rows, size)
            to_v[:, :end] += share.transpose(1, 2) @ wanted
            to_share = wanted @ values[:, :, :end]
            to_scores = torch._softmax_backward_data(to_share, share, -1, share.dtype)
            to_q[:, :, start:end] = (to_scores @ k[:, :end]).view(batch, heads, rows, size) * scale
            to_k[:, :end] += to_scores.transpose(1, 2) @ asked
        return to_q, (to_k * scale).to(k.dtype), to_v.to(v.dtype)


@torch.compiler.disable
def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Return the attention output, shape (batch, heads, length, size).

    Args:
        q: Queries, shape (batch, heads, length, size).
        k: Keys, shape (batch, length, size).
        v: Values, shape (batch, length, size).
    """
    return _Attention.apply(q, k, v)  # type: ignore[no-any-return]
