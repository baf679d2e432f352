"""Keys and values of a batch in three stretches, each kept once for all rows that share it.

    trunk    what several prompts begin with (the system prompt): once for all of them
    prompt   the rest of one prompt: once for all completions of it
    answer   what a row sampled so far: its own

A step's queries meet each stretch in one product, however many rows share it, and one softmax runs
over all three.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

KeysValues = list[tuple[Tensor, Tensor]]
"""Keys and values for each layer, (..., key heads, tokens, head size)."""

_FIRST_ROOM = 64
"""Tokens of answer to make room for at first; doubled whenever it is full."""


@dataclass(slots=True)
class Trunk:
    """The shared beginning of the prompts `first` to `last` (exclusive)."""

    first: int
    last: int
    kv: KeysValues
    """(key heads, tokens, head size) a layer."""

    @property
    def length(self) -> int:
        """How many tokens are shared."""
        return self.kv[0][0].shape[1]


class Cascade:
    """The cache of one batch, from the first sampled token to the last row's end.

    Args:
        trunks: In the order of the prompts; prompts between them share nothing.
        prompts: What stands behind the trunk, padded to the right: (prompts, key heads, tokens,
            head size) a layer.
        lengths: True tokens of each prompt in `prompts`.
        members: The prompt of each row; rows stand in the order of their prompts.
    """

    def __init__(
        self, trunks: list[Trunk], prompts: KeysValues, lengths: Sequence[int], members: list[int]
    ) -> None:
        keys = prompts[0][0]
        self._trunks, self._prompts = trunks, prompts
        self._lengths, self._members = list(lengths), members
        _, self._heads, self._padded, self._size = keys.shape
        self._dtype, self._device = keys.dtype, keys.device
        self._trunk_room = max((trunk.length for trunk in trunks), default=0)
        self._answers: KeysValues = []
        self._room = self._filled = 0
        self._arrange()

    @property
    def rows(self) -> int:
        """How many completions are still under way."""
        return len(self._members)

    def _arrange(self) -> None:
        """Find where each row stands in the grid of (prompt, place among its completions)."""
        places: list[int] = []
        for row, prompt in enumerate(self._members):
            again = row > 0 and self._members[row - 1] == prompt
            places.append(places[-1] + 1 if again else 0)
        self._group = max(places) + 1
        count = self._members[-1] + 1
        grid = [p * self._group + at for p, at in zip(self._members, places, strict=True)]
        full = len(grid) == count * self._group
        self._grid = None if full else torch.tensor(grid, device=self._device)
        starts = [0] * (count + 1)
        for prompt in self._members:
            starts[prompt + 1] += 1
        for prompt in range(count):
            starts[prompt + 1] += starts[prompt]
        self._slices = [(trunk, starts[trunk.first], starts[trunk.last]) for trunk in self._trunks]
        # What no key stands behind: padding, and the room of a longer trunk.
        lengths = torch.tensor(self._lengths, device=self._device)
        padding = torch.arange(self._padded, device=self._device) >= lengths[:, None]
        trunk_lengths = torch.zeros(count, dtype=torch.long, device=self._device)
        for trunk in self._trunks:
            trunk_lengths[trunk.first : trunk.last] = trunk.length
        missing = torch.arange(self._trunk_room, device=self._device) >= trunk_lengths[:, None]
        nothing = torch.cat([missing, padding], 1)
        self._mask = None
        if nothing.any():
            self._mask = nothing[torch.tensor(self._members, device=self._device)][:, None, None]

    def advance(self) -> None:
        """Make room for the keys and values of one more token."""
        if self._filled == self._room:
            room = max(_FIRST_ROOM, 2 * self._room)
            shape = (self.rows, self._heads, room, self._size)
            grown = []
            for layer in range(len(self._prompts)):
                pair = (
                    torch.empty(shape, dtype=self._dtype, device=self._device),
                    torch.empty(shape, dtype=self._dtype, device=self._device),
                )
                if self._answers:
                    for new, old in zip(pair, self._answers[layer], strict=True):
                        new[:, :, : self._filled] = old[: self.rows, :, : self._filled]
                grown.append(pair)
            self._answers, self._room = grown, room
        self._filled += 1

    def attend(self, layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Add one token a row to a layer, and return what its queries find there.

        Args:
            layer: Which layer.
            queries: Scaled, (rows, key heads, queries a key head, head size).
            keys: (rows, key heads, head size).
            values: (rows, key heads, head size).
        """
        rows, heads, share, size = queries.shape
        assert rows == self.rows
        answer_keys, answer_values = (cache[:rows] for cache in self._answers[layer])
        answer_keys[:, :, self._filled - 1] = keys
        answer_values[:, :, self._filled - 1] = values
        trunk, read = self._trunk_room, self._trunk_room + self._padded
        scores = torch.empty(
            rows, heads, share, read + self._filled, dtype=queries.dtype, device=queries.device
        )
        for one, first, last in self._slices:
            asked = queries[first:last].transpose(0, 1).reshape(heads, -1, size)
            found = asked @ one.kv[layer][0].transpose(1, 2)
            found = found.view(heads, last - first, share, one.length).transpose(0, 1)
            scores[first:last, :, :, : one.length] = found
        prompt_keys, prompt_values = self._prompts[layer]
        found = self._to_grid(queries) @ prompt_keys.transpose(2, 3)
        scores[..., trunk:read] = self._from_grid(found)
        scores[..., read:] = queries @ answer_keys[:, :, : self._filled].transpose(2, 3)
        if self._mask is not None:
            # Not added: the room that no product filled holds anything, NaN included.
            scores[..., :read].masked_fill_(self._mask, float("-inf"))
        shares = scores.softmax(-1)
        result = shares[..., read:] @ answer_values[:, :, : self._filled]
        result += self._from_grid(self._to_grid(shares[..., trunk:read]) @ prompt_values)
        for one, first, last in self._slices:
            given = shares[first:last, :, :, : one.length].transpose(0, 1)
            found = given.reshape(heads, -1, one.length) @ one.kv[layer][1]
            result[first:last] += found.view(heads, last - first, share, size).transpose(0, 1)
        return result

    def _to_grid(self, tensor: Tensor) -> Tensor:
        """(rows, heads, share, n) to (prompts, heads, completions x share, n)."""
        _, heads, share, n = tensor.shape
        count = len(self._lengths)
        if self._grid is not None:
            grid = tensor.new_zeros(count * self._group, heads, share, n)
            tensor = grid.index_copy_(0, self._grid, tensor)
        if self._group == 1:
            return tensor
        tensor = tensor.view(count, self._group, heads, share, n).transpose(1, 2)
        return tensor.reshape(count, heads, self._group * share, n)

    def _from_grid(self, tensor: Tensor) -> Tensor:
        """(prompts, heads, completions x share, n) to (rows, heads, share, n)."""
        count, heads, wide, n = tensor.shape
        if self._group > 1:
            tensor = tensor.view(count, heads, self._group, wide // self._group, n)
            tensor = tensor.transpose(1, 2).reshape(count * self._group, heads, -1, n)
        return tensor if self._grid is None else tensor[self._grid]

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows only, in order; drop prompts that no row answers any more."""
        at = torch.tensor(rows, device=self._device)
        members = [self._members[row] for row in rows]
        alive = sorted(set(members))
        renamed = {prompt: place for place, prompt in enumerate(alive)}
        self._members = [renamed[prompt] for prompt in members]
        for pair in self._answers:
            for cache in pair:
                cache[: len(rows), :, : self._filled] = cache[at, :, : self._filled]
        if len(alive) < len(self._lengths):
            kept = torch.tensor(alive, device=self._device)
            self._lengths = [self._lengths[prompt] for prompt in alive]
            self._padded = max(self._lengths)
            self._prompts = [
                (keys[kept, :, : self._padded], values[kept, :, : self._padded])
                for keys, values in self._prompts
            ]
            for trunk in self._trunks:
                trunk.first, trunk.last = (
                    sum(prompt < edge for prompt in alive) for edge in (trunk.first, trunk.last)
                )
            self._trunks = [trunk for trunk in self._trunks if trunk.first < trunk.last]
            self._trunk_room = max((trunk.length for trunk in self._trunks), default=0)
        self._arrange()
