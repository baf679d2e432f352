"""Pickle messages between the processes of one run.

Standard pickling of a frozen dataclass with slots asks for its fields each time, which takes longer
than the rest. Here each object is the tuple of its values.
"""

from __future__ import annotations

import copyreg
import io
import pickle
from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter
from typing import Any

from starec_sim.types import (
    Action,
    Decision,
    Experience,
    Feedback,
    Memory,
    Observation,
    Step,
    Tokens,
    Turn,
    Verdict,
    Visit,
)

_TYPES = (
    *(Action, Decision, Experience, Feedback, Memory, Observation),
    *(Step, Tokens, Turn, Verdict, Visit),
)


def _as_tuple(kind: type[Any]) -> Callable[[Any], tuple[Any, ...]]:
    values = attrgetter(*(each.name for each in fields(kind)))
    return lambda value: (kind, values(value))


_TABLE = copyreg.dispatch_table.copy() | {kind: _as_tuple(kind) for kind in _TYPES}


def dumps(message: object) -> bytes:
    """Return a message as bytes."""
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = _TABLE
    pickler.dump(message)
    return buffer.getvalue()


def loads(data: bytes) -> Any:
    """Return the message in bytes that a process of this run wrote; nobody else's may be given."""
    return pickle.loads(data)
