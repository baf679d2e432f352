"""Attention for training on a CPU: many samples in one row, and many answers to one question.

All samples of a batch stand one after another in a single row of tokens, without padding between
them. A sample is a question and its answers. A token of the question attends to the question before
it. A token of an answer attends to the question and to its own answer before it, not to the other
answers. So one reading of the question serves all of its answers.

The row is split into blocks of queries, and each block computes only the keys that it may attend
to. Forward and backward are matrix products: torch's fused kernel for CPUs spends most of its time
in the backward pass and knows no such pattern.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

BLOCK = 256
"""How many queries one block of a question has at most."""


class Block(NamedTuple):
    """Queries that attend to the same keys; among themselves each attends to those before it."""

    start: int
    end: int
    """The queries are at `start` to `end - 1`."""
    first: int
    last: int
    """They attend to the keys at `first` to `last - 1`, and to themselves."""

    def of(self, x: Tensor) -> Tensor:
        """Return the rows of x, shape (length, size), that the queries may attend to."""
        if self.last == self.start:
            return x[self.first : self.end]
        return torch.cat([x[self.first : self.last], x[self.start : self.end]])

    def add(self, x: Tensor, gradient: Tensor) -> None:
        """Add a gradient of what `of` returned to x in place."""
        x[self.first : self.last] += gradient[: self.last - self.first]
        x[self.start : self.end] += gradient[self.last - self.first :]


def blocks_of(start: int, question: int, answers: Sequence[int]) -> Iterator[Block]:
    """Yield the blocks of a sample.

    Args:
        start: Where the sample begins in the row.
        question: How many tokens its question has.
        answers: How many tokens each answer has; they follow the question.
    """
    asked = start + question
    for place in range(start, asked, BLOCK):
        yield Block(place, min(place + BLOCK, asked), start, place)
    place = asked
    for size in answers:
        yield Block(place, place + size, start, asked)
        place += size


class _Attention(torch.autograd.Function):
    """softmax(q kᵀ / √d) v for query heads that share one key-value head."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, blocks: Sequence[Block]) -> Tensor:
        _, heads, size = q.shape
        later = torch.full((longest(blocks),) * 2, -torch.inf, dtype=q.dtype).triu(1)
        later = later.repeat_interleave(heads, 0)
        scaled = k * size**-0.5
        mixed, shares = torch.zeros_like(q), []
        for block in blocks:
            asked = q[block.start : block.end].reshape(-1, size)
            scores = asked @ block.of(scaled).T
            rows = block.end - block.start
            scores[:, -rows:] += later[: heads * rows, :rows]
            share = scores.softmax(-1)
            mixed[block.start : block.end] = (share @ block.of(v)).view(rows, heads, size)
            shares.append(share)
        ctx.save_for_backward(q, k, v, *shares)
        ctx.blocks = blocks
        return mixed

    @staticmethod
    def backward(  # type: ignore[override]
        ctx: Any, gradient: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, None]:
        q, k, v, *shares = ctx.saved_tensors
        length, heads, size = q.shape
        to_q, to_k, to_v = torch.zeros_like(q), *torch.zeros(2, length, size)
        for share, block in zip(shares, ctx.blocks, strict=True):
            asked = q[block.start : block.end].reshape(-1, size)
            wanted = gradient[block.start : block.end].reshape(-1, size)
            block.add(to_v, share.T @ wanted)
            to_share = wanted @ block.of(v).T
            to_scores = torch._softmax_backward_data(to_share, share, -1, share.dtype)
            to_q[block.start : block.end] = (to_scores @ block.of(k)).view(-1, heads, size)
            block.add(to_k, to_scores.T @ asked)
        scale = size**-0.5
        return to_q * scale, (to_k * scale).to(k.dtype), to_v.to(v.dtype), None


def longest(blocks: Sequence[Block]) -> int:
    """Return the most queries of a block."""
    return max(block.end - block.start for block in blocks)


@torch.compiler.disable
def attention(q: Tensor, k: Tensor, v: Tensor, table: Tensor) -> Tensor:
    """Return the attention output, shape (length, heads, size); 0 where no block has the query.

    Args:
        q: Queries, shape (length, heads, size).
        k: Keys, shape (length, size).
        v: Values, shape (length, size).
        table: The blocks as `table_of` returns them.
    """
    blocks = [Block(*row) for row in table.tolist() if row[1]]
    return _Attention.apply(q, k, v, blocks)  # type: ignore[no-any-return]


def table_of(blocks: Sequence[Block], rows: int) -> Tensor:
    """Return the blocks as integers, shape (rows, 4): the same shape for every batch.

    A compiled model is compiled once for each shape, and not at all for lists.

    Raises:
        ValueError: There are more blocks than rows.
    """
    if len(blocks) > rows:
        raise ValueError(f"{len(blocks)} blocks, and a table has {rows} rows")
    table = torch.zeros(rows, 4, dtype=torch.long)
    table[: len(blocks)] = torch.tensor(blocks, dtype=torch.long).view(-1, 4)
    return table
