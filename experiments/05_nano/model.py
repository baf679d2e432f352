"""The decoder: Llama's architecture in plain torch, with the parameter names of transformers.

Training uses this file because it is a third faster: the trunk is compiled, and the head computes
only the positions that have a target. Everything else loads the weights with transformers, which
computes the same (`export` checks it).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from attention import attention, blocks_of, table_of
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Shape:
    """The sizes of the model."""

    vocabulary: int = 4096
    hidden: int = 192
    inner: int = 512
    layers: int = 4
    heads: int = 3
    kv_heads: int = 1
    """All query heads share one; `attention` supports no other number."""
    head: int = 64
    longest: int = 4096
    base: float = 1_000_000.0
    """The base of the rotary positions. With the usual 10,000 a head of 64 has too few dimensions
    that turn slowly enough to find a word again hundreds of tokens later."""
    epsilon: float = 1e-6


class RMSNorm(nn.Module):
    """x / rms(x) * weight."""

    def __init__(self, size: int, epsilon: float) -> None:
        super().__init__()
        self.weight, self.epsilon = nn.Parameter(torch.ones(size)), epsilon

    def forward(self, x: Tensor) -> Tensor:
        return functional.rms_norm(x, x.shape[-1:], self.weight.to(x.dtype), self.epsilon)


class Attention(nn.Module):
    """Attention with rotary positions, in one row; all queries share one key-value head."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.q_proj = nn.Linear(shape.hidden, shape.heads * shape.head, bias=False)
        self.k_proj = nn.Linear(shape.hidden, shape.kv_heads * shape.head, bias=False)
        self.v_proj = nn.Linear(shape.hidden, shape.kv_heads * shape.head, bias=False)
        self.o_proj = nn.Linear(shape.heads * shape.head, shape.hidden, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, blocks: Tensor) -> Tensor:
        q = self.q_proj(x).view(len(x), -1, self.shape.head)
        q = _rotated(q, cos.unsqueeze(1), sin.unsqueeze(1))
        k = _rotated(self.k_proj(x), cos, sin)
        return self.o_proj(attention(q, k, self.v_proj(x), blocks).flatten(1))


class MLP(nn.Module):
    """SwiGLU."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden, shape.inner, bias=False)
        self.up_proj = nn.Linear(shape.hidden, shape.inner, bias=False)
        self.down_proj = nn.Linear(shape.inner, shape.hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    """Attention, then the MLP, each on the normalised residual stream."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.self_attn, self.mlp = Attention(shape), MLP(shape)
        self.input_layernorm = RMSNorm(shape.hidden, shape.epsilon)
        self.post_attention_layernorm = RMSNorm(shape.hidden, shape.epsilon)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, blocks: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, blocks)
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):
    """The trunk and the head, which is the transposed embedding."""

    def __init__(self, shape: Shape = Shape()) -> None:
        super().__init__()
        self.shape = shape
        self.embed_tokens = nn.Embedding(shape.vocabulary, shape.hidden)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = RMSNorm(shape.hidden, shape.epsilon)
        for name, weight in self.named_parameters():
            if weight.dim() > 1:
                into_stream = name.endswith(("o_proj.weight", "down_proj.weight"))
                std = 0.02 / math.sqrt(2 * shape.layers) if into_stream else 0.02
                nn.init.normal_(weight, 0.0, std)
        half = torch.arange(0, shape.head, 2) / shape.head
        angle = torch.outer(torch.arange(shape.longest).float(), shape.base**-half).repeat(1, 2)
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)

    def forward(self, ids: Tensor, positions: Tensor, blocks: Tensor) -> Tensor:
        """Return the hidden states that the head reads, shape (length, hidden).

        Args:
            ids: The tokens of all samples, shape (length,).
            positions: The position of each token in its question and answer, shape (length,).
            blocks: Which tokens attend to which, as `attention.table_of` returns it.
        """
        x = self.embed_tokens(ids)
        x = x.to(torch.get_autocast_dtype("cpu")) if torch.is_autocast_enabled("cpu") else x
        cos, sin = (table[positions].to(x.dtype) for table in (self.cos, self.sin))
        for layer in self.layers:
            x = layer(x, cos, sin, blocks)
        return self.norm(x)

    def head(self, x: Tensor) -> Tensor:
        """Return logits, shape (..., vocabulary), of hidden states of shape (..., hidden)."""
        return functional.linear(x, self.embed_tokens.weight.to(x.dtype))


def _rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat([-second, first], -1) * sin


SHARP = 1.6
"""The scale of the query and key weights that compare codes, at the start."""
WRITTEN = 0.04
"""The scale with which the first layer writes a code into the residual stream."""


@torch.no_grad()
def implant(model: Decoder, marks: Tensor, aliases: list[tuple[int, int]]) -> None:
    """Initialise the attention weights with circuits that look words up; training changes them.

    To look a word up ("what followed it before? in which line did it stand?") a model needs two
    kinds of heads. Some write at each token which token came before it and which mark began its
    line. Heads in later layers compare these codes. Models learn such heads by themselves, but only
    after more tokens than a laptop can process in an evening. So the first layer starts as the
    writer and the other layers start as comparers. All other weights keep their random start.

    Rotary dimensions that turn slowly carry the codes that are compared over long distances. Those
    that turn fast distinguish a token from its neighbour.

    Args:
        model: The model after its random initialisation; changed in place.
        marks: The tokens with which lines begin.
        aliases: Pairs of a token that begins a line and another token that means the same line.
    """
    shape = model.shape
    half, size = shape.head // 2, shape.hidden
    theta = _frequencies(shape)
    slow = torch.arange(half)[theta < 4e-3]
    slow = torch.cat([slow, slow + half])
    basis = torch.linalg.qr(torch.randn(size, size))[0].T
    directions = Directions(basis[0], basis[1], *basis[2 : 2 + 3 * len(slow)].chunk(3))
    always, mark, code = directions.always, directions.mark, directions.code

    embedding = model.embed_tokens.weight
    for direction in (always, mark):
        embedding -= torch.outer(embedding @ direction, direction)
    embedding += 0.06 * always
    embedding[marks] += 0.06 * mark
    for token, other in aliases:
        embedding[other] += (embedding[token] - embedding[other]) @ code.T @ code
    _let_first_layer_write(model.layers[0].self_attn, directions)
    _let_others_compare([layer.self_attn for layer in model.layers[1:4]], directions, slow)


class Directions(NamedTuple):
    """Orthogonal directions of the residual stream, in which heads write for each other."""

    always: Tensor
    """Every token has it."""
    mark: Tensor
    """The tokens with which lines begin have it."""
    code: Tensor
    """Which token this is."""
    before: Tensor
    """Which token came before it."""
    line: Tensor
    """Which mark began its line."""


def _frequencies(shape: Shape) -> Tensor:
    """Return how far each pair of rotary dimensions turns from token to token."""
    half = shape.head // 2
    return shape.base ** -(torch.arange(half) / half)


def _let_first_layer_write(first: Attention, directions: Directions) -> None:
    """Let the first layer write the code of the previous token and of the latest mark."""
    shape, theta = first.shape, _frequencies(first.shape)
    always, mark, code = directions.always, directions.mark, directions.code
    half, codes = len(theta), len(code)

    def rows(head: int) -> slice:
        return slice(head * shape.head, (head + 1) * shape.head)

    fast = torch.cat([(theta > 0.07).float(), torch.zeros(half)])
    near = torch.cat([((theta > 0.01) & (theta < 0.07)).float(), torch.zeros(half)])
    turns = torch.cat([theta, theta])
    first.k_proj.weight[: shape.head] = 2.5 * torch.outer(fast, always)
    first.k_proj.weight[: shape.head] += 1.65 * torch.outer(near, mark)
    back = _rotated(fast, turns.cos(), -turns.sin())
    first.q_proj.weight[rows(0)] = 2.5 * torch.outer(back, always)
    first.q_proj.weight[rows(1)] = 1.65 * torch.outer(near, always)
    first.v_proj.weight[:codes] = code
    first.o_proj.weight.zero_()
    for head, note in enumerate((directions.before, directions.line)):
        place = head * shape.head
        first.o_proj.weight[:, place : place + codes] = WRITTEN * note.T


def _let_others_compare(layers: list[Attention], directions: Directions, slow: Tensor) -> None:
    """Let three layers look words up by the codes that the first one writes.

    Layer 2 finds what followed this word before, layer 3 where else the word stands, and layer 4
    what else stands in its line.

    Args:
        layers: The attention of layers 2 to 4.
        directions: Where the codes are.
        slow: The rotary dimensions that turn slowly.
    """
    second, third, fourth = layers
    shape = second.shape
    code, before, line = directions.code, directions.before, directions.line
    for layer, here, there in ((second, code, before), (third, code, code), (fourth, line, line)):
        layer.k_proj.weight[slow] = SHARP * there
        for head in range(shape.heads):
            layer.q_proj.weight[head * shape.head + slow] = SHARP * here
    # Layer 3 also finds, for a label in the ranking, the line of reasoning about it.
    third.k_proj.weight[slow] += SHARP * line
    for layer, loudness in ((second, 0.1), (fourth, 0.03)):
        copied = torch.linalg.qr(torch.randn(shape.hidden, shape.head))[0].T
        layer.v_proj.weight[: shape.head] = copied
        layer.o_proj.weight.zero_()
        layer.o_proj.weight[:, : shape.head] = loudness * copied.T


def export(model: Decoder, tokenizer: object, out: Path) -> None:
    """Write the model and its tokenizer for transformers, in bf16.

    Raises:
        AssertionError: transformers computes other logits than this file.
    """
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

    shape = model.shape
    end, pad = tokenizer.eos_token_id, tokenizer.pad_token_id  # type: ignore[attr-defined]
    config = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.inner,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head,
        max_position_embeddings=shape.longest,
        rms_norm_eps=shape.epsilon,
        rope_parameters={"rope_type": "default", "rope_theta": shape.base},
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=end,
        pad_token_id=pad,
    )
    twin = LlamaForCausalLM(config)
    twin.model.load_state_dict(model.state_dict())
    twin.tie_weights()
    length = 300
    ids = torch.randint(5, shape.vocabulary, (length,))
    blocks = table_of([*blocks_of(0, length, ())], length)
    with torch.no_grad():
        here = model.head(model(ids, torch.arange(length), blocks))
        gap = (twin(ids[None]).logits[0] - here).abs().max()
    assert gap < 1e-3, f"transformers and this file differ by {gap:.2g}"
    twin.generation_config = GenerationConfig(eos_token_id=end, pad_token_id=pad)
    twin.to(torch.bfloat16).save_pretrained(out)
    tokenizer.save_pretrained(out)  # type: ignore[attr-defined]
