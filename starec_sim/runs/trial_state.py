"""Load the state of a trial after its last committed round, from which a resume starts."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any, NamedTuple

from numpy.typing import NDArray

from starec_sim.runs import codec
from starec_sim.runs.compression import load_arrays
from starec_sim.runs.store import Texts
from starec_sim.runs.stored_values import Row, StoredType
from starec_sim.runs.turns import select_turns
from starec_sim.types import CallKey, Memory, Turn

_ROUND = StoredType[tuple[int, str]]("rounds", tuple[Row, str])
_MEMORY = StoredType[tuple[int, str]]("memories", tuple[Row, str])
_NOTE = StoredType[tuple[int, int]]("notes", tuple[Row, int])


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
    round, digest = _ROUND.from_row(last) if last else (-1, "")
    return TrialState(
        rounds=round + 1,
        digest=digest,
        memories={
            user: codec.load_memory(memory) for user, memory in map(_MEMORY.from_row, memories)
        },
        notes={item: texts[note] for item, note in map(_NOTE.from_row, notes)},
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
