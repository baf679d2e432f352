"""Write what users did in a round, as much of it as the run records (`starec_sim.runs.levels`).

The digest of a round is computed from the same texts at every level, whether they are kept or not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from starec_sim.runs import codec
from starec_sim.runs.chunk_views import NOT_RECORDED
from starec_sim.runs.chunks import ChunkWriter, StepColumns
from starec_sim.runs.digests import HashedTurns
from starec_sim.runs.facts import Facts, count_visit, insert_step, insert_visit
from starec_sim.runs.levels import RecordLevel
from starec_sim.runs.store import Store
from starec_sim.types import FloatArray, Step, Visit

Figures = Mapping[str, FloatArray]
"""The metrics of the visits of a round, NaN where a visit has no value."""


class RoundRows(Protocol):
    """Writes the visits of rounds; each method is called inside the transaction of a round."""

    def visit(
        self,
        visit: Visit,
        columns: Sequence[StepColumns],
        turns: Sequence[HashedTurns],
        facts: Sequence[Facts],
    ) -> None:
        """Write a visit. Visits come in ascending order of user.

        Args:
            visit: The visit.
            columns: The texts of each step.
            turns: What is kept of the turns of each step.
            facts: What the environment knows of each step.
        """
        ...

    def finish(self) -> None:
        """Write what is not written yet of the round."""
        ...


def round_rows(
    level: RecordLevel, store: Store, trial: int, round: int, figures: Figures
) -> RoundRows:
    """Return what writes the visits of a round.

    Args:
        level: How much is recorded.
        store: The record.
        trial: The trial.
        round: The round.
        figures: The metrics of its visits, in the order in which they are written.
    """
    if level == "everything":
        return _AllRows(store, trial, round, figures)
    if level == "decisions":
        return _Chunks(store, trial, round, figures)
    return _NoRows(store, trial)


class _AllRows:
    """A row for each visit and each step."""

    def __init__(self, store: Store, trial: int, round: int, figures: Figures) -> None:
        self._store, self._key, self._figures = store, (trial, round), figures
        self._place = 0

    def visit(
        self,
        visit: Visit,
        columns: Sequence[StepColumns],
        turns: Sequence[HashedTurns],
        facts: Sequence[Facts],
    ) -> None:
        db, key = self._store.db, (*self._key, visit.user)
        insert_visit(db, key, visit.steps)
        for number, step in enumerate(visit.steps):
            self._step((*key, number), step, columns[number], turns[number])
            insert_step(db, (*key, number), step, facts[number])
        of_visit = {name: float(each[self._place]) for name, each in self._figures.items()}
        known = {name: value for name, value in of_visit.items() if not np.isnan(value)}
        db.execute("INSERT INTO visits VALUES (?, ?, ?, ?)", (*key, codec.dumps(known)))
        self._place += 1

    def _step(
        self, key: tuple[int, int, int, int], step: Step, columns: StepColumns, turns: HashedTurns
    ) -> None:
        store, trial = self._store, key[0]
        store.db.execute(
            "INSERT INTO steps VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*key, *columns, store.text(step.memory.summary)),
        )
        for node, attempt, error in turns.errors:
            # The turn was committed when it was answered, before the agent parsed it.
            store.db.execute(
                "UPDATE turns SET error = ? WHERE (trial, round, user, step, node, attempt) "
                "= (?, ?, ?, ?, ?, ?)",
                (error, *key, node, attempt),
            )
        insert_notes(store, trial, step)

    def finish(self) -> None:
        """Nothing is left to write."""


class _Chunks:
    """The visits of many users as one row."""

    def __init__(self, store: Store, trial: int, round: int, figures: Figures) -> None:
        self._store, self._trial, self._round, self._figures = store, trial, round, figures
        self._writer = ChunkWriter(store.db, trial)
        self._summary = ("", store.text(""))
        self._begin = self._end = 0
        store.text(NOT_RECORDED)

    def visit(
        self,
        visit: Visit,
        columns: Sequence[StepColumns],
        turns: Sequence[HashedTurns],
        facts: Sequence[Facts],
    ) -> None:
        parts = [(s.observation, s.decision, s.feedback, s.verdict) for s in visit.steps]
        self._writer.add_visit(visit.user, count_visit(parts))
        for step, of_step in zip(visit.steps, columns, strict=True):
            if step.memory.summary != self._summary[0]:
                self._summary = (step.memory.summary, self._store.text(step.memory.summary))
            self._writer.add_step(of_step, self._summary[1], step.turns)
            insert_notes(self._store, self._trial, step)
        self._end += 1
        if self._writer.is_full:
            self.finish()

    def finish(self) -> None:
        """Insert the visits that are in no chunk yet."""
        here = slice(self._begin, self._end)
        self._writer.insert(self._round, {name: each[here] for name, each in self._figures.items()})
        self._begin = self._end


class _NoRows:
    """Nothing of single visits but the notes that others read."""

    def __init__(self, store: Store, trial: int) -> None:
        self._store, self._trial = store, trial

    def visit(
        self,
        visit: Visit,
        columns: Sequence[StepColumns],
        turns: Sequence[HashedTurns],
        facts: Sequence[Facts],
    ) -> None:
        for step in visit.steps:
            insert_notes(self._store, self._trial, step)

    def finish(self) -> None:
        """Nothing is left to write."""


def insert_notes(store: Store, trial: int, step: Step) -> None:
    """Insert what a user wrote about items; of several notes about one item, the last is kept."""
    for item, note in step.notes.items():
        row = (trial, item, store.text(note))
        store.db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?, ?)", row)
