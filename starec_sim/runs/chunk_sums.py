"""Sums over the visits of a record that keeps them in chunks: whole arrays instead of rows.

A record of 100,000 users and ten rounds has a million visits. Through the views of `chunk_views`,
each of them takes 20 us; here, a chunk of 512 visits takes 200 us.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from starec_sim.runs.chunks import VisitColumns
from starec_sim.runs.facts import VisitFacts
from starec_sim.runs.stored_values import Row, StoredType, missing

if TYPE_CHECKING:
    from starec_sim.types import FloatArray, IntArray

_KEY = StoredType[tuple[int, int]]("chunks", tuple[Row, Row])
_EXITS = VisitFacts._fields.index("exits")


class RoundChunk(NamedTuple):
    """A chunk with its key."""

    trial: int
    round: int
    visits: VisitColumns


class UserSums(NamedTuple):
    """Sums over the visits of each user of a trial, by row."""

    visits: IntArray
    facts: FloatArray
    """Shape (fields of `VisitFacts`, users)."""
    left_round: IntArray
    """The last round in which she left before the visit was over; -1 for none."""


def visit_chunks(
    db: sqlite3.Connection, trials: Sequence[int], rounds: range | None = None
) -> Iterator[RoundChunk]:
    """Yield the chunks of some trials by trial, round and user.

    Args:
        db: The record.
        trials: Numbers of trials.
        rounds: Rounds, from 0; all when None.
    """
    marks = ",".join("?" * len(trials))
    rows = db.execute(
        f"SELECT trial, round, visits FROM main.chunks WHERE trial IN ({marks}) "
        "ORDER BY trial, round, first",
        trials,
    )
    for trial, round, body in rows:
        _KEY.from_row((trial, round))
        if rounds is None or round in rounds:
            yield RoundChunk(trial, round, VisitColumns(body))


def round_sums(db: sqlite3.Connection, trials: Sequence[int]) -> dict[tuple[int, int], FloatArray]:
    """Return the sums of the fields of `VisitFacts` by trial and round."""
    import numpy as np

    sums: dict[tuple[int, int], FloatArray] = {}
    for trial, round, visits in visit_chunks(db, trials):
        of_chunk: FloatArray = visits.facts.sum(axis=1)
        sums[trial, round] = sums.get((trial, round), np.zeros(len(of_chunk))) + of_chunk
    return sums


def user_sums(db: sqlite3.Connection, trial: int) -> UserSums:
    """Return the sums of the visits of each user of a trial."""
    import numpy as np

    (count,) = db.execute("SELECT COUNT(*) FROM users WHERE trial = ?", (trial,)).fetchone()
    visits = np.zeros(count, np.int64)
    facts = np.zeros((len(VisitFacts._fields), count))
    left = np.full(count, -1, np.int64)
    for _, round, of_chunk in visit_chunks(db, [trial]):
        users = of_chunk.users  # each of them once
        if len(users) and users[-1] >= count:
            raise missing(f"the user at row {users[-1]}")
        visits[users] += 1
        facts[:, users] += of_chunk.facts
        exits = of_chunk.facts[_EXITS] > 0
        left[users[exits]] = np.maximum(left[users[exits]], round)
    return UserSums(visits, facts, left)


def most_slow(db: sqlite3.Connection, trial: int, count: int) -> list[tuple[int, int, int]]:
    """Return (row, steps, slow steps) of the `count` users with the most slow steps."""
    import numpy as np

    sums = VisitFacts(*user_sums(db, trial).facts.astype(np.int64))
    steps, slow = np.asarray(sums.steps), np.asarray(sums.slow)
    order = np.lexsort((np.arange(len(steps)), -steps, -slow))
    return [(int(n), int(steps[n]), int(slow[n])) for n in order[:count] if steps[n]]
