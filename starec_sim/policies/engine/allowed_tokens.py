"""Constrained decoding: which tokens each row of a batch may write next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from starec_sim.policies.engine.partial_completion import PartialCompletion


class AllowedTokens:
    """Which tokens each row of a batch may write next.

    Args:
        rows: How many there are at the beginning.
        vocabulary: How many logits a row has.
        device: Where the logits are.
    """

    def __init__(self, rows: int, vocabulary: int, device: torch.device) -> None:
        self._bits = np.empty((rows, -(-vocabulary // 8)), np.uint8)
        self._vocabulary = vocabulary
        self._device = device

    def of(self, rows: Sequence[PartialCompletion]) -> Tensor | None:
        """Return them (rows, vocabulary); None where no row is held to a grammar."""
        held = [(at, row.matcher) for at, row in enumerate(rows) if row.matcher and not row.finish]
        if not held:
            return None
        bits = self._bits[: len(rows)]
        bits.fill(255)
        for at, matcher in held:
            # A model may have more logits than its tokenizer has tokens, or fewer.
            mask = np.frombuffer(matcher.compute_bitmask(), np.uint8)[: bits.shape[1]]
            if mask.any():  # else the grammar has failed, and the answer counts as malformed
                bits[at] = 0
                bits[at, : len(mask)] = mask
        each = np.unpackbits(bits, axis=1, bitorder="little")
        allowed = torch.from_numpy(each[:, : self._vocabulary]).view(torch.bool)
        return allowed.to(self._device)
