"""Store what each process that works on a run spends.

The cost ledger (a view of the turns) counts answers that are committed. A session also counts calls
without an answer, retries, and turns that were lost in a crash before they were committed.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from starec_sim.policies.gateway.budget_guard import Spent
from starec_sim.runs.record_errors import readable_errors
from starec_sim.runs.store import Store
from starec_sim.runs.stored_values import Amount, StoredType

_SPENT = StoredType[tuple[float, float, float, float]](
    "sessions", tuple[Amount, Amount, Amount, Amount]
)


def spent_in(db: sqlite3.Connection, path: Path) -> Spent:
    """Return what all processes that worked on a run have spent, by its record.

    Raises:
        RunError: The record at this path is damaged.
    """
    row = db.execute(
        "SELECT TOTAL(calls), TOTAL(tokens), TOTAL(usd), TOTAL(seconds) FROM sessions"
    ).fetchone()
    with readable_errors(path):
        calls, tokens, usd, seconds = _SPENT.from_row(row)
    return Spent(int(calls), int(tokens), usd, seconds)


class Session:
    """One process that works on a run.

    Args:
        store: The record of the run; gets a row for this session.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        with store.transaction():
            before = spent_in(store.db, store.path)
            started = time.strftime("%Y-%m-%dT%H:%M:%S%z")
            inserted = store.db.execute("INSERT INTO sessions (started) VALUES (?)", (started,))
        self._number = inserted.lastrowid
        self.spent_before = before
        """What all earlier processes have spent."""
        self.spent: Callable[[], Spent] = Spent
        """Returns what this process has spent so far."""

    def write(self) -> None:
        """Store what was spent so far (inside a transaction)."""
        now = self.spent()
        self._store.db.execute(
            "UPDATE sessions SET calls = ?, tokens = ?, usd = ?, seconds = ? WHERE session = ?",
            (now.calls, now.tokens, now.usd, now.seconds, self._number),
        )

    def close(self) -> None:
        """Store what this process has spent, in a transaction of its own."""
        with self._store.transaction():
            self.write()
