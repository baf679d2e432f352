"""Which number format a processor is fastest in: tried once, then known."""

from __future__ import annotations

import time
from functools import cache
from typing import Literal

import torch

Precision = Literal["auto", "fp32", "bf16"]

_WORTH = 1.5
"""How much faster bf16 must be. Far from what processors show (below 1 without the instructions for
it, above 2 with them), so that the same machine always decides the same."""


def choose(precision: Precision, device: torch.device) -> torch.dtype:
    """Return the format of the large products."""
    if precision == "auto":
        return torch.bfloat16 if bf16_gains(device.type) else torch.float32
    return torch.bfloat16 if precision == "bf16" else torch.float32


@cache
def bf16_gains(device: str) -> bool:
    """Whether products in bf16 are worth their lost digits here."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return _seconds(torch.float32) > _WORTH * _seconds(torch.bfloat16)


def _seconds(dtype: torch.dtype) -> float:
    """The best of a few products of the size that reading a prompt has."""
    left, right = torch.ones(512, 512, dtype=dtype), torch.ones(512, 512, dtype=dtype)
    best = float("inf")
    for _ in range(8):
        begun = time.perf_counter()
        torch.nn.functional.linear(left, right)
        best = min(best, time.perf_counter() - begun)
    return best
