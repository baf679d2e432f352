"""Return the recorded answers of a run, for a replay."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from starec_sim.errors import RunError
from starec_sim.runs.open_record import read_only
from starec_sim.runs.reader import Reader
from starec_sim.runs.record_errors import readable_errors
from starec_sim.runs.schema import FILE
from starec_sim.runs.store import Texts, text_ids
from starec_sim.runs.text_hash import text_hash
from starec_sim.runs.turns import MESSAGES, load_turn, select_rows, select_turns
from starec_sim.types import CallKey, Messages, Turn


class Recording:
    """One trial of a recorded run; implements `starec_sim.policies.gateway.replay.RecordedTurns`.

    Args:
        folder: The recorded run.
        arm: The arm that is replayed.
        seed: Its seed.

    Raises:
        RunError: The run has no such trial, or cannot be read.
    """

    def __init__(self, folder: Path, arm: str, seed: int) -> None:
        self.name = folder.name
        self._path = folder / FILE
        with closing(Reader(folder)) as reader, readable_errors(self._path):
            reader.require("everything", "a replay or a fork")
            trials = {(trial.arm, trial.seed): trial.number for trial in reader.trials()}
        if (arm, seed) not in trials:
            has = ", ".join(f'"{name}" with seed {of}' for name, of in trials) or "none"
            raise RunError(
                f'{folder.name} recorded no arm "{arm}" with seed {seed}; it has {has}',
                hint="replay the experiment that was recorded: starec replay RUN",
            )
        self._trial = trials[arm, seed]
        self._db = read_only(folder)
        self._texts = Texts(self._db)
        self._round = -1
        self._rows: dict[CallKey, tuple[Any, ...]] = {}
        """Rows of the turns of `_round`. One query reads them all, because a replay needs all."""

    def answer(self, key: CallKey, messages: Messages) -> Turn | None:
        """Return the turn that was recorded under a key, if it answers these messages.

        Only hashes are compared, so that recorded prompts need not be decompressed.
        """
        with readable_errors(self._path):
            if key.round != self._round:
                rows = select_rows(
                    self._db, "t.trial = ? AND t.round = ?", (self._trial, key.round)
                )
                self._rows = {CallKey(*row[:5]): row for row in rows}
                self._round = key.round
            row = self._rows.get(key)
            if row is None:
                return None
            asked = [(role, text_hash(text)) for role, text in messages]
            if asked != [(role, self._hash(text)) for role, text in text_ids(row[MESSAGES])]:
                return None
            return load_turn(row, messages, self._texts)

    def nearest(self, key: CallKey) -> tuple[CallKey, Turn] | None:
        """Return the recorded turn of the same user and node with the nearest key, if any."""
        with readable_errors(self._path):
            place = self._db.execute(
                "SELECT round, user, step, node, attempt FROM turns "
                "WHERE (trial, user, node) = (?, ?, ?) "
                "ORDER BY ABS(round - ?), ABS(step - ?), ABS(attempt - ?) LIMIT 1",
                (self._trial, key.user, key.node, *key[:1], *key[2::2]),
            ).fetchone()
        if place is None:
            return None
        where = "(t.trial, t.round, t.user, t.step, t.node, t.attempt) = (?, ?, ?, ?, ?, ?)"
        with readable_errors(self._path):
            return next(select_turns(self._db, self._texts, where, (self._trial, *place)))

    def digest(self, rounds: int) -> str | None:
        """Return the digest of the trial after its first rounds; None if there are fewer."""
        with readable_errors(self._path):
            row = self._db.execute(
                "SELECT digest FROM rounds WHERE (trial, round) = (?, ?)", (self._trial, rounds - 1)
            ).fetchone()
        return str(row[0]) if row else None

    def close(self) -> None:
        """Close the recorded run."""
        self._db.close()

    def _hash(self, text: int) -> bytes | None:
        row = self._db.execute("SELECT hash FROM texts WHERE id = ?", (text,)).fetchone()
        return row[0] if row else None
