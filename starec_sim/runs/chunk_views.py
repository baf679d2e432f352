"""Give a connection the tables of steps, visits and calls, read from chunks.

The views stand in front of the empty tables of the same names, so that queries need not know how a
run was recorded. They live in the connection and not in the file. A query for one user decompresses
one chunk for each round.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import lru_cache

from starec_sim.runs import codec
from starec_sim.runs.chunks import StepRows, VisitColumns, chunk_column
from starec_sim.runs.facts import VisitFacts
from starec_sim.runs.levels import is_compacted
from starec_sim.runs.schema import LEDGER, has_chunks
from starec_sim.runs.text_hash import text_hash

_CHUNKS_KEPT = 16
"""Chunks that stay decompressed: a few megabytes each."""
NOT_RECORDED = "[not on record: the run was recorded with record: decisions]"
"""Stands in the place of answers."""
COMPACTED = "[not on record: the run was compacted to decisions]"
"""Stands there after a compaction."""

_OF_USER = (
    "FROM main.chunks c CROSS JOIN main.users u "
    "ON u.trial = c.trial AND u.user >= c.first AND u.user <= c.last"
)
# IFNULL for users who did not visit.
_STEPS = (
    "SELECT c.trial, c.round, u.user, s.key AS step, "
    "json_extract(s.value, '$[0]') AS observation, json_extract(s.value, '$[1]') AS decision, "
    "json_extract(s.value, '$[2]') AS feedback, json_extract(s.value, '$[3]') AS slow, "
    "json_extract(s.value, '$[4]') AS reason, json_extract(s.value, '$[5]') AS summary "
    f"{_OF_USER} CROSS JOIN json_each(steps_of(c.chunk, u.user)) s"
)
_TURN_COLUMNS = (
    *("node", "attempt", "policy", "tokens_in", "tokens_out", "latency_s", "error", "failure"),
    *("source", "tries", "cost_usd", "ending"),
)
_TURNS = (
    "SELECT c.trial, c.round, u.user, json_extract(s.value, '$[0]') AS step, "
    + ", ".join(f"json_extract(t.value, '$[{n}]') AS {c}" for n, c in enumerate(_TURN_COLUMNS))
    + ", '[]' AS messages, (SELECT id FROM main.texts WHERE hash = x'{hash}') AS completion "
    + f"{_OF_USER} CROSS JOIN json_each(turns_of(c.chunk, u.user)) s "
    + "CROSS JOIN json_each(s.value, '$[1]') t WHERE c.n_turns > 0"
)
_VISITS = (
    "SELECT c.trial, c.round, u.user, figures_of(c.chunk, u.user) AS figures "
    f"{_OF_USER} WHERE figures_of(c.chunk, u.user) IS NOT NULL"
)
_VISIT_FACTS = (
    "SELECT c.trial, c.round, u.user, "
    + ", ".join(f"json_extract(f.value, '$[{n}]') AS {c}" for n, c in enumerate(VisitFacts._fields))
    + f" {_OF_USER} CROSS JOIN json_each(facts_of(c.chunk, u.user)) f"
)
VIEWS = {
    "steps": _STEPS,
    "turns": _TURNS,
    "visits": _VISITS,
    "visit_facts": _VISIT_FACTS,
}
"""The SELECT of each view by the table in whose place it stands."""


FUNCTIONS = ("steps_of", "turns_of", "figures_of", "facts_of")
"""Names of the functions that the views call."""


def add_views(
    db: sqlite3.Connection, prefix: str = "", source: sqlite3.Connection | None = None
) -> None:
    """Create the views in a connection, if its record keeps steps in chunks.

    Args:
        db: A record whose schema was checked.
        prefix: Stands before the name of each view.
        source: The connection through which the views read chunks; `db` itself when None.
    """
    if not has_chunks(db):
        return
    for name, function in zip(FUNCTIONS, _functions(source or db), strict=True):
        db.create_function(name, 2, function, deterministic=True)
    # The schema of the file is ours, and so are the views: they may call the functions.
    db.execute("PRAGMA trusted_schema = ON")
    missing = COMPACTED if is_compacted(source or db) else NOT_RECORDED
    for name, view in VIEWS.items():
        select = view.replace("{hash}", text_hash(missing).hex())
        db.execute(f"CREATE TEMP VIEW {prefix}{name} AS {select}")
    if not prefix:
        db.execute(f"CREATE TEMP VIEW ledger AS {LEDGER}")


def _functions(db: sqlite3.Connection) -> tuple[Callable[[int, int], str | None], ...]:
    """Return the functions in the order of their names; each takes a chunk and a user's row."""

    @lru_cache(_CHUNKS_KEPT)
    def visits(chunk: int) -> VisitColumns:
        return VisitColumns(chunk_column(db, chunk, "visits"))

    @lru_cache(_CHUNKS_KEPT)
    def steps(chunk: int) -> tuple[StepRows, list[int]]:
        ends = visits(chunk).lengths.cumsum().tolist()
        return StepRows(chunk_column(db, chunk, "steps")), [0, *ends]

    def part(chunk: int, user: int) -> slice | None:
        place = visits(chunk).place(user)
        if place is None:
            return None
        ends = steps(chunk)[1]
        return slice(ends[place], ends[place + 1])

    def steps_of(chunk: int, user: int) -> str | None:
        of_user = part(chunk, user)
        return None if of_user is None else steps(chunk)[0].rows(of_user)

    def turns_of(chunk: int, user: int) -> str | None:
        of_user = part(chunk, user)
        return None if of_user is None else steps(chunk)[0].turns(of_user)

    def figures_of(chunk: int, user: int) -> str | None:
        place = visits(chunk).place(user)
        return None if place is None else codec.dumps(visits(chunk).figures_of(place))

    def facts_of(chunk: int, user: int) -> str | None:
        place = visits(chunk).place(user)
        if place is None:
            return None
        values = visits(chunk).facts[:, place].tolist()
        facts = VisitFacts(*map(int, values))._replace(stars=values[5])
        return codec.dumps([facts])

    return steps_of, turns_of, figures_of, facts_of
