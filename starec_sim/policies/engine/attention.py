"""Causal attention over prompts; on a processor, a row's result is the same in every batch.

The kernels of torch add up as many keys at once as the padded length allows, so that a prompt's
sums are rounded otherwise beside a longer one. Here they are added up in blocks (see
`same_in_any_batch`). It takes no longer: blocks of keys after a block of queries are left out.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from starec_sim.policies.engine.same_in_any_batch import BLOCK

_QUERIES = 64
"""How many queries of a head are computed at once."""


def causal_attention(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Return what each query attends to, in the shape of the queries.

    The last query sees all keys, the one before it all but one, and so on.

    Args:
        queries: Scaled, (prompts, heads, queries, head size).
        keys: (prompts, key heads, keys, head size); each serves heads / key heads heads.
        values: (prompts, key heads, keys, head size).
    """
    if queries.device.type != "cpu":
        return _fused(queries, keys, values)
    count, heads, length, size = queries.shape
    key_heads, start = keys.shape[1], keys.shape[2] - length
    share = heads // key_heads
    # Attention in bf16 is slower on a processor than in fp32.
    grouped = queries.float().reshape(count, key_heads, share, length, size)
    keys, values = keys.float().mT, values.float().flatten(0, 1)
    attended = torch.empty_like(grouped)
    later = torch.ones(_QUERIES, _QUERIES, dtype=torch.bool).triu(1)
    for first in range(0, length, _QUERIES):
        last = min(first + _QUERIES, length)
        now, seen = last - first, start + last
        block = grouped[:, :, :, first:last].reshape(count, key_heads, share * now, size)
        scores = block @ keys[..., :seen]
        newest = scores.view(count, key_heads, share, now, seen)[..., start + first :]
        newest.masked_fill_(later[:now, :now], float("-inf"))
        weights = scores.softmax(-1).flatten(0, 1)
        total = values.new_zeros(count * key_heads, share * now, size)
        for at in range(0, seen, BLOCK):
            to = min(at + BLOCK, seen)
            total.baddbmm_(weights[..., at:to], values[:, at:to])
        attended[:, :, :, first:last] = total.view(count, key_heads, share, now, size)
    return attended.view(count, heads, length, size).to(queries.dtype)


def _fused(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Return the same by the kernel of torch."""
    length, seen = queries.shape[2], keys.shape[2]
    mask = None
    if seen > length:
        mask = torch.ones(length, seen, dtype=torch.bool, device=queries.device)
        mask = mask.tril(seen - length)
    return functional.scaled_dot_product_attention(
        queries, keys, values, attn_mask=mask, is_causal=mask is None, scale=1.0, enable_gqa=True
    )
