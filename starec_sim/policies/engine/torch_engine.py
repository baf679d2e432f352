"""The engine for models of the Llama family: every prompt read once, every shared beginning once.

`transformers.generate` reads a prompt again for each completion of it and asks a cache that grows
with every token. Here a batch is planned first: equal prompts become groups, prompts that begin
alike share a trunk (the system prompt is the same for all users, and is kept from batch to batch),
and rows leave as they finish. `benchmarks/generation.py` measures what that gains.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from starec_sim.policies.engine.decoder import Decoder
from starec_sim.policies.engine.memory import halving
from starec_sim.policies.engine.prefix_cache import KeysValues, PrefixCache, Trunk
from starec_sim.policies.engine.prefixes import LEAST, Ids, families, shared_length
from starec_sim.policies.engine.protocol import Completion, Request
from starec_sim.policies.engine.rows import Row
from starec_sim.policies.engine.sampling import Sampler
from starec_sim.policies.engine.weights import read_weights

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_READ_AT_ONCE = 1536
"""Tokens of prompts read in one pass: enough for large products, few enough for the caches."""
_TRUNKS_KEPT = 4
_LEAVE_AT = 0.25
"""The share of a batch's rows that have finished when it is made smaller."""


class TorchEngine:
    """Generates for a Llama, Qwen2 or Qwen3 model with plain torch.

    Args:
        model: The weights to begin with.
        version: Their name.
        dtype: The format of the large products.
        device: Where to compute; the model may be elsewhere.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        version: str,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self._dtype, self._device = dtype, torch.device(device)
        self.load(model, version)

    def load(self, model: PreTrainedModel, version: str) -> None:
        """See `Engine.load`."""
        # A processor's attention over one query a row is slower in bf16 than in fp32.
        cache = torch.float32 if self._device.type == "cpu" else self._dtype
        self._decoder = Decoder(read_weights(model, self._dtype, self._device), cache)
        self._trunks: OrderedDict[Ids, KeysValues] = OrderedDict()
        self._before: Ids = ()
        self.window = int(model.config.max_position_embeddings)
        self.version = version

    @torch.inference_mode()
    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        """See `Engine.generate`."""
        return halving(self._generate, requests)

    def _generate(self, requests: Sequence[Request]) -> list[Completion]:
        prompts = sorted({request.prompt for request in requests})
        place = {prompt: at for at, prompt in enumerate(prompts)}
        order = sorted(range(len(requests)), key=lambda at: place[requests[at].prompt])
        members = [place[requests[at].prompt] for at in order]
        logits, cascade = self._read(prompts, members)
        rows = [Row(requests[at]) for at in order]
        self._write(rows, logits[torch.tensor(members, device=self._device)], cascade)
        answers = dict(zip(order, rows, strict=True))
        return [answers[at].completion(self.version) for at in range(len(requests))]

    # Reading

    def _read(self, prompts: list[Ids], members: list[int]) -> tuple[Tensor, PrefixCache]:
        """Read sorted, distinct prompts; return the logits after each, and the cache."""
        trunks: list[Trunk] = []
        shared = [0] * len(prompts)
        for first, last, common in self._families(prompts):
            kv = self._trunk(prompts[first], common)
            if kv is not None:
                trunks.append(Trunk(first, last, kv))
                shared[first:last] = [trunks[-1].length] * (last - first)
        own = [prompt[skip:] for prompt, skip in zip(prompts, shared, strict=True)]
        weights, longest = self._decoder.weights, max(map(len, own))
        heads, size = weights.kv_heads, weights.head_size
        # Zeros, because what stands behind a prompt's end is given no weight, but must be a number.
        cache: KeysValues = [
            (
                self._zeros(len(prompts), heads, size, longest),
                self._zeros(len(prompts), heads, longest, size),
            )
            for _ in weights.layers
        ]
        logits = torch.empty(len(prompts), len(weights.head), device=self._device)
        trunk_of = {at: trunk for trunk in trunks for at in range(trunk.first, trunk.last)}
        for chunk in _chunks(own, trunk_of):
            trunk = trunk_of.get(chunk[0])
            length = max(len(own[at]) for at in chunk)
            padded = [[*own[at], *[0] * (length - len(own[at]))] for at in chunk]
            ends = torch.tensor([len(own[at]) - 1 for at in chunk], device=self._device)
            ids = torch.tensor(padded, device=self._device)
            said, kv = self._decoder.read(ids, ends, trunk.kv if trunk else None)
            at = torch.tensor(chunk, device=self._device)
            logits[at] = said.float()
            for (keys, values), (new_keys, new_values) in zip(cache, kv, strict=True):
                keys[at, ..., :length] = new_keys
                values[at, :, :length] = new_values
        return logits, PrefixCache(trunks, cache, [len(part) for part in own], members)

    def _zeros(self, *shape: int) -> Tensor:
        return torch.zeros(shape, dtype=self._decoder.cache_dtype, device=self._device)

    def _families(self, prompts: list[Ids]) -> list[tuple[int, int, int]]:
        """Find what prompts share; for a single one, what it shares with the one before."""
        found = families(prompts)
        if len(prompts) == 1:
            shared = min(shared_length(prompts[0], self._before), len(prompts[0]) - 1)
            found = [(0, 1, shared if shared >= LEAST else 0)]
        self._before = prompts[0]
        return found

    def _trunk(self, prompt: Ids, shared: int) -> KeysValues | None:
        """Return keys and values of (about) what a family of prompts begins with; None for nothing.

        Args:
            prompt: One of the family.
            shared: How many of its tokens all of them have.
        """
        begins = prompt[:shared] if shared else prompt[:-1]
        known = [ids for ids in self._trunks if begins[: len(ids)] == ids]
        nearest = max(known, key=len, default=())
        if len(nearest) < 0.75 * shared:
            nearest = begins
            ids = torch.tensor([begins], device=self._device)
            _, kv = self._decoder.read(ids, torch.tensor([0], device=self._device), None)
            self._trunks[begins] = [(k[0].contiguous(), v[0].contiguous()) for k, v in kv]
            if len(self._trunks) > _TRUNKS_KEPT:
                self._trunks.popitem(last=False)
        if not nearest:
            return None
        self._trunks.move_to_end(nearest)
        return self._trunks[nearest]

    # Writing

    def _write(self, rows: list[Row], logits: Tensor, cascade: PrefixCache) -> None:
        sampler = Sampler([row.request.sampling for row in rows], self._device)
        places = torch.tensor([len(row.request.prompt) for row in rows], device=self._device)
        while True:
            drawn, said = sampler.draw(logits)
            for row, token, logprob in zip(rows, drawn.tolist(), said.tolist(), strict=True):
                row.take(token, logprob)
            kept = [at for at, row in enumerate(rows) if row.finish is None]
            if not kept:
                return
            if len(rows) - len(kept) >= _LEAVE_AT * len(rows):
                rows = [rows[at] for at in kept]
                at = torch.tensor(kept, device=self._device)
                drawn, places = drawn[at], places[at]
                sampler.keep(kept)
                cascade.keep(kept)
            logits = self._decoder.step(drawn, places, cascade)
            # A row that has finished may wait at the window's end for the others.
            places = (places + 1).clamp_(max=self.window - 1)


def _chunks(own: list[Ids], trunk_of: dict[int, Trunk]) -> list[list[int]]:
    """Split prompts into passes of one trunk and like lengths, so that little is padded."""
    order = sorted(
        range(len(own)), key=lambda at: (trunk_of[at].first if at in trunk_of else -1, len(own[at]))
    )
    chunks: list[list[int]] = []
    for at in order:
        last = chunks[-1] if chunks else []
        together = last and trunk_of.get(last[0]) is trunk_of.get(at)
        if together and (len(last) + 1) * len(own[at]) <= _READ_AT_ONCE:
            last.append(at)
        else:
            chunks.append([at])
    return chunks
