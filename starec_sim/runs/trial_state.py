"""Load the state of a trial after its last committed round, from which a resume starts."""

from __future__ import annotations

import io
import sqlite3
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from starec_sim.runs import codec
from starec_sim.runs.store import Texts
from starec_sim.runs.turns import select_turns
from starec_sim.types import CallKey, Memory, Turn


class TrialState(NamedTuple):
    """The state of a trial at the end of its last committed round."""

    rounds: int
    """Rounds committed."""
    digest: str
    """Digest of all of them."""
    memories: dict[int, Memory]
    """By user, of those who have visited."""
    notes: dict[int, str]
    """What users wrote about items, by item."""
    environment_state: Mapping[str, NDArray[Any]] | None
    """What `Environment.state` returned after the last round; None before the first."""
    labels: Mapping[str, Any] = {}
    """The names of run, arm and seed, for traces."""


def load_state(db: sqlite3.Connection, trial: int) -> TrialState:
    """Return the state of a trial that has begun."""
    last = db.execute(
        "SELECT round, digest FROM rounds WHERE trial = ? ORDER BY round DESC LIMIT 1", (trial,)
    ).fetchone()
    memories = db.execute("SELECT user, memory FROM memories WHERE trial = ?", (trial,))
    texts = Texts(db)
    notes = db.execute("SELECT item, note FROM notes WHERE trial = ?", (trial,))
    states = db.execute("SELECT state FROM worlds WHERE trial = ?", (trial,)).fetchone()
    return TrialState(
        rounds=last[0] + 1 if last else 0,
        digest=last[1] if last else "",
        memories={user: codec.load_memory(memory) for user, memory in memories},
        notes={item: texts[note] for item, note in notes},
        environment_state=load_arrays(states[0]) if states else None,
    )


def turns_after(db: sqlite3.Connection, trial: int, rounds: int) -> dict[CallKey, Turn]:
    """Return the turns of a round that was not committed, by their keys.

    Args:
        db: The record.
        trial: The trial.
        rounds: Rounds committed.
    """
    where = "t.trial = ? AND t.round >= ?"
    return dict(select_turns(db, Texts(db), where, (trial, rounds)))


def dump_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Encode the environment's state."""
    buffer = io.BytesIO()
    np.savez(buffer, **dict(arrays))  # type: ignore[arg-type]
    return zlib.compress(buffer.getvalue(), 1)


def load_arrays(blob: bytes) -> Mapping[str, NDArray[Any]]:
    """Decode what `dump_arrays` wrote."""
    with np.load(io.BytesIO(zlib.decompress(blob)), allow_pickle=False) as arrays:
        return dict(arrays)
