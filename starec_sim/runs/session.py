"""What each process that worked on a run has spent.

The ledger (a view of the turns) says what answers cost. This says what was spent: also on calls
that came to nothing, on retries, and on turns that a crash took before they were committed.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from starec_sim.policies.gateway.budget_guard import Spent
from starec_sim.runs.store import Store


class Session:
    """One process at work on a run."""

    def __init__(self, store: Store) -> None:
        self._store = store
        with store.transaction():
            row = store.db.execute(
                "SELECT TOTAL(calls), TOTAL(tokens), TOTAL(usd), TOTAL(seconds) FROM sessions"
            ).fetchone()
            started = time.strftime("%Y-%m-%dT%H:%M:%S%z")
            begun = store.db.execute("INSERT INTO sessions (started) VALUES (?)", (started,))
        calls, tokens, usd, seconds = row
        self._number = begun.lastrowid
        self.before = Spent(int(calls), int(tokens), usd, seconds)
        """What all processes before this one have spent."""
        self.spent: Callable[[], Spent] = Spent
        """Tells what this one has spent so far."""

    def write(self) -> None:
        """Store what was spent so far (inside a transaction)."""
        now = self.spent()
        self._store.db.execute(
            "UPDATE sessions SET calls = ?, tokens = ?, usd = ?, seconds = ? WHERE session = ?",
            (now.calls, now.tokens, now.usd, now.seconds, self._number),
        )

    def close(self) -> None:
        """Store what was spent in all."""
        with self._store.transaction():
            self.write()
