"""Whether code drew from the global random generators, which make results depend on chance."""

from __future__ import annotations

import random
import sys
from typing import Any, NamedTuple

import numpy as np


class GlobalRandom(NamedTuple):
    """The states of the global generators."""

    python: Any
    numpy: Any
    torch: bytes | None
    """None if torch is not imported."""


def global_random() -> GlobalRandom:
    """Return the present states of the global generators."""
    state: Any = np.random.get_state(legacy=False)
    key = state["state"]
    torch = sys.modules.get("torch")
    return GlobalRandom(
        random.getstate(),
        (key["pos"], key["key"].tobytes(), state["has_gauss"]),
        None if torch is None else torch.get_rng_state().numpy().tobytes(),
    )


def who_changed(before: GlobalRandom) -> str:
    """Return the name of a global generator that has changed since; empty if none has."""
    now = global_random()
    if now.python != before.python:
        return "random"
    if now.numpy != before.numpy:
        return "numpy.random"
    if before.torch is not None and now.torch != before.torch:
        return "torch"
    return ""
