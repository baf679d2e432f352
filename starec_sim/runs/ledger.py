"""What the calls of a run cost and what became of them, summed up from its record."""

from __future__ import annotations

import sqlite3
from typing import Any, NamedTuple

from starec_sim.runs.store import text_hash

_PARSING = "parsing"
_EMPTY = "empty"


class LedgerEntry(NamedTuple):
    """The calls of one node and policy."""

    node: str
    policy: str
    calls: int
    """Questions that were asked, whoever answered."""
    cache_hits: int
    replayed: int
    requests: int
    """What was sent to the model: retries count, what came from elsewhere does not."""
    tokens_in: int | None
    tokens_out: int | None
    seconds: float
    """From question to answer, added up over calls that may have been under way together."""
    cost_usd: float | None
    """None where the configuration has no price for the policy."""
    failed: int
    """Calls that came to nothing."""


class CallFailure(NamedTuple):
    """Calls of one policy that failed for one cause."""

    cause: str
    """`endpoint`, `time-out`, `refused`: no answer came. `empty`: an answer without a word.
    `parsing`: an answer that could not be read."""
    policy: str
    turns: int
    example: str
    """What was said of one of them."""


class Ledger(NamedTuple):
    """The books of a run."""

    entries: tuple[LedgerEntry, ...]
    failures: tuple[CallFailure, ...]

    def total(self, column: str) -> float:
        """Return the sum of a column of the entries."""
        return sum(getattr(entry, column) or 0 for entry in self.entries)

    def as_json(self) -> dict[str, Any]:
        """Return the books as JSON values."""
        return {
            "calls": [entry._asdict() for entry in self.entries],
            "failures": [failure._asdict() for failure in self.failures],
        }


def read_ledger(db: sqlite3.Connection) -> Ledger:
    """Return the books of a run, as far as its turns are committed."""
    entries = db.execute(
        "SELECT node, policy, SUM(calls), SUM(cache_hits), SUM(replayed), SUM(requests), "
        "SUM(tokens_in), SUM(tokens_out), SUM(seconds), SUM(cost_usd), SUM(failed) "
        "FROM ledger GROUP BY node, policy ORDER BY node, policy"
    )
    return Ledger(tuple(LedgerEntry(*row) for row in entries), (*_unanswered(db), *_unread(db)))


def _unanswered(db: sqlite3.Connection) -> list[CallFailure]:
    rows = db.execute(
        "SELECT substr(failure, 1, instr(failure, ':') - 1) AS cause, policy, COUNT(*), "
        "MIN(substr(failure, instr(failure, ':') + 2)) "
        "FROM turns WHERE failure != '' GROUP BY cause, policy ORDER BY cause, policy"
    )
    return [CallFailure(*row) for row in rows]


def _unread(db: sqlite3.Connection) -> list[CallFailure]:
    """Return the answers that could not be read; those that a repair mended count as well."""
    rows = db.execute(
        "SELECT CASE WHEN completion = (SELECT id FROM texts WHERE hash = ?) THEN ? ELSE ? END "
        "AS cause, policy, COUNT(*), MIN(error) "
        "FROM turns WHERE failure = '' AND error != '' GROUP BY cause, policy "
        "ORDER BY cause, policy",
        (text_hash(""), _EMPTY, _PARSING),
    )
    return [CallFailure(*row) for row in rows]
