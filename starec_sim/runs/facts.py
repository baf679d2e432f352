"""Facts for readers of a run, beside what happened: no digest covers them (decision 47).

`step_facts` holds what an environment knows of a slate and shows to nobody, and what the agent
recalled for its prompt. `visit_facts` holds the counts of each visit, so that lists of 10,000 users
need not decode every step. Records that were made before these tables have neither; `visit_facts`
can be counted again from the steps.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from starec_sim.runs import codec
from starec_sim.runs.schema import FACTS, has_facts
from starec_sim.runs.stored_values import Number, Row, StoredType
from starec_sim.types import Decision, Feedback, Observation, Step, Verdict

_ROW = StoredType[tuple[str | None, str | None, str | None]](
    "step_facts", tuple[str | None, str | None, str | None]
)
_NUMBERS = StoredType[list[float | None]]("step_facts", list[Number | None])
_RECALLED = StoredType[list[tuple[int, float]]]("step_facts.recalled", list[tuple[Row, Number]])
_DIGITS = 5
"""Digits after the point that are kept of a score or rating."""

Facts = Mapping[str, Sequence[float | None]]
"""What `SlateFacts.slate_facts` returns."""
StepParts = tuple[Observation, Decision, Feedback, Verdict]


class VisitFacts(NamedTuple):
    """The counts of one visit."""

    steps: int
    shown: int
    """Places of its slates."""
    chosen: int
    """Items that she chose, see `Decision.chosen`."""
    liked: int
    """Chosen items that turned out to be liked."""
    rated: int
    """Experiences."""
    stars: float
    """Sum of their ratings."""
    slow: int
    """Steps after which the slow node was asked."""
    flawed: int
    """Steps whose answer had a flaw in the end."""
    exits: int
    """1 if the visit ended because she left."""


def count_visit(steps: Sequence[StepParts]) -> VisitFacts:
    """Return the counts of a visit."""
    shown = chosen = liked = rated = slow = flawed = 0
    stars = 0.0
    for observation, decision, feedback, verdict in steps:
        picked = decision.chosen
        shown += len(observation.slate)
        chosen += len(picked)
        for experience in feedback.experiences:
            rated += experience.rating is not None
            stars += experience.rating or 0.0
            liked += experience.liked and experience.item in picked
        slow += verdict.slow
        flawed += decision.malformed
    left = bool(steps) and steps[-1][2].ending == "left"
    return VisitFacts(len(steps), shown, chosen, liked, rated, stars, slow, flawed, int(left))


def create(db: sqlite3.Connection) -> None:
    """Create the tables in a record without them, and count its visits (inside a transaction)."""
    if has_facts(db):
        return
    for statement in FACTS.split(";\n"):
        db.execute(statement)
    _insert_visits(db, _counted(db))


def with_visit_facts(db: sqlite3.Connection) -> sqlite3.Connection:
    """Return a connection that has `visit_facts`: this one, or for an old record one in memory."""
    if has_facts(db):
        return db
    counted = sqlite3.connect(":memory:")
    counted.executescript(FACTS)
    _insert_visits(counted, _counted(db))
    return counted


def insert_visit(db: sqlite3.Connection, key: tuple[int, int, int], steps: Sequence[Step]) -> None:
    """Insert the counts of a visit (inside a transaction)."""
    counts = count_visit([(s.observation, s.decision, s.feedback, s.verdict) for s in steps])
    _insert_visits(db, [(*key, *counts)])


def insert_step(
    db: sqlite3.Connection, key: tuple[int, int, int, int], step: Step, facts: Facts
) -> None:
    """Insert the facts of a step, if there are any (inside a transaction)."""
    if facts or step.recalled:
        recalled = [[each.item, round(each.score, _DIGITS)] for each in step.recalled]
        db.execute(
            "INSERT INTO step_facts VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                *key,
                _numbers(facts, "score"),
                _numbers(facts, "truth"),
                codec.dumps(recalled) if recalled else None,
            ),
        )


def _numbers(facts: Facts, name: str) -> str | None:
    if name not in facts:
        return None
    return codec.dumps([None if n is None else round(n, _DIGITS) for n in facts[name]])


def _insert_visits(db: sqlite3.Connection, rows: Iterable[tuple[Any, ...]]) -> None:
    db.executemany("INSERT INTO visit_facts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)


def _counted(db: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of `visit_facts`, counted from the committed steps."""
    rows = db.execute(
        "SELECT trial, round, user, observation, decision, feedback, slow FROM steps "
        "ORDER BY trial, round, user, step"
    )
    for key, steps in groupby(rows, key=lambda row: row[:3]):
        parts = [
            (
                codec.load_observation(observation),
                codec.load_decision(decision),
                codec.load_feedback(feedback),
                Verdict(bool(slow), ""),
            )
            for *_, observation, decision, feedback, slow in steps
        ]
        yield (*key, *count_visit(parts))


class StepFacts(NamedTuple):
    """What is on record of a step besides what happened."""

    score: Sequence[float | None] = ()
    """Of each place of the slate; empty if the environment does not tell."""
    truth: Sequence[float | None] = ()
    recalled: tuple[tuple[int, float], ...] = ()
    """(item, similarity) of each experience that was recalled, oldest first."""


def step_facts(db: sqlite3.Connection, key: tuple[int, int, int, int]) -> StepFacts:
    """Return the facts of a step; empty ones if none are on record."""
    row = None
    if has_facts(db):
        row = db.execute(
            "SELECT score, truth, recalled FROM step_facts "
            "WHERE (trial, round, user, step) = (?, ?, ?, ?)",
            key,
        ).fetchone()
    if row is None:
        return StepFacts()
    score, truth, recalled = _ROW.from_row(row)
    return StepFacts(
        tuple(_NUMBERS.from_json(score)) if score else (),
        tuple(_NUMBERS.from_json(truth)) if truth else (),
        tuple(_RECALLED.from_json(recalled)) if recalled else (),
    )
