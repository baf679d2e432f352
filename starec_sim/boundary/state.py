"""Checks of the state that an environment or a recommender returns, and its digest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from starec_sim.boundary.values import BrokenContract, as_array, shown, text

State = Mapping[str, NDArray[Any]]


def checked_state(value: Any) -> dict[str, NDArray[Any]]:
    """Return a state as arrays that can be written and read again.

    Args:
        value: What `state` returned.
    """
    if not isinstance(value, Mapping):
        raise BrokenContract(
            f"returned {shown(value)}; it must return a dict of arrays",
            "return {} if there is nothing to restore",
        )
    state = {}
    for name, part in value.items():
        if not text(name, "a name in the state"):
            raise BrokenContract("a name in the state is empty")
        made = as_array(part, f'the state "{name}"')
        if made.dtype.hasobject:
            raise BrokenContract(
                f'the state "{name}" is {shown(part)}, an array of Python objects, which cannot '
                "be read again by a resume",
                "use an array of numbers or texts, e.g. np.array(json.dumps(...))",
            )
        state[name] = made
    return state


def digests(state: State) -> dict[str, str]:
    """Return a digest of each array of a state."""
    return {
        name: hashlib.sha256(
            f"{array.dtype.str} {array.shape}".encode() + np.ascontiguousarray(array).tobytes()
        ).hexdigest()
        for name, array in state.items()
    }


def different(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Return the names of the arrays that differ between two `digests`; empty if none does."""
    names = [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
    return ", ".join(f'"{name}"' for name in names)
