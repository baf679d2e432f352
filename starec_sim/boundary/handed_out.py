"""What a plug-in was given stays as it was: users, items, feedback, logs are read by others too."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

from starec_sim.boundary.values import BrokenContract, plain_value

_LONGEST = 200
"""Characters of what a plug-in printed or changed, in a message."""
_WHOLE = 20
"""Entries of an array that a message can show; of larger ones a digest is compared."""
SAMPLED = 200
"""Users, items and visits that are compared in a run, the first ones; `starec check` compares all
of its small worlds."""


def handed_text(value: Any) -> str:
    """Return a text that is equal as long as a value is not changed."""
    named = value._asdict() if hasattr(value, "_asdict") else value  # a log: names of its columns
    return json.dumps(named, default=_plain_value, skipkeys=True)


def check_unchanged(before: str, value: Any) -> None:
    """Refuse that a value was changed.

    Args:
        before: `handed_text` of it before the call.
        value: The value after the call.
    """
    after = handed_text(value)
    if after != before:
        raise changed(before, after)


def changed(before: str, after: str) -> BrokenContract:
    """Return the error for a value that was changed, from its texts before and after."""
    return BrokenContract(
        f"changed what it was given: {first_difference(before, after)}",
        "copy what you change: list(steps), dict(mapping), array.copy()",
    )


def first_difference(before: str, after: str) -> str:
    """Return two texts from shortly before the place where they part.

    >>> first_difference("a, b, c", "a, b, d")
    'a, b, d; before it was a, b, c'
    """
    before, after = before.replace('\\"', '"'), after.replace('\\"', '"')
    same = next(
        (n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b),
        min(len(before), len(after)),
    )
    start = max(0, same - 40)
    dots = "…" if start else ""
    return (
        f"{shortened(dots + after[start : same + 60])}; before it was "
        f"{shortened(dots + before[start : same + 60])}"
    )


def shortened(text: str) -> str:
    """Return text as a message repeats it."""
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _plain_value(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        if value.size <= _WHOLE or value.dtype.kind == "O":
            return plain_value(value)
        digest = hashlib.blake2b(np.ascontiguousarray(value).data, digest_size=6).hexdigest()
        return f"{value.dtype} {value.shape}, digest {digest}"
    if hasattr(value, "indptr"):  # a csr_matrix: scipy takes a tenth of a second to import
        return {"data": value.data, "indices": value.indices, "indptr": value.indptr}
    return plain_value(value)
