"""Causal attention over prompts; on a processor, a row's result is the same in every batch.

The kernels of torch add up as many keys at once as the padded length allows, so that a prompt's
sums are rounded otherwise beside a longer one. Here they are added up in blocks (see
`same_in_any_batch`). It takes no longer: blocks of keys after a block of queries are left out.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from starec_sim.policies.engine.same_in_any_batch import add_values, blocks

_QUERIES = 64
"""How many queries of a head are computed at once."""


class CausalAttention:
    """The attention of one pass; what all of its layers share is made once.

    Args:
        length: The queries of each prompt.
        start: How many keys there are before the first query's own.
        device: Where to compute.
    """

    def __init__(self, length: int, start: int, device: torch.device) -> None:
        self._start = start
        self._fused = device.type != "cpu"
        self._mask: Tensor | None = None
        """What the kernel of torch needs where it is used and `start` is not 0."""
        if self._fused and start:
            mask = torch.ones(length, start + length, dtype=torch.bool, device=device)
            self._mask = mask.tril(start)
        self._later = torch.ones(_QUERIES, _QUERIES, dtype=torch.bool, device=device).triu(1)

    def __call__(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Return what each query attends to, in the shape of the queries.

        Args:
            queries: Scaled, (prompts, heads, length, head size).
            keys: (prompts, key heads, start + length, head size); each key head serves heads / key
                heads heads.
            values: (prompts, key heads, start + length, head size).
        """
        if self._fused:
            return functional.scaled_dot_product_attention(
                queries,
                keys,
                values,
                attn_mask=self._mask,
                is_causal=self._mask is None,
                scale=1.0,
                enable_gqa=True,
            )
        count, heads, length, size = queries.shape
        key_heads = keys.shape[1]
        share = heads // key_heads
        # In bf16 it is hardly faster on a processor, and less exact.
        grouped = queries.float().reshape(count, key_heads, share, length, size)
        keys, values = keys.float().mT, values.float().flatten(0, 1)
        attended = torch.empty_like(grouped)
        for first in range(0, length, _QUERIES):
            last = min(first + _QUERIES, length)
            now, seen = last - first, self._start + last
            block = grouped[:, :, :, first:last].reshape(count, key_heads, share * now, size)
            scores = block @ keys[..., :seen]
            newest = scores.view(count, key_heads, share, now, seen)[..., self._start + first :]
            newest.masked_fill_(self._later[:now, :now], float("-inf"))
            weights = scores.softmax(-1).flatten(0, 1)
            sums = values.new_zeros(count * key_heads, share * now, size)
            add_values(sums, weights, blocks(values[:, :seen]))
            attended[:, :, :, first:last] = sums.view(count, key_heads, share, now, size)
        return attended.view(count, heads, length, size).to(queries.dtype)
