"""Drawing tokens: every completion from a stream of its own, one number a token."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from starec_sim.policies.engine.protocol import Sampling

_BLOCK = 256
"""Numbers drawn ahead for each completion."""


class Sampler:
    """Draws one token a row, step after step.

    A row's token is the inverse of its distribution function at a uniform number from a Philox
    stream keyed by the row's seed, so that a row draws the same whoever shares the batch. One
    number a token, where Gumbel noise would take one for each word of the vocabulary.
    """

    def __init__(self, samplings: Sequence[Sampling], device: torch.device) -> None:
        self._streams = [
            np.random.Generator(np.random.Philox(key=one.seed % 2**64)) for one in samplings
        ]
        self._uniforms = torch.empty(len(samplings), 0, dtype=torch.float64)
        self._steps = 0
        self._device = device
        self._temperature = torch.tensor(
            [one.temperature or 1.0 for one in samplings], device=device
        )
        self._top_p = torch.tensor([one.top_p for one in samplings], device=device)
        self._greedy = torch.tensor([one.temperature == 0 for one in samplings], device=device)
        self._describe()

    def _describe(self) -> None:
        self._plain = bool((self._temperature == 1).all())
        self._all_greedy, self._any_greedy = bool(self._greedy.all()), bool(self._greedy.any())
        self._cut = bool(((self._top_p < 1) & ~self._greedy).any())

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows only."""
        at = torch.tensor(rows, device=self._device)
        self._streams = [self._streams[row] for row in rows]
        self._uniforms = self._uniforms[torch.tensor(rows)]
        self._temperature, self._top_p = self._temperature[at], self._top_p[at]
        self._greedy = self._greedy[at]
        self._describe()

    def draw(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Return a token for each row (rows,) and its log-probability (rows,).

        Args:
            logits: What the model says of the next token (rows, vocabulary).
        """
        scores = logits.float()
        if not self._plain:
            scores = scores / self._temperature[:, None]
        if self._all_greedy:
            tokens = scores.argmax(-1)
        else:
            if self._cut:
                scores = self._nucleus(scores)
            mass = (scores - scores.amax(-1, keepdim=True)).exp().cumsum(-1, dtype=torch.float64)
            aim = self._next_uniforms()[:, None] * mass[:, -1:]
            tokens = torch.searchsorted(mass, aim, right=True)[:, 0]
            tokens = tokens.clamp_(max=scores.shape[1] - 1)
            if self._any_greedy:
                tokens = torch.where(self._greedy, scores.argmax(-1), tokens)
        chosen = scores.gather(1, tokens[:, None])[:, 0]
        return tokens, chosen - scores.logsumexp(-1)

    def _next_uniforms(self) -> Tensor:
        at = self._steps % _BLOCK
        if at == 0:
            block = np.stack([stream.random(_BLOCK) for stream in self._streams])
            self._uniforms = torch.from_numpy(block)
        self._steps += 1
        return self._uniforms[:, at].to(self._device)

    def _nucleus(self, scores: Tensor) -> Tensor:
        """Rule out all but the likeliest tokens that reach top-p together."""
        ordered, places = scores.sort(-1, descending=True)
        before = ordered.softmax(-1).cumsum(-1) - ordered.softmax(-1)
        top_p = torch.where(self._greedy, 1.0, self._top_p)[:, None]
        out = (before >= top_p) & (top_p < 1)
        return scores.masked_fill(out.scatter(1, places, out), float("-inf"))
