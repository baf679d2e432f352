"""Queries on the record of a run, for reports and evaluations.

Each function takes an open connection to `run.sqlite`. All SQL that reads a record is in
`starec_sim.runs`; other packages call these functions or the methods of `Reader`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from itertools import chain
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from starec_sim.runs import codec
from starec_sim.runs.chunk_sums import visit_chunks
from starec_sim.runs.schema import has_chunks
from starec_sim.runs.stored_values import (
    Amount,
    Count,
    Number,
    Row,
    StoredType,
    StoredValueError,
    missing,
)
from starec_sim.types import Decision, FloatArray, IntArray, Memory

N = TypeVar("N", np.float64, np.int64)

_VISIT = StoredType[tuple[int, int, int, str, str]]("visits", tuple[Row, Row, Row, str, str])
FIGURES = StoredType[dict[str, float]]("visits.figures", dict[str, Number])
_FIGURES_OF_USERS = StoredType[list[tuple[int, str]]]("visits", list[tuple[Row, str]])
_ALL_FIGURES = StoredType[list[dict[str, float]]]("visits.figures", list[dict[str, Number]])
_METRIC = StoredType[tuple[int, int, str, float | None]](
    "metrics", tuple[Row, Row, str, Number | None]
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
    if has_chunks(db):
        yield from _visit_metrics_of_chunks(db, trials)
        return
    rows = db.execute(
        "SELECT v.trial, v.round, v.user, u.id, v.figures "
        "FROM visits v JOIN users u USING (trial, user) "
        f"WHERE v.trial IN ({_marks(trials)}) ORDER BY v.trial, v.round, v.user",
        trials,
    )
    for trial, round, user, user_id, text in map(_VISIT.from_row, rows):
        yield VisitMetrics(trial, round, user, user_id, FIGURES.from_json(text))


def _visit_metrics_of_chunks(
    db: sqlite3.Connection, trials: Sequence[int]
) -> Iterator[VisitMetrics]:
    for number in trials:
        rows = db.execute("SELECT id FROM users WHERE trial = ? ORDER BY user", (number,))
        ids = [str(user_id) for (user_id,) in rows]
        for trial, round, visits in visit_chunks(db, [number]):
            if len(visits.users) and visits.users[-1] >= len(ids):
                raise missing(f"the user at row {visits.users[-1]}")
            for user, values in zip(visits.users.tolist(), visits.figures.T.tolist(), strict=True):
                named = zip(visits.names, values, strict=True)
                known = {name: value for name, value in named if value == value}  # not NaN
                yield VisitMetrics(trial, round, user, ids[user], known)


def user_means(
    db: sqlite3.Connection, trials: Sequence[int], rounds: range
) -> dict[str, dict[str, float]]:
    """Return the mean of each metric over the visits of each user, by metric and user's id.

    Args:
        db: The record.
        trials: Their visits are taken together.
        rounds: Rounds, from 0, whose visits count.
    """
    places: dict[str, int] = {}  # of users, in the arrays
    sums: dict[str, FloatArray] = {}
    counts: dict[str, IntArray] = {}
    for trial in trials:
        place_of = {
            user: places.setdefault(user_id, len(places))
            for user, user_id in db.execute("SELECT user, id FROM users WHERE trial = ?", (trial,))
        }
        if has_chunks(db):
            at_row = np.array([place_of[row] for row in sorted(place_of)], np.int64)
            for _, _, of_chunk in visit_chunks(db, [trial], rounds):
                if len(of_chunk.users) and of_chunk.users[-1] >= len(at_row):
                    raise missing(f"the user at row {of_chunk.users[-1]}")
                for name, of_name in zip(of_chunk.names, of_chunk.figures, strict=True):
                    there = ~np.isnan(of_name)
                    _add(sums, counts, name, at_row[of_chunk.users[there]], of_name[there], places)
            continue
        for round in rounds:
            users, figures = _figures_of_round(db, trial, round)
            if unknown := set(users) - place_of.keys():
                raise missing(f"the user at row {min(unknown)}")
            for names, visits in _by_names(figures).items():
                # Each user visits once in a round.
                at = np.array([place_of[users[n]] for n in visits])
                values = chain.from_iterable(figures[n].values() for n in visits)
                for name, of_name in zip(names, _columns(values, len(names)), strict=True):
                    _add(sums, counts, name, at, of_name, places)
    ids = list(places)
    return {
        name: {ids[at]: float(sums[name][at] / count[at]) for at in np.flatnonzero(count)}
        for name, count in counts.items()
    }


def _add(
    sums: dict[str, FloatArray],
    counts: dict[str, IntArray],
    name: str,
    at: IntArray,
    values: FloatArray,
    places: Sized,
) -> None:
    """Add values of a metric at the places of users, each of whom is there once; count them."""
    sums[name] = _with_room(sums.get(name, np.zeros(0)), len(places))
    counts[name] = _with_room(counts.get(name, np.zeros(0, np.int64)), len(places))
    sums[name][at] += values
    counts[name][at] += 1


def _figures_of_round(
    db: sqlite3.Connection, trial: int, round: int
) -> tuple[list[int], list[dict[str, float]]]:
    """Return the rows of those who visit in a round, and the metrics of their visits."""
    rows = db.execute(
        "SELECT user, figures FROM visits WHERE trial = ? AND round = ?",
        (trial, round),
    )
    visits = _FIGURES_OF_USERS.from_row(rows.fetchall())
    # One JSON text for a round is read much faster than one for each visit.
    figures = _ALL_FIGURES.from_json(f"[{','.join(text for _, text in visits)}]")
    if len(figures) != len(visits):
        raise StoredValueError("visits.figures: a text holds more than one value")
    return [user for user, _ in visits], figures


def _columns(values: Iterable[float], width: int) -> FloatArray:
    """Return the columns of a table whose rows follow each other in `values`."""
    return np.fromiter(values, np.float64).reshape(-1, width).T


def _by_names(figures: Sequence[Mapping[str, float]]) -> dict[tuple[str, ...], list[int]]:
    """Return which visits have metrics of the same names."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for n, of_visit in enumerate(figures):
        groups.setdefault(tuple(of_visit), []).append(n)
    return groups


def _with_room(array: NDArray[N], size: int) -> NDArray[N]:
    """Return an array with at least this many entries; new ones are zero."""
    return np.pad(array, (0, max(0, size - len(array))))


def round_metrics(db: sqlite3.Connection, trials: Sequence[int]) -> Iterator[RoundMetric]:
    """Yield the metrics of all rounds of some trials."""
    rows = db.execute(
        f"SELECT trial, round, name, value FROM metrics WHERE trial IN ({_marks(trials)})", trials
    )
    return (RoundMetric(*_METRIC.from_row(row)) for row in rows)


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
        table: int(db.execute(f"SELECT COUNT(*) FROM main.{table}").fetchone()[0])
        for table in ("rounds", "visits", "steps", "turns", "texts")
    }
    if has_chunks(db):
        rows_of |= _counts_of_chunks(db)
    tokens = _SUM.from_row(
        db.execute("SELECT SUM(tokens_in), SUM(tokens_out) FROM turns").fetchone()
    )
    return {**rows_of, "tokens_in": tokens[0] or 0, "tokens_out": tokens[1] or 0}


def _counts_of_chunks(db: sqlite3.Connection) -> dict[str, int]:
    sums = db.execute(
        "SELECT TOTAL(n_visits), TOTAL(n_steps), TOTAL(n_turns) FROM chunks"
    ).fetchone()
    return dict(zip(("visits", "steps", "turns"), map(int, sums), strict=True))


def wall_seconds(db: sqlite3.Connection) -> float:
    """Return the wall time of all processes that worked on the run, in seconds."""
    return float(db.execute("SELECT TOTAL(seconds) FROM sessions").fetchone()[0])


def _marks(values: Sequence[int]) -> str:
    return ",".join("?" * len(values))
