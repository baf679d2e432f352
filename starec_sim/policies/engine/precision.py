"""The number format in which a processor is fastest; measured once in a process."""

from __future__ import annotations

import time
from functools import cache

import torch

from starec_sim.policies.engine.protocol import Precision

_WORTH = 1.5
"""How many times faster bf16 must be. Processors without its instructions measure below 1, those
with them above 2, so that the same machine always chooses the same."""


def choose(precision: Precision, device: torch.device) -> torch.dtype:
    """Return the format of the large products."""
    if precision == "auto":
        return torch.bfloat16 if bf16_is_faster(device.type) else torch.float32
    return torch.bfloat16 if precision == "bf16" else torch.float32


@cache
def bf16_is_faster(device: str) -> bool:
    """Whether products in bf16 are so much faster that their lower precision is worth it."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return _seconds(torch.float32) > _WORTH * _seconds(torch.bfloat16)


def _seconds(dtype: torch.dtype) -> float:
    """Return the shortest time of a few products, of the size that reading a prompt has."""
    left, right = torch.ones(512, 512, dtype=dtype), torch.ones(512, 512, dtype=dtype)
    best = float("inf")
    for _ in range(8):
        begun = time.perf_counter()
        torch.nn.functional.linear(left, right)
        best = min(best, time.perf_counter() - begun)
    return best
