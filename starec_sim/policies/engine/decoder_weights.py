"""The weights of a decoder of the Llama family, laid out for few and large products."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from starec_sim.policies.engine.same_in_any_batch import padded_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FAMILY = ("llama", "qwen2", "qwen3")
"""Model types (Hugging Face's names) with this architecture: rotary positions, RMS norms, gated
SiLU, grouped queries; Qwen2 adds biases, Qwen3 norms of queries and keys."""

_STATIC_ROPE = ("default", "linear", "llama3", "yarn")
"""Rotary variants whose frequencies do not depend on the length of the text."""


@dataclass(frozen=True, slots=True)
class Layer:
    """The weights of one block. Those of the queries include the factor 1/sqrt(head size).

    Matrices are (in, out): with few rows, a processor multiplies by them in less time.
    """

    norm: Tensor
    qkv: Tensor
    qkv_bias: Tensor | None
    qk_norm: Tensor | None
    """Of the norms of queries and keys (query heads + key heads, head size)."""
    out: Tensor
    out_bias: Tensor | None
    mlp_norm: Tensor
    gate_up: Tensor
    gate_up_bias: Tensor | None
    down: Tensor
    down_bias: Tensor | None


@dataclass(frozen=True, slots=True)
class DecoderWeights:
    """All weights of a decoder, in one number format."""

    embedding: Tensor
    """(vocabulary, width)"""
    layers: tuple[Layer, ...]
    norm: Tensor
    head: Tensor
    """(vocabulary, width)"""
    cos: Tensor
    """(window, padded, head size)"""
    sin: Tensor
    """(window, padded, head size), the first half negated: it takes a roll and two products."""
    heads: int
    kv_heads: int
    head_size: int
    eps: float


def unsupported(config: Any) -> str | None:
    """Return why the engine cannot run a model of this configuration; None when it can."""
    if config.model_type not in FAMILY:
        return f"its architecture is {config.model_type}"
    if getattr(config, "quantization_config", None):
        return "it is quantised"
    if any(kind != "full_attention" for kind in getattr(config, "layer_types", None) or ()):
        return "it attends through a sliding window"
    if config.hidden_act != "silu":
        return f"its activation is {config.hidden_act}"
    rope = _rope_type(config)
    return None if rope in _STATIC_ROPE else f"its rotary positions are {rope}"


def _rope_type(config: Any) -> str:
    rope = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    return str(rope.get("rope_type", "default"))


def read_weights(
    model: PreTrainedModel, dtype: torch.dtype, device: torch.device
) -> DecoderWeights:
    """Copy a model's weights into the engine's layout."""
    config: Any = model.config
    inner: Any = model.model
    lm_head: Any = model.lm_head
    heads, kv_heads = config.num_attention_heads, config.num_key_value_heads
    head_size = getattr(config, "head_dim", None) or config.hidden_size // heads

    def put(tensor: Tensor) -> Tensor:
        return tensor.detach().to(device, dtype).contiguous()

    embedding = put(inner.embed_tokens.weight)
    tied = lm_head.weight is inner.embed_tokens.weight
    # The model's own frequencies: they are right for every static variant.
    rotary = inner.rotary_emb
    # A prompt as long as the window is padded, too.
    window = padded_tokens(config.max_position_embeddings)
    positions = torch.arange(window, dtype=torch.float32)
    angles = torch.outer(positions, rotary.inv_freq.detach().float().cpu())
    cos, sin = angles.cos() * rotary.attention_scaling, angles.sin() * rotary.attention_scaling
    return DecoderWeights(
        embedding=embedding,
        layers=tuple(_read_layer(block, heads, kv_heads, head_size, put) for block in inner.layers),
        norm=put(inner.norm.weight),
        head=embedding if tied else put(lm_head.weight),
        cos=put(torch.cat([cos, cos], -1)),
        sin=put(torch.cat([-sin, sin], -1)),
        heads=heads,
        kv_heads=kv_heads,
        head_size=head_size,
        eps=config.rms_norm_eps,
    )


def _read_layer(
    block: Any, heads: int, kv_heads: int, head_size: int, put: Callable[[Tensor], Tensor]
) -> Layer:
    """Return one block; `put` copies a tensor to its device and number format."""

    def put_all(*modules: Any, name: str, scale: float = 1.0) -> Tensor | None:
        """Join the weights or biases of some modules; scale those of the first."""
        parts = [getattr(module, name) for module in modules]
        if parts[0] is None:
            return None
        whole = torch.cat([parts[0].detach() * scale, *(part.detach() for part in parts[1:])])
        return put(whole.t() if whole.ndim == 2 else whole)

    attention, mlp = block.self_attn, block.mlp
    projections = (attention.q_proj, attention.k_proj, attention.v_proj)
    scale = head_size**-0.5
    qk_norm = None
    if hasattr(attention, "q_norm"):
        query, key = attention.q_norm.weight.detach(), attention.k_norm.weight.detach()
        qk_norm = put(torch.cat([query.expand(heads, -1) * scale, key.expand(kv_heads, -1)]))
        scale = 1.0
    qkv = put_all(*projections, name="weight", scale=scale)
    gate_up = put_all(mlp.gate_proj, mlp.up_proj, name="weight")
    assert qkv is not None and gate_up is not None
    return Layer(
        norm=put(block.input_layernorm.weight),
        qkv=qkv,
        qkv_bias=put_all(*projections, name="bias", scale=scale),
        qk_norm=qk_norm,
        out=put(attention.o_proj.weight.t()),
        out_bias=put_all(attention.o_proj, name="bias"),
        mlp_norm=put(block.post_attention_layernorm.weight),
        gate_up=gate_up,
        gate_up_bias=put_all(mlp.gate_proj, mlp.up_proj, name="bias"),
        down=put(mlp.down_proj.weight.t()),
        down_bias=put_all(mlp.down_proj, name="bias"),
    )
