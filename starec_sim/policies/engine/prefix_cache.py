"""Keys and values of a batch in three stretches, each kept once for all rows that share it.

    trunk    what several prompts begin with (the system prompt): once for all of them
    prompt   the rest of one prompt: once for all completions of it
    answer   what a row sampled so far: its own

A step's queries meet each stretch in one product, however many rows share it, and one softmax runs
over all three. Keys lie transposed, which makes the products of a processor twice as fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

KeysValues = list[tuple[Tensor, Tensor]]
"""For each layer, keys (..., key heads, head size, tokens) and values (..., key heads, tokens,
head size)."""

_FIRST_ROOM = 64
"""Tokens of answer to make room for at first; doubled whenever it is full."""


@dataclass(slots=True)
class Trunk:
    """The shared beginning of the prompts `first` to `last` (exclusive)."""

    first: int
    last: int
    kv: KeysValues

    @property
    def length(self) -> int:
        """How many tokens are shared."""
        return self.kv[0][1].shape[1]


class PrefixCache:
    """The cache of one batch, from the first sampled token to the last row's end.

    Inside, rows stand in a grid of prompts and places among a prompt's completions, so that the
    completions of one prompt are neighbours; where a prompt has fewer than another, places are
    empty and what is computed there is never read.

    Args:
        trunks: In the order of the prompts; prompts between them share nothing.
        prompts: What stands behind the trunk, padded to the right with numbers of any size.
        lengths: True tokens of each prompt in `prompts`.
        members: The prompt of each row; rows stand in the order of their prompts.
    """

    def __init__(
        self, trunks: list[Trunk], prompts: KeysValues, lengths: Sequence[int], members: list[int]
    ) -> None:
        values = prompts[0][1]
        self._trunks, self._prompts = trunks, prompts
        self._lengths, self._members = list(lengths), members
        self._heads, self._size = values.shape[1], values.shape[3]
        self._dtype, self._device = values.dtype, values.device
        self._answers: KeysValues = []
        self._room = self._filled = 0
        self._arrange()

    @property
    def rows(self) -> int:
        """How many completions are still under way."""
        return len(self._members)

    def _arrange(self) -> None:
        """Lay out the grid, and note which keys no token stands behind."""
        count = len(self._lengths)
        places: list[int] = []
        for row, prompt in enumerate(self._members):
            again = row > 0 and self._members[row - 1] == prompt
            places.append(places[-1] + 1 if again else 0)
        self._group = max(places) + 1
        at = [p * self._group + place for p, place in zip(self._members, places, strict=True)]
        full = len(at) == count * self._group
        self._places = None if full else torch.tensor(at, device=self._device)

        self._trunk_room = max((trunk.length for trunk in self._trunks), default=0)
        self._read = self._trunk_room + max(self._lengths)
        lengths = torch.tensor(self._lengths, device=self._device)[:, None]
        shared = torch.zeros(count, 1, dtype=torch.long, device=self._device)
        for trunk in self._trunks:
            shared[trunk.first : trunk.last] = trunk.length
        column = torch.arange(self._read, device=self._device)
        nothing = torch.where(
            column < self._trunk_room, column >= shared, column - self._trunk_room >= lengths
        )
        missing = nothing.any(0).nonzero()
        self._mask_from = int(missing[0]) if len(missing) else self._read
        self._mask = nothing[:, None, None, self._mask_from :]

    def advance(self) -> None:
        """Make room for the keys and values of one more token."""
        if self._filled == self._room:
            room = max(_FIRST_ROOM, 2 * self._room)
            grown: KeysValues = []
            for layer in range(len(self._prompts)):
                keys = self._empty(self.rows, self._heads, self._size, room)
                values = self._empty(self.rows, self._heads, room, self._size)
                if self._answers:
                    old_keys, old_values = self._answers[layer]
                    keys[..., : self._filled] = old_keys[: self.rows]
                    values[:, :, : self._filled] = old_values[: self.rows]
                grown.append((keys, values))
            self._answers, self._room = grown, room
        self._filled += 1

    def _empty(self, *shape: int) -> Tensor:
        return torch.empty(shape, dtype=self._dtype, device=self._device)

    def attend(self, layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Add one token a row to a layer, and return what its queries find there.

        Args:
            layer: Which layer.
            queries: Scaled, (rows, key heads, queries a key head, head size).
            keys: (rows, key heads, head size).
            values: (rows, key heads, head size).

        Returns:
            In the shape of the queries.
        """
        rows, heads, share, size = queries.shape
        assert (rows, heads, size) == (self.rows, self._heads, self._size)
        answer_keys, answer_values = (cache[:rows] for cache in self._answers[layer])
        answer_keys[..., self._filled - 1] = keys
        answer_values[:, :, self._filled - 1] = values
        prompt_keys, prompt_values = self._prompts[layer]
        room, read = self._trunk_room, self._read

        asked = self._to_grid(queries)
        count, _, wide, _ = asked.shape
        scores = self._empty(count, heads, wide, read + self._filled)
        for trunk in self._trunks:
            trunk_keys, _ = trunk.kv[layer]
            together = asked[trunk.first : trunk.last].transpose(0, 1).reshape(heads, -1, size)
            found = (together @ trunk_keys).view(heads, -1, wide, trunk.length)
            scores[trunk.first : trunk.last, ..., : trunk.length] = found.transpose(0, 1)
        scores[..., room:read] = asked @ prompt_keys
        scores[..., read:] = self._to_grid(queries @ answer_keys[..., : self._filled])
        if self._mask_from < read:
            # Filled, not added: where no product wrote, anything may stand, NaN included.
            scores[..., self._mask_from : read].masked_fill_(self._mask, float("-inf"))
        shares = scores.softmax(-1)

        found = shares[..., room:read] @ prompt_values
        for trunk in self._trunks:
            _, trunk_values = trunk.kv[layer]
            given = shares[trunk.first : trunk.last, ..., : trunk.length].transpose(0, 1)
            given = given.reshape(heads, -1, trunk.length) @ trunk_values
            found[trunk.first : trunk.last] += given.view(heads, -1, wide, size).transpose(0, 1)
        own = self._from_grid(shares[..., read:], share) @ answer_values[:, :, : self._filled]
        return own.add_(self._from_grid(found, share))

    def _to_grid(self, tensor: Tensor) -> Tensor:
        """(rows, heads, share, n) to (prompts, heads, completions x share, n)."""
        _, heads, share, n = tensor.shape
        count = len(self._lengths)
        if self._places is not None:
            grid = tensor.new_zeros(count * self._group, heads, share, n)
            tensor = grid.index_copy_(0, self._places, tensor)
        if self._group == 1:
            return tensor
        tensor = tensor.view(count, self._group, heads, share, n).transpose(1, 2)
        return tensor.reshape(count, heads, self._group * share, n)

    def _from_grid(self, tensor: Tensor, share: int) -> Tensor:
        """(prompts, heads, completions x share, n) to (rows, heads, share, n)."""
        count, heads, _, n = tensor.shape
        if self._group > 1:
            tensor = tensor.view(count, heads, self._group, share, n).transpose(1, 2)
            tensor = tensor.reshape(count * self._group, heads, share, n)
        return tensor if self._places is None else tensor[self._places]

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows only, in order; drop prompts that no row answers any more."""
        at = torch.tensor(rows, device=self._device)
        members = [self._members[row] for row in rows]
        alive = sorted(set(members))
        renamed = {prompt: place for place, prompt in enumerate(alive)}
        self._members = [renamed[prompt] for prompt in members]
        for keys, values in self._answers:
            # In place, into the first rows: the rest is not looked at again.
            keys[: len(rows), ..., : self._filled] = keys[at, ..., : self._filled]
            values[: len(rows), :, : self._filled] = values[at, :, : self._filled]
        if len(alive) < len(self._lengths):
            kept = torch.tensor(alive, device=self._device)
            self._lengths = [self._lengths[prompt] for prompt in alive]
            longest = max(self._lengths)
            self._prompts = [
                (keys[kept, ..., :longest], values[kept, :, :longest])
                for keys, values in self._prompts
            ]
            for trunk in self._trunks:
                trunk.first, trunk.last = (
                    sum(prompt < edge for prompt in alive) for edge in (trunk.first, trunk.last)
                )
            self._trunks = [trunk for trunk in self._trunks if trunk.first < trunk.last]
        self._arrange()
