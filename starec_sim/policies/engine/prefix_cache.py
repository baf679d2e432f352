"""Keys and values of a batch in three parts, each kept once for all rows that share it.

    prefix   the common beginning of several prompts (the system prompt): once for all of them
    prompt   the rest of one prompt: once for all completions of it
    answer   the tokens that a row has sampled: once for each row

The queries of a step are multiplied with each part in one product, for all rows that share it, and
one softmax in fp32 runs over all three.

A row's attention is equal to the bit in every batch. For that, parts begin at a multiple of
`LANES`, values are added up in blocks of `BLOCK` tokens from the beginning of the text, and rows
are padded to a multiple of `ROWS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from starec_sim.policies.engine.same_in_any_batch import (
    BLOCK,
    add_values,
    blocks,
    padded_rows,
    padded_tokens,
    times,
)

KeysValues = list[tuple[Tensor, Tensor]]
"""For each layer, keys (..., key heads, head size, tokens) and values (..., key heads, tokens,
head size)."""

_FIRST_ROOM = 64
"""Tokens of the answer that there is room for at first; doubled whenever it is full."""
_MOST_ADDED = 256
"""Tokens of room that are added at most."""


def laid_out_keys(keys: Tensor) -> Tensor:
    """Copy keys (..., head size, tokens) into the layout whose products are fastest.

    That is with the numbers of a dimension as neighbours in memory; for bf16 on a processor, those
    of a token.
    """
    by_token = _is_bf16_on_processor(keys.dtype, keys.device)
    return keys.mT.contiguous().mT if by_token else keys.contiguous()


def zero_keys(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return zeros of a shape (..., head size, tokens) in the layout of `laid_out_keys`."""
    if _is_bf16_on_processor(dtype, device):
        *rows, size, tokens = shape
        return torch.zeros((*rows, tokens, size), dtype=dtype, device=device).mT
    return torch.zeros(shape, dtype=dtype, device=device)


def _is_bf16_on_processor(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether oneDNN makes the products: it copies a matrix that is a part of a larger one."""
    return dtype == torch.bfloat16 and device.type == "cpu"


@dataclass(slots=True)
class SharedPrefix:
    """The common prefix of the prompts `first` to `last` (exclusive)."""

    first: int
    last: int
    kv: KeysValues

    @property
    def length(self) -> int:
        """How many tokens are shared."""
        return self.kv[0][1].shape[1]

    def whole(self) -> SharedPrefix:
        """Return the part of it that is in whole blocks."""
        end = self.length - self.length % BLOCK
        kv = [(laid_out_keys(keys[..., :end]), values[:, :end]) for keys, values in self.kv]
        return SharedPrefix(self.first, self.last, kv)


class PrefixCache:
    """The cache of one batch, from the first sampled token until the last row ends.

    Inside, rows are in a grid of (prompt, completion of the prompt), so that the completions of one
    prompt are neighbours. Where a prompt has fewer completions than another, cells of the grid are
    empty; what is computed there is never read.

    Args:
        prefixes: In the order of the prompts; a prompt outside of them has no shared prefix.
        prompts: What follows the prefix, padded to the right with any numbers, to a multiple of
            `LANES` tokens.
        lengths: The tokens of each prompt in `prompts`, without the padding.
        members: The prompt of each row; rows are in the order of their prompts.
    """

    def __init__(
        self,
        prefixes: list[SharedPrefix],
        prompts: KeysValues,
        lengths: Sequence[int],
        members: list[int],
    ) -> None:
        values = prompts[0][1]
        self._prefixes = prefixes
        self._keys = [keys for keys, _ in prompts]
        self._values = [_in_blocks(values) for _, values in prompts]
        self._lengths, self._members = list(lengths), members
        self._heads, self._size = values.shape[1], values.shape[3]
        self._dtype, self._device = values.dtype, values.device
        self._answers: KeysValues = []
        self._room = self._filled = 0
        self._arrange()

    @property
    def rows(self) -> int:
        """How many completions have not ended."""
        return len(self._members)

    def _arrange(self) -> None:
        """Lay out the grid, and the mask of the keys that belong to no token."""
        count = len(self._lengths)
        numbers: list[int] = []
        for row, prompt in enumerate(self._members):
            again = row > 0 and self._members[row - 1] == prompt
            numbers.append(numbers[-1] + 1 if again else 0)
        self._group = max(numbers) + 1
        at = [p * self._group + number for p, number in zip(self._members, numbers, strict=True)]
        full = len(at) == count * self._group
        self._cells = None if full else torch.tensor(at, device=self._device)

        self._prefix_room = max((prefix.length for prefix in self._prefixes), default=0)
        self._read = self._prefix_room + self._keys[0].shape[-1]
        lengths = torch.tensor(self._lengths, device=self._device)[:, None]
        shared = torch.zeros(count, 1, dtype=torch.long, device=self._device)
        for prefix in self._prefixes:
            shared[prefix.first : prefix.last] = prefix.length
        column = torch.arange(self._read, device=self._device)
        no_token = torch.where(
            column < self._prefix_room, column >= shared, column - self._prefix_room >= lengths
        )
        masked = no_token.any(0).nonzero()
        self._mask_from = int(masked[0]) if len(masked) else self._read
        self._mask = no_token[:, None, None, self._mask_from :]

    def advance(self) -> None:
        """Make room for the keys and values of one more token."""
        if self._filled == self._room:
            room = self._room + min(max(self._room, _FIRST_ROOM), _MOST_ADDED)
            grown: KeysValues = []
            for layer in range(len(self._keys)):
                shape = (self.rows, self._heads, self._size, room)
                keys = zero_keys(shape, self._dtype, self._device)
                values = self._zeros(self.rows, self._heads, room, self._size)
                if self._answers:
                    old_keys, old_values = self._answers[layer]
                    keys[..., : self._filled] = old_keys[: self.rows]
                    values[:, :, : self._filled] = old_values[: self.rows]
                grown.append((keys, values))
            self._answers, self._room = grown, room
        self._filled += 1

    def _empty(self, *shape: int) -> Tensor:
        return torch.empty(shape, dtype=self._dtype, device=self._device)

    def _zeros(self, *shape: int) -> Tensor:
        return torch.zeros(shape, dtype=self._dtype, device=self._device)

    def _fp32_zeros(self, *shape: int) -> Tensor:
        return torch.zeros(shape, device=self._device)

    def attend(self, layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Add one token of each row to a layer, and return the attention of its queries.

        Args:
            layer: Which layer.
            queries: Scaled, (rows, key heads, queries for each key head, head size).
            keys: (rows, key heads, head size).
            values: (rows, key heads, head size).

        Returns:
            The attended values in fp32, in the shape of the queries.
        """
        asked = queries.shape[2]
        if self._group == 1:
            # Once; with several completions they are padded together.
            queries = padded_rows(queries)
        rows, heads, share, size = queries.shape
        assert (rows, heads, size) == (self.rows, self._heads, self._size)
        answer_keys, answer_values = (cache[:rows] for cache in self._answers[layer])
        answer_keys[..., self._filled - 1] = keys
        answer_values[:, :, self._filled - 1] = values
        room, read, end = self._prefix_room, self._read, self._read + self._filled
        # With oneDNN what is not filled is multiplied too, so that nothing is copied.
        width = self._room if _is_bf16_on_processor(self._dtype, self._device) else self._filled

        query_grid = self._to_grid(queries)
        count, _, wide, _ = query_grid.shape
        scores = self._empty(count, heads, wide, read + width)
        for prefix in self._prefixes:
            prefix_keys, _ = prefix.kv[layer]
            shared = query_grid[prefix.first : prefix.last].transpose(0, 1).reshape(heads, -1, size)
            products = times(shared, prefix_keys).view(heads, -1, wide, prefix.length)
            scores[prefix.first : prefix.last, ..., : prefix.length] = products.transpose(0, 1)
        scores[..., room:read] = times(query_grid, self._keys[layer])
        scores[..., read:] = self._to_grid(times(queries, answer_keys[..., :width]))
        scores[..., end:] = float("-inf")
        if self._mask_from < read:
            # Filled, not added: where no product was written there may be any number, NaN included.
            scores[..., self._mask_from : read].masked_fill_(self._mask, float("-inf"))
        weights = scores.softmax(-1, torch.float32).to(self._dtype)

        attended = self._fp32_zeros(count, heads, wide, size)
        for prefix in self._prefixes:
            _, prefix_values = prefix.kv[layer]
            part = weights[prefix.first : prefix.last, ..., : prefix.length].transpose(0, 1)
            part = part.reshape(heads, -1, prefix.length)
            sums = self._fp32_zeros(*part.shape[:2], size)
            add_values(sums, part, blocks(prefix_values))
            sums = sums.view(heads, -1, wide, size).transpose(0, 1)
            attended[prefix.first : prefix.last] = sums
        prompt_weights = weights[..., room:read].flatten(0, 1)
        prompt_values = (block.flatten(0, 1) for block in self._values[layer])
        add_values(attended.flatten(0, 1), prompt_weights, prompt_values)
        own_weights = self._from_grid(weights[..., read:], share)
        own = times(own_weights, answer_values[:, :, :width]).float()
        return (own + self._from_grid(attended, share))[:, :, :asked]

    def _to_grid(self, tensor: Tensor) -> Tensor:
        """Reshape (rows, heads, share, n) to (prompts, heads, completions x share, n).

        Rows of zeros are appended up to a multiple of `ROWS`.
        """
        _, heads, share, n = tensor.shape
        count = len(self._lengths)
        if self._cells is not None:
            grid = tensor.new_zeros(count * self._group, heads, share, n)
            tensor = grid.index_copy_(0, self._cells, tensor)
        wide = self._group * share
        if self._group > 1:
            tensor = tensor.view(count, self._group, heads, share, n).transpose(1, 2)
            tensor = tensor.reshape(count, heads, wide, n)
        return padded_rows(tensor)

    def _from_grid(self, tensor: Tensor, share: int) -> Tensor:
        """Reshape (prompts, heads, completions x share, n) to (rows, heads, share, n)."""
        count, heads, _, n = tensor.shape
        tensor = tensor[:, :, : self._group * share]
        if self._group > 1:
            tensor = tensor.reshape(count, heads, self._group, share, n).transpose(1, 2)
            tensor = tensor.reshape(count * self._group, heads, share, n)
        return tensor if self._cells is None else tensor[self._cells]

    def keep(self, rows: Sequence[int]) -> None:
        """Keep these rows only, in this order, and the prompts that they answer."""
        at = torch.tensor(rows, device=self._device)
        members = [self._members[row] for row in rows]
        remaining = sorted(set(members))
        renamed = {prompt: number for number, prompt in enumerate(remaining)}
        self._members = [renamed[prompt] for prompt in members]
        for keys, values in self._answers:
            # In place, into the first rows; the others are not read again.
            keys[: len(rows), ..., : self._filled] = keys[at, ..., : self._filled]
            values[: len(rows), :, : self._filled] = values[at, :, : self._filled]
        if len(remaining) < len(self._lengths):
            kept = torch.tensor(remaining, device=self._device)
            self._lengths = [self._lengths[prompt] for prompt in remaining]
            longest = padded_tokens(max(self._lengths))
            self._keys = [laid_out_keys(keys[kept, ..., :longest]) for keys in self._keys]
            self._values = [
                _in_blocks(torch.cat([block[kept] for block in values], 2)[:, :, :longest])
                for values in self._values
            ]
            for prefix in self._prefixes:
                prefix.first, prefix.last = (
                    sum(prompt < edge for prompt in remaining)
                    for edge in (prefix.first, prefix.last)
                )
            self._prefixes = [prefix for prefix in self._prefixes if prefix.first < prefix.last]
        self._arrange()


def _in_blocks(values: Tensor) -> list[Tensor]:
    """Cut values (..., tokens, size) into blocks; for oneDNN, each in memory of its own."""
    apart = _is_bf16_on_processor(values.dtype, values.device)
    return [block.contiguous() if apart else block for block in blocks(values)]
