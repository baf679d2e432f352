"""Drawing tokens: each completion from its own random stream, one number for each token."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from starec_sim.policies.engine.protocol import Sampling

_BLOCK = 256
"""How many numbers are drawn in advance for each completion."""
_BIN = 64
"""Tokens in a bin. The weights of bins are summed first: a draw finds the bin, then the token."""


class TokenSampler:
    """Draws one token for each row, step after step.

    A row's token is the inverse of its distribution function at a uniform number. The numbers come
    from a Philox stream keyed by the row's seed, so the other rows of the batch change nothing. One
    number is enough for a token; Gumbel noise takes one for each word of the vocabulary.

    A grammar changes only what it has to: the token is drawn as if there were none, and where it is
    not allowed it is drawn again, by a second number and among the allowed tokens. That is a draw
    from the allowed tokens, scaled to sum to one: each comes with its own probability p the first
    time and with (1 - m) p / m the second time, where m is their sum, which together is p / m.

    Args:
        samplings: How each row is drawn.
        device: Where the logits are.
    """

    def __init__(self, samplings: Sequence[Sampling], device: torch.device) -> None:
        self._streams = [
            np.random.Generator(np.random.Philox(key=one.seed % 2**64)) for one in samplings
        ]
        self._uniforms = torch.empty(len(samplings), 0, dtype=torch.float64)
        self._seeds = [one.seed % 2**64 for one in samplings]
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
        """Keep these rows only."""
        at = torch.tensor(rows, device=self._device)
        self._streams = [self._streams[row] for row in rows]
        self._seeds = [self._seeds[row] for row in rows]
        self._uniforms = self._uniforms[torch.tensor(rows)]
        self._temperature, self._top_p = self._temperature[at], self._top_p[at]
        self._greedy = self._greedy[at]
        self._describe()

    def draw(self, logits: Tensor, allowed: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return a token for each row (rows,) and its log-probability (rows,).

        Args:
            logits: Of the next token (rows, vocabulary).
            allowed: Whether a token may be drawn (rows, vocabulary); None where all may.
        """
        scores = logits.float()
        if not self._plain:
            scores = scores / self._temperature[:, None]
        if self._cut:
            scores = self._nucleus(scores)
        top = scores.amax(-1, keepdim=True)
        bins, below = _cumulated((scores - top).exp_())
        # The same sum, whether other rows are drawn or greedy, so that it is rounded alike.
        norm = below[:, -1].log().add_(top[:, 0])
        if self._all_greedy:
            tokens = scores.argmax(-1)
        else:
            tokens = _inverse(bins, below, self._next_uniforms())
            if self._any_greedy:
                tokens = torch.where(self._greedy, scores.argmax(-1), tokens)
        if allowed is not None:
            free = allowed.all(-1)
            scores, among_allowed = self._redraw(logits, scores, allowed, tokens)
            norm = torch.where(free, norm, among_allowed.double())
        return tokens, (scores.gather(1, tokens[:, None])[:, 0] - norm).float()

    def _redraw(
        self, logits: Tensor, scores: Tensor, allowed: Tensor, tokens: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Replace the tokens that are not allowed, in place.

        Returns:
            The scores among the allowed tokens (rows, vocabulary), and their normalisers (rows,).
        """
        kept = scores.masked_fill(~allowed, float("-inf"))
        norm = kept.logsumexp(-1)
        if self._cut:
            # None of the likeliest tokens is allowed: `top_p` does not count.
            whole = logits.float() / self._temperature[:, None]
            kept = torch.where(
                norm.isneginf()[:, None], whole.masked_fill(~allowed, float("-inf")), kept
            )
            norm = kept.logsumexp(-1)
        out = (~allowed.gather(1, tokens[:, None])[:, 0]).nonzero()[:, 0]
        if len(out):
            some = kept[out]
            weights = (some - some.amax(-1, keepdim=True)).exp_()
            again = _inverse(*_cumulated(weights), self._second(out))
            tokens[out] = torch.where(self._greedy[out], some.argmax(-1), again)
        return kept, norm

    def _second(self, rows: Tensor) -> Tensor:
        """Return a second number for some rows (rows,), from streams of their own."""
        numbers = []
        for row in rows.tolist():
            stream = np.random.Philox(key=self._seeds[row] | 1 << 64, counter=self._steps)
            numbers.append(np.random.Generator(stream).random())
        return torch.tensor(numbers, dtype=torch.float64, device=self._device)

    def _next_uniforms(self) -> Tensor:
        at = self._steps % _BLOCK
        if at == 0:
            block = np.stack([stream.random(_BLOCK) for stream in self._streams])
            self._uniforms = torch.from_numpy(block)
        self._steps += 1
        return self._uniforms[:, at].to(self._device)

    def _nucleus(self, scores: Tensor) -> Tensor:
        """Set the scores of all tokens to -inf but the likeliest ones that reach top-p together."""
        ordered, tokens = scores.sort(-1, descending=True)
        before = ordered.softmax(-1).cumsum(-1) - ordered.softmax(-1)
        top_p = torch.where(self._greedy, 1.0, self._top_p)[:, None]
        out = (before >= top_p) & (top_p < 1)
        return scores.masked_fill(out.scatter(1, tokens, out), float("-inf"))


def _cumulated(weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return weights in bins (rows, bins, tokens), and the sum up to the end of each (rows, bins).

    Args:
        weights: Not negative, (rows, vocabulary).
    """
    count, size = weights.shape
    bins = functional.pad(weights, (0, -size % _BIN)).view(count, -1, _BIN)
    return bins, bins.sum(-1).cumsum(-1, dtype=torch.float64)


def _inverse(bins: Tensor, below: Tensor, uniforms: Tensor) -> Tensor:
    """Return the token at a quantile of each row (rows,).

    Args:
        bins: Weights of the tokens, and their sums: see `_cumulated`.
        below: The same.
        uniforms: The quantiles, at least 0 and below 1 (rows,).
    """
    chosen, share = _search(below, uniforms * below[:, -1])
    inside = bins[torch.arange(len(bins), device=bins.device), chosen].cumsum(
        -1, dtype=torch.float64
    )
    within, _ = _search(inside, share * inside[:, -1])
    return chosen * _BIN + within


def _search(rising: Tensor, aim: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first index where a cumulative sum exceeds a value, and the position within it.

    Rounding can put a value at the very end, where only indices without weight follow. The result
    is then the last index with weight.

    Args:
        rising: Cumulative sums (rows, n).
        aim: The values (rows,).

    Returns:
        The index (rows,), and where the value lies between the sums before and after it, from 0 to
        1 (rows,).
    """
    last = (rising < rising[:, -1:]).sum(-1)
    place = torch.searchsorted(rising, aim[:, None], right=True)[:, 0].minimum(last)
    ends = rising.gather(1, place[:, None])[:, 0]
    starts = rising.gather(1, (place - 1).clamp_(min=0)[:, None])[:, 0]
    starts = torch.where(place > 0, starts, 0.0)
    return place, ((aim - starts) / (ends - starts)).clamp_(0.0, 1.0)
