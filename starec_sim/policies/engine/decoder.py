"""The forward pass of a Llama-family decoder: of whole prompts, and of one token for each row."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from starec_sim.policies.engine.attention import CausalAttention
from starec_sim.policies.engine.decoder_weights import DecoderWeights, Layer
from starec_sim.policies.engine.prefix_cache import KeysValues, PrefixCache
from starec_sim.policies.engine.same_in_any_batch import product


class Decoder:
    """A decoder with one set of weights.

    Args:
        weights: In the format of the large products.
        cache_dtype: The format of keys, values and the attention of a step.
    """

    def __init__(self, weights: DecoderWeights, cache_dtype: torch.dtype) -> None:
        self.weights = weights
        self.cache_dtype = cache_dtype
        self.device = weights.embedding.device

    def read(
        self,
        ids: Tensor,
        ends: Tensor,
        prefix: KeysValues | None,
        check: Callable[[], None] = lambda: None,
    ) -> tuple[Tensor, KeysValues]:
        """Read prompts, or what follows a prefix that they share.

        Args:
            ids: (prompts, tokens), padded to the right; attention is causal, so that the padding
                changes nothing.
            ends: The index of each prompt's last token (prompts,).
            prefix: Keys and values of the tokens before, which all of these prompts share.
            check: Called before each layer; it may raise, because all layers can take seconds.

        Returns:
            The logits after each prompt's last token (prompts, vocabulary), and keys and values for
            each layer.
        """
        w = self.weights
        count, length = ids.shape
        start = prefix[0][1].shape[1] if prefix else 0
        cos = w.cos[start : start + length, None]
        sin = w.sin[start : start + length, None]
        attend = CausalAttention(length, start, ids.device)
        x = w.embedding[ids]
        cache: KeysValues = []
        for number, layer in enumerate(w.layers):
            check()
            parts = self._project(layer, self._norm(x, layer.norm), cos, sin)
            q, k, v = (part.transpose(1, 2) for part in parts)
            cache.append((k.mT.to(self.cache_dtype), v.to(self.cache_dtype)))
            if prefix:
                past_keys, past_values = prefix[number]
                k = torch.cat([past_keys.mT.to(k.dtype).expand(count, -1, -1, -1), k], 2)
                v = torch.cat([past_values.to(v.dtype).expand(count, -1, -1, -1), v], 2)
            attended = attend(q, k, v)
            x = self._finish(layer, x, attended.transpose(1, 2).reshape(count, length, -1))
        return self._logits(x[torch.arange(count, device=ids.device), ends]), cache

    def step(self, tokens: Tensor, positions: Tensor, cache: PrefixCache) -> Tensor:
        """Read one token of each row and return the logits of the next (rows, vocabulary).

        Args:
            tokens: (rows,)
            positions: The position of each row's token in its text (rows,).
            cache: Keys and values so far; grows by one token.
        """
        w = self.weights
        rows = len(tokens)
        cos, sin = w.cos[positions][:, None], w.sin[positions][:, None]
        x = w.embedding[tokens]
        cache.advance()
        for number, layer in enumerate(w.layers):
            q, k, v = (
                part.to(self.cache_dtype)
                for part in self._project(layer, self._norm(x, layer.norm), cos, sin)
            )
            queries = q.reshape(rows, w.kv_heads, -1, w.head_size)
            attended = cache.attend(number, queries, k, v)
            x = self._finish(layer, x, attended.reshape(rows, -1).to(x.dtype))
        return self._logits(x)

    def _project(
        self, layer: Layer, x: Tensor, cos: Tensor, sin: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values (..., heads, head size); queries and keys are rotated."""
        w = self.weights
        rotated = w.heads + w.kv_heads
        qkv = product(x, layer.qkv, layer.qkv_bias)
        qkv = qkv.view(*x.shape[:-1], -1, w.head_size)
        qk, v = qkv[..., :rotated, :], qkv[..., rotated:, :]
        if layer.qk_norm is not None:
            qk = functional.rms_norm(qk, (w.head_size,), None, w.eps) * layer.qk_norm
        qk = qk * cos + qk.roll(w.head_size // 2, -1) * sin
        return qk[..., : w.heads, :], qk[..., w.heads :, :], v

    def _finish(self, layer: Layer, x: Tensor, attended: Tensor) -> Tensor:
        """Apply what follows the attention: its projection, and the gated layers."""
        x = x + product(attended, layer.out, layer.out_bias)
        inner = self._norm(x, layer.mlp_norm)
        gate, up = product(inner, layer.gate_up, layer.gate_up_bias).chunk(2, -1)
        return x + product(functional.silu(gate).mul_(up), layer.down, layer.down_bias)

    def _norm(self, x: Tensor, weight: Tensor) -> Tensor:
        return functional.rms_norm(x, (x.shape[-1],), weight, self.weights.eps)

    def _logits(self, x: Tensor) -> Tensor:
        return product(self._norm(x, self.weights.norm), self.weights.head.t())
