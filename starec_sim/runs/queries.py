"""Queries on the record of a run, for reports, estimates and evaluations.

Each function takes an open connection to `run.sqlite`. All SQL that reads a record is in
`starec_sim.runs`; other packages call these functions or the methods of `Reader`.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from starec_sim.runs import codec
from starec_sim.runs.stored_values import Amount, Count, Number, Row, StoredType, StoredValueError
from starec_sim.types import Decision, Memory

_VISIT = StoredType[tuple[int, int, int, str, str]]("visits", tuple[Row, Row, Row, str, str])
FIGURES = StoredType[dict[str, float]]("visits.figures", dict[str, Number])
_FIGURES_OF_USER = StoredType[tuple[str, str]]("visits", tuple[str, str])
_ALL_FIGURES = StoredType[list[dict[str, float]]]("visits.figures", list[dict[str, Number]])
_METRIC = StoredType[tuple[int, int, str, float | None]](
    "metrics", tuple[Row, Row, str, Number | None]
)
_ROUND_CALLS = StoredType[tuple[Any, ...]](
    "turns", tuple[Count, Count, Amount, Amount, Amount, Amount, Count]
)
_COSTS = StoredType[tuple[Any, ...]](
    "turns", tuple[Count | None, Count | None, Amount | None, Amount | None]
)
_DECISION = StoredType[tuple[int, int, str]]("steps", tuple[Row, Row, str])
_MEMORY = StoredType[tuple[str, str]]("memories", tuple[str, str])
_SUM = StoredType[tuple[int | None, int | None]]("turns", tuple[Count | None, Count | None])


class VisitMetrics(NamedTuple):
    """The metrics of one visit."""

    trial: int
    round: int
    user: int
    """The user's row in the trial."""
    user_id: str
    metrics: Mapping[str, float]


class RoundMetric(NamedTuple):
    """One metric of one round."""

    trial: int
    round: int
    name: str
    value: float | None
    """None where no visit of the round has a value."""


class RoundCalls(NamedTuple):
    """The policy calls of one round of a trial."""

    calls: int = 0
    tokens_in: float = 0.0
    tokens_out: float = 0.0
    usd: float = 0.0
    """Of the calls that have a price."""
    latency_s: float = 0.0
    """Summed over the calls that a model answered."""
    answered_by_model: int = 0
    """Calls that neither a cache nor a recording answered."""


class CallCosts(NamedTuple):
    """Sums over a set of policy calls; None where no call reports a value."""

    tokens_in: int | None
    tokens_out: int | None
    seconds: float | None
    usd: float | None


class CallErrors(NamedTuple):
    """How many policy calls of a trial went wrong."""

    unreadable_slow: int
    """Answers of the slow node that could not be read."""
    failed: int
    """Calls without an answer."""


def visit_metrics(db: sqlite3.Connection, trials: Sequence[int]) -> Iterator[VisitMetrics]:
    """Yield the metrics of all visits of some trials, by trial, round and user."""
    rows = db.execute(
        "SELECT v.trial, v.round, v.user, u.id, v.figures "
        "FROM visits v JOIN users u USING (trial, user) "
        f"WHERE v.trial IN ({_marks(trials)}) ORDER BY v.trial, v.round, v.user",
        trials,
    )
    for trial, round, user, user_id, text in map(_VISIT.from_row, rows):
        yield VisitMetrics(trial, round, user, user_id, FIGURES.from_json(text))


def user_means(
    db: sqlite3.Connection, trials: Sequence[int], rounds: range
) -> dict[str, dict[str, float]]:
    """Return the mean of each metric over the visits of each user, by metric and user's id.

    Args:
        db: The record.
        trials: Their visits are taken together.
        rounds: Rounds, from 0, whose visits count.
    """
    sums: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for trial in trials:
        for round in rounds:
            rows = db.execute(
                "SELECT u.id, v.figures FROM visits v JOIN users u USING (trial, user) "
                "WHERE v.trial = ? AND v.round = ?",
                (trial, round),
            )
            visits = list(map(_FIGURES_OF_USER.from_row, rows))
            # One JSON text for a round is read much faster than one for each visit.
            figures = _ALL_FIGURES.from_json(f"[{','.join(text for _, text in visits)}]")
            if len(figures) != len(visits):
                raise StoredValueError("visits.figures: a text holds more than one value")
            for (user, _), of_visit in zip(visits, figures, strict=True):
                for name, value in of_visit.items():
                    sums[name][user] += value
                    counts[name][user] += 1
    return {
        name: {user: total / counts[name][user] for user, total in of_users.items()}
        for name, of_users in sums.items()
    }


def round_metrics(db: sqlite3.Connection, trials: Sequence[int]) -> Iterator[RoundMetric]:
    """Yield the metrics of all rounds of some trials."""
    rows = db.execute(
        f"SELECT trial, round, name, value FROM metrics WHERE trial IN ({_marks(trials)})", trials
    )
    return (RoundMetric(*_METRIC.from_row(row)) for row in rows)


def calls_by_round(db: sqlite3.Connection, trial: int) -> dict[int, RoundCalls]:
    """Return the sums of a trial's policy calls by round; rounds without calls are left out."""
    rows = db.execute(
        "SELECT round, COUNT(*), TOTAL(tokens_in), TOTAL(tokens_out), TOTAL(cost_usd), "
        "TOTAL(CASE source WHEN 'model' THEN latency_s END), SUM(source = 'model') "
        "FROM turns WHERE trial = ? GROUP BY round",
        (trial,),
    )
    return {round: RoundCalls(*sums) for round, *sums in map(_ROUND_CALLS.from_row, rows)}


def call_costs(db: sqlite3.Connection, trial: int, rounds: range) -> CallCosts:
    """Return the costs of a trial's policy calls in some rounds."""
    sums = db.execute(
        "SELECT SUM(tokens_in), SUM(tokens_out), SUM(latency_s), SUM(cost_usd) FROM turns "
        "WHERE trial = ? AND round >= ? AND round < ?",
        (trial, rounds.start, rounds.stop),
    )
    return CallCosts(*_COSTS.from_row(sums.fetchone()))


def call_errors(db: sqlite3.Connection, trial: int) -> CallErrors:
    """Return how many policy calls of a trial went wrong."""
    unreadable, failed = db.execute(
        "SELECT SUM(node = 'slow' AND error != ''), SUM(failure != '') FROM turns WHERE trial = ?",
        (trial,),
    ).fetchone()
    return CallErrors(unreadable or 0, failed or 0)


def trial_with_round(db: sqlite3.Connection, arm: str, round: int) -> int | None:
    """Return the number of an arm's trial in which a round is committed; None if there is none."""
    row = db.execute(
        "SELECT trial FROM trials JOIN rounds USING (trial) WHERE arm = ? AND round = ?",
        (arm, round),
    ).fetchone()
    return None if row is None else int(row[0])


def decisions(
    db: sqlite3.Connection, trial: int, round: int
) -> Iterator[tuple[int, int, Decision]]:
    """Yield (user's row, step, decision) of all steps of a round."""
    rows = db.execute(
        "SELECT user, step, decision FROM steps WHERE trial = ? AND round = ?", (trial, round)
    )
    return (
        (user, step, codec.load_decision(text))
        for user, step, text in map(_DECISION.from_row, rows)
    )


def memories(db: sqlite3.Connection, trial: int) -> Iterator[tuple[str, Memory]]:
    """Yield (user's id, memory) of all users of a trial who have visited, by user."""
    rows = db.execute(
        "SELECT u.id, m.memory FROM memories m JOIN users u USING (trial, user) "
        "WHERE m.trial = ? ORDER BY m.user",
        (trial,),
    )
    return ((user, codec.load_memory(text)) for user, text in map(_MEMORY.from_row, rows))


def counts(db: sqlite3.Connection) -> dict[str, int]:
    """Return how many rounds, visits, steps, turns, texts and tokens a record holds."""
    rows_of = {
        table: int(db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0])
        for table in ("rounds", "visits", "steps", "turns", "texts")
    }
    tokens = _SUM.from_row(
        db.execute("SELECT SUM(tokens_in), SUM(tokens_out) FROM turns").fetchone()
    )
    return {**rows_of, "tokens_in": tokens[0] or 0, "tokens_out": tokens[1] or 0}


def wall_seconds(db: sqlite3.Connection) -> float:
    """Return the wall time of all processes that worked on the run, in seconds."""
    return float(db.execute("SELECT TOTAL(seconds) FROM sessions").fetchone()[0])


def _marks(values: Sequence[int]) -> str:
    return ",".join("?" * len(values))
