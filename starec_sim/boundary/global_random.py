"""Whether code drew from the global random generators, or left the folder it runs in."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class GlobalRandom(NamedTuple):
    """The states of the global generators, and the folder that the process runs in."""

    python: Any
    numpy: Any
    torch: bytes | None
    """None if torch is not imported."""
    folder: str


def global_random() -> GlobalRandom:
    """Return the present states of the global generators."""
    state: Any = np.random.get_state(legacy=False)
    key = state["state"]
    torch = sys.modules.get("torch")
    return GlobalRandom(
        random.getstate(),
        (key["pos"], key["key"].tobytes(), state["has_gauss"]),
        None if torch is None else torch.get_rng_state().numpy().tobytes(),
        _folder(),
    )


def changed_generators(before: GlobalRandom) -> list[str]:
    """Return the names of the global generators that have changed since.

    Torch that was imported since is none of them: its generator had no state before.
    """
    now = global_random()
    changed = {
        "random": now.python != before.python,
        "numpy.random": now.numpy != before.numpy,
        "torch": before.torch is not None and now.torch != before.torch,
    }
    return [name for name, is_other in changed.items() if is_other]


def moved_to(before: GlobalRandom) -> str:
    """Return the folder that the process was moved to, and go back; empty if it was not."""
    now = _folder()
    if now == before.folder or not before.folder:
        return ""
    os.chdir(before.folder)
    return now or "a folder that is not there"


def _folder() -> str:
    """Return the folder that the process runs in; empty if it cannot be told."""
    try:
        return str(Path.cwd())
    except Exception:  # it was removed, or `langgraph dev` forbids the call in its event loop
        return ""
