"""Sums over the record of a run, for overviews and lists of people.

They read `visit_facts`, one short row for each visit, and never decode a step.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from starec_sim.runs.chunk_sums import round_sums, user_sums
from starec_sim.runs.facts import VisitFacts, with_visit_facts
from starec_sim.runs.queries import FIGURES
from starec_sim.runs.schema import has_chunks
from starec_sim.runs.stored_values import Amount, Count, Row, StoredType

_ROUND = StoredType[tuple[int, ...]](
    "visit_facts", tuple[Row, Row, Count, Count, Count, Count, Count, Count]
)
_PERSON = StoredType[tuple[int, int, int, int, int, int, float, int, int, int | None]](
    "visit_facts",
    tuple[Row, Count, Count, Count, Count, Count, Amount, Count, Count, Row | None],
)
_Sum = Count | None
_CALLS = StoredType[tuple[Any, ...]](
    "turns", tuple[Row, str, str, Count, _Sum, _Sum, Amount, Amount | None, Count, Count]
)
_ERROR = StoredType[tuple[str, str, int, int, int, int, int]](
    "turns", tuple[str, str, Count, Row, Row, Row, Row]
)
_COUNT = StoredType[tuple[int, int]]("steps", tuple[Row, Count])
_LAST = StoredType[tuple[int, int, str]]("rounds", tuple[Row, Row, str])
_MOST_ERRORS = 50


class RoundCounts(NamedTuple):
    """Sums over the visits of one round of a trial."""

    trial: int
    round: int
    steps: int
    shown: int
    chosen: int
    liked: int
    slow: int
    exits: int


class PersonCounts(NamedTuple):
    """Sums over the visits of one user."""

    user: int
    """Her row."""
    visits: int
    steps: int
    chosen: int
    liked: int
    rated: int
    stars: float
    slow: int
    flawed: int
    left_round: int | None
    """The last round, from 0, in which she left before the visit was over."""


class CallSums(NamedTuple):
    """The policy calls of one node and policy in a trial."""

    trial: int
    node: str
    policy: str
    calls: int
    tokens_in: int | None
    tokens_out: int | None
    seconds: float
    cost_usd: float | None
    cache_hits: int
    failed: int


class ErrorCount(NamedTuple):
    """Calls that went wrong for one cause, with the first of them."""

    cause: str
    """As in the ledger; `parsing` for an answer that could not be read."""
    text: str
    calls: int
    trial: int
    round: int
    user: int
    step: int


def round_counts(db: sqlite3.Connection) -> list[RoundCounts]:
    """Return the sums of each round of each trial."""
    if has_chunks(db):
        return _round_counts_of_chunks(db)
    rows = with_visit_facts(db).execute(
        "SELECT trial, round, SUM(steps), SUM(shown), SUM(chosen), SUM(liked), SUM(slow), "
        "SUM(exits) FROM visit_facts "
        "GROUP BY trial, round ORDER BY trial, round"
    )
    return [RoundCounts(*_ROUND.from_row(row)) for row in rows]


def person_counts(db: sqlite3.Connection, trial: int) -> list[PersonCounts]:
    """Return the sums of each user of a trial who has visited, in order of row."""
    if has_chunks(db):
        return _person_counts_of_chunks(db, trial)
    rows = with_visit_facts(db).execute(
        "SELECT user, COUNT(*), SUM(steps), SUM(chosen), SUM(liked), SUM(rated), SUM(stars), "
        "SUM(slow), SUM(flawed), MAX(CASE WHEN exits THEN round END) "
        "FROM visit_facts WHERE trial = ? GROUP BY user ORDER BY user",
        (trial,),
    )
    return [PersonCounts(*_PERSON.from_row(row)) for row in rows]


def _round_counts_of_chunks(db: sqlite3.Connection) -> list[RoundCounts]:
    trials = [int(trial) for (trial,) in db.execute("SELECT trial FROM trials ORDER BY trial")]
    counts = []
    for key, sums in round_sums(db, trials).items():
        facts = VisitFacts(*map(int, sums))
        of_round = (facts.steps, facts.shown, facts.chosen, facts.liked, facts.slow, facts.exits)
        counts.append(RoundCounts(*key, *of_round))
    return counts


def _person_counts_of_chunks(db: sqlite3.Connection, trial: int) -> list[PersonCounts]:
    visits, facts, left_round = user_sums(db, trial)
    counts = []
    for user in np.flatnonzero(visits).tolist():
        stars = float(facts[5, user])
        f = VisitFacts(*map(int, facts[:, user]))
        left = int(left_round[user])
        counts.append(
            PersonCounts(
                *(user, int(visits[user]), f.steps, f.chosen, f.liked, f.rated, stars),
                *(f.slow, f.flawed, None if left < 0 else left),
            )
        )
    return counts


def visit_figures(
    db: sqlite3.Connection, trial: int, users: Sequence[int], metric: str
) -> dict[int, dict[int, float]]:
    """Return a metric of the visits of some users, by user and round."""
    found: dict[int, dict[int, float]] = {user: {} for user in users}
    for user in users:
        rows = db.execute(
            "SELECT v.round, v.figures FROM rounds r CROSS JOIN visits v ON v.trial = r.trial "
            "AND v.round = r.round AND v.user = ? WHERE r.trial = ?",
            (user, trial),
        )
        for round, text in rows:
            value = FIGURES.from_json(text).get(metric)
            if value is not None:
                found[user][round] = value
    return found


def metric_names(db: sqlite3.Connection, trial: int) -> frozenset[str]:
    """Return the names of all metrics of the rounds of a trial."""
    rows = db.execute("SELECT DISTINCT name FROM metrics WHERE trial = ?", (trial,))
    return frozenset(str(name) for (name,) in rows)


def call_sums(db: sqlite3.Connection) -> list[CallSums]:
    """Return the sums of policy calls by trial, node and policy."""
    rows = db.execute(
        "SELECT trial, node, policy, COUNT(*), SUM(tokens_in), SUM(tokens_out), TOTAL(latency_s), "
        "SUM(cost_usd), SUM(source = 'cache'), SUM(failure != '') "
        "FROM turns WHERE trial IN (SELECT trial FROM trials) GROUP BY trial, node, policy"
    )
    return [CallSums(*_CALLS.from_row(row)) for row in rows]


def error_counts(db: sqlite3.Connection) -> list[ErrorCount]:
    """Return the causes for which calls went wrong, the most frequent first."""
    # SQLite takes the other columns from the row with the least round.
    rows = db.execute(
        "SELECT CASE WHEN failure != '' THEN substr(failure, 1, instr(failure, ':') - 1) "
        "ELSE 'parsing' END AS cause, "
        "CASE WHEN failure != '' THEN failure ELSE error END AS text, COUNT(*) AS times, "
        "trial, MIN(round), user, step FROM turns WHERE failure != '' OR error != '' "
        "GROUP BY cause ORDER BY times DESC LIMIT ?",
        (_MOST_ERRORS,),
    )
    return [ErrorCount(*_ERROR.from_row(row)) for row in rows]


def exposures(db: sqlite3.Connection, trial: int, round: int) -> Iterator[tuple[int, int]]:
    """Yield (item, how often it was shown) for the slates of one round."""
    rows = db.execute(
        "SELECT shown.value, COUNT(*) FROM steps, json_each(steps.observation, '$[2]') AS shown "
        "WHERE trial = ? AND round = ? GROUP BY shown.value",
        (trial, round),
    )
    return map(_COUNT.from_row, rows)


def last_digests(db: sqlite3.Connection) -> list[tuple[int, int, str]]:
    """Return (trial, last round, its digest) of each trial with a committed round."""
    rows = db.execute("SELECT trial, MAX(round), digest FROM rounds GROUP BY trial ORDER BY trial")
    return [_LAST.from_row(row) for row in rows]
