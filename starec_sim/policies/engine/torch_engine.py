"""The engine for models of the Llama family: each prompt is read once, each shared prefix once.

`transformers.generate` reads a prompt again for each completion of it, and its cache grows with
every token. Here equal prompts are read once, prompts with a common prefix share it (the system
prompt is the same for all users; it is kept from batch to batch), and rows leave the batch when
they have ended. `benchmarks/generation.py` measures the gain.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from starec_sim.policies.engine.allowed_tokens import AllowedTokens
from starec_sim.policies.engine.decoder import Decoder
from starec_sim.policies.engine.decoder_weights import read_weights
from starec_sim.policies.engine.out_of_memory import halve_on_out_of_memory
from starec_sim.policies.engine.partial_completion import PartialCompletion
from starec_sim.policies.engine.precision import bf16_is_faster
from starec_sim.policies.engine.prefix_cache import (
    KeysValues,
    PrefixCache,
    SharedPrefix,
    laid_out_keys,
    zero_keys,
)
from starec_sim.policies.engine.protocol import Completion, NobodyWaitsError, Request
from starec_sim.policies.engine.same_in_any_batch import BLOCK, padded_tokens, whole_lanes
from starec_sim.policies.engine.sampling import TokenSampler
from starec_sim.policies.engine.shared_prefixes import (
    SHORTEST_PREFIX,
    Ids,
    prefix_groups,
    shared_length,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_READ_AT_ONCE = 1536
"""Tokens of prompts in one forward pass: large products that still fit the processor's caches."""
_PREFIXES_KEPT = 4
"""How many prefixes are kept from batch to batch."""
_SHRINK_AT = 0.25
"""A batch is made smaller when this share of its rows has ended."""


class TorchEngine:
    """Generates for a Llama, Qwen2 or Qwen3 model with plain torch.

    Args:
        model: The weights to begin with.
        version: The name of the weights.
        dtype: The number format of the large products.
        device: Where to compute; the model may be on another device.
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
        cache = self._dtype
        if cache == torch.bfloat16 and not bf16_is_faster(self._device.type):
            cache = torch.float32
        self._decoder = Decoder(read_weights(model, self._dtype, self._device), cache)
        self._prefixes: OrderedDict[Ids, KeysValues] = OrderedDict()
        """Keys and values by the tokens of the prefix; the last used one is last."""
        self._last_prompt: Ids = ()
        self.window = int(model.config.max_position_embeddings)
        self.version = version

    @torch.inference_mode()
    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        """See `Engine.generate`."""
        return halve_on_out_of_memory(self._generate, requests)

    def _generate(self, requests: Sequence[Request]) -> list[Completion]:
        prompts = sorted({request.prompt for request in requests})
        number = {prompt: at for at, prompt in enumerate(prompts)}
        order = sorted(range(len(requests)), key=lambda at: number[requests[at].prompt])
        members = [number[requests[at].prompt] for at in order]
        logits, cache = self._read(prompts, members, lambda: _check_awaited(requests))
        rows = [PartialCompletion(requests[at]) for at in order]
        self._sample(rows, logits[torch.tensor(members, device=self._device)], cache)
        answers = dict(zip(order, rows, strict=True))
        return [answers[at].completion(self.version) for at in range(len(requests))]

    # Reading prompts

    def _read(
        self, prompts: list[Ids], members: list[int], check: Callable[[], None]
    ) -> tuple[Tensor, PrefixCache]:
        """Read sorted, distinct prompts; return the logits after each, and the cache."""
        prefixes: list[SharedPrefix] = []
        shared = [0] * len(prompts)
        for first, last, common in self._prefix_groups(prompts):
            kv = self._prefix(prompts[first], common, check)
            if kv is not None:
                prefixes.append(SharedPrefix(first, last, kv))
                shared[first:last] = [prefixes[-1].length] * (last - first)
        own = [prompt[skip:] for prompt, skip in zip(prompts, shared, strict=True)]
        # The cache shares whole blocks of a prefix; each prompt has the rest of it for itself.
        rests = [skip % BLOCK for skip in shared]
        lengths = [len(part) + rest for part, rest in zip(own, rests, strict=True)]
        weights, longest = self._decoder.weights, padded_tokens(max(lengths))
        heads, size, dtype = weights.kv_heads, weights.head_size, self._decoder.cache_dtype
        # Zeros: the padding gets no weight in the attention, but has to be a number.
        cache: KeysValues = [
            (
                zero_keys((len(prompts), heads, size, longest), dtype, self._device),
                self._zeros(len(prompts), heads, longest, size),
            )
            for _ in weights.layers
        ]
        logits = torch.empty(len(prompts), len(weights.head), device=self._device)
        prefix_of = {at: prefix for prefix in prefixes for at in range(prefix.first, prefix.last)}
        for chunk in _chunks(own, prefix_of):
            prefix = prefix_of.get(chunk[0])
            length = padded_tokens(max(len(own[at]) for at in chunk))
            filled = [[*own[at], *[0] * (length - len(own[at]))] for at in chunk]
            ends = torch.tensor([len(own[at]) - 1 for at in chunk], device=self._device)
            ids = torch.tensor(filled, device=self._device)
            before = prefix.kv if prefix else None
            chunk_logits, kv = self._decoder.read(ids, ends, before, check)
            at, rest = torch.tensor(chunk, device=self._device), rests[chunk[0]]
            logits[at] = chunk_logits.float()
            for layer, (new_keys, new_values) in enumerate(kv):
                keys, values = cache[layer]
                keys[at, ..., rest : rest + length] = new_keys
                values[at, :, rest : rest + length] = new_values
                if prefix and rest:
                    keys[at, ..., :rest] = prefix.kv[layer][0][..., -rest:]
                    values[at, :, :rest] = prefix.kv[layer][1][:, -rest:]
        whole = [part for part in (each.whole() for each in prefixes) if part.length]
        return logits, PrefixCache(whole, cache, lengths, members)

    def _zeros(self, *shape: int) -> Tensor:
        return torch.zeros(shape, dtype=self._decoder.cache_dtype, device=self._device)

    def _prefix_groups(self, prompts: list[Ids]) -> list[tuple[int, int, int]]:
        """Group prompts by prefix; a single prompt is compared with the one before it."""
        groups = prefix_groups(prompts)
        if len(prompts) == 1:
            shared = min(shared_length(prompts[0], self._last_prompt), len(prompts[0]) - 1)
            groups = [(0, 1, whole_lanes(shared) if shared >= SHORTEST_PREFIX else 0)]
        self._last_prompt = prompts[0]
        return groups

    def _prefix(self, prompt: Ids, shared: int, check: Callable[[], None]) -> KeysValues | None:
        """Return keys and values of a prefix of some prompts, read now or kept from before.

        It may be a little shorter than the common prefix, if such a one is kept. None if there is
        no prefix.

        Args:
            prompt: One of the prompts.
            shared: The length of their common prefix, in tokens.
            check: See `Decoder.read`.
        """
        wanted = prompt[:shared] if shared else prompt[:-1]
        kept = [ids for ids in self._prefixes if wanted[: len(ids)] == ids]
        nearest = max(kept, key=len, default=())
        if len(nearest) < 0.75 * shared:
            nearest = wanted
            ids = torch.tensor([wanted], device=self._device)
            _, kv = self._decoder.read(ids, torch.tensor([0], device=self._device), None, check)
            self._prefixes[wanted] = [(laid_out_keys(k[0]), v[0].contiguous()) for k, v in kv]
            if len(self._prefixes) > _PREFIXES_KEPT:
                self._prefixes.popitem(last=False)
        if not nearest:
            return None
        self._prefixes.move_to_end(nearest)
        return self._prefixes[nearest]

    # Sampling

    def _sample(self, rows: list[PartialCompletion], logits: Tensor, cache: PrefixCache) -> None:
        """Sample all rows to their ends.

        Args:
            rows: In the order of their prompts.
            logits: Of the first token of each row (rows, vocabulary).
            cache: Keys and values of the prompts.
        """
        sampler = TokenSampler([row.request.sampling for row in rows], self._device)
        grammars = AllowedTokens(len(rows), logits.shape[1], self._device)
        positions = torch.tensor([len(row.request.prompt) for row in rows], device=self._device)
        while True:
            tokens, logprobs = sampler.draw(logits, grammars.of(rows))
            for row, token, logprob in zip(rows, tokens.tolist(), logprobs.tolist(), strict=True):
                row.append(token, logprob)
            kept = [at for at, row in enumerate(rows) if row.finish is None]
            if not kept:
                return
            if len(rows) - len(kept) >= _SHRINK_AT * len(rows):
                rows = [rows[at] for at in kept]
                at = torch.tensor(kept, device=self._device)
                tokens, positions = tokens[at], positions[at]
                sampler.keep(kept)
                cache.keep(kept)
            logits = self._decoder.step(tokens, positions, cache)
            # A row that has ended may stay in the batch, at most at the end of the window.
            positions = (positions + 1).clamp_(max=self.window - 1)


def _check_awaited(requests: Sequence[Request]) -> None:
    """Stop reading prompts when nobody waits for an answer, as after Ctrl-C."""
    if not any(each.is_awaited is None or each.is_awaited() for each in requests):
        raise NobodyWaitsError


def _chunks(own: list[Ids], prefix_of: dict[int, SharedPrefix]) -> list[list[int]]:
    """Split prompts into forward passes of one prefix and similar lengths, for little padding."""
    order = sorted(
        range(len(own)),
        key=lambda at: (prefix_of[at].first if at in prefix_of else -1, len(own[at])),
    )
    chunks: list[list[int]] = []
    for at in order:
        last = chunks[-1] if chunks else []
        together = last and prefix_of.get(last[0]) is prefix_of.get(at)
        if together and (len(last) + 1) * len(own[at]) <= _READ_AT_ONCE:
            last.append(at)
        else:
            chunks.append([at])
    return chunks
