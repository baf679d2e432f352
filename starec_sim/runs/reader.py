"""Read the record of a run: its trials, users, items, steps and turns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from starec_sim.errors import RunError, did_you_mean
from starec_sim.runs import codec
from starec_sim.runs.record_errors import readable_errors
from starec_sim.runs.store import FILE, Texts, read_only
from starec_sim.runs.turns import select_turns
from starec_sim.types import (
    CallKey,
    Decision,
    Feedback,
    Item,
    Observation,
    Turn,
    User,
    Verdict,
)


class RecordedTrial(NamedTuple):
    """One arm with one seed."""

    number: int
    arm: str
    seed: int
    facts: dict[str, object]
    """What `Environment.describe` returned."""
    rounds: int
    """Rounds committed."""


class RecordedStep(NamedTuple):
    """A step as it was recorded."""

    round: int
    step: int
    observation: Observation
    decision: Decision
    feedback: Feedback
    verdict: Verdict
    turns: tuple[Turn, ...]
    summary: str
    """The preference summary after the step."""


@contextmanager
def reading(folder: Path) -> Iterator[Reader]:
    """Open a run's record for reading, and close it at the end.

    Raises:
        RunError: The folder holds no record, or one that cannot be read.
    """
    with closing(Reader(folder)) as reader, readable_errors(reader.path):
        yield reader


class Reader:
    """Reads the record of a run, also while another process writes it.

    Raises:
        RunError: The folder holds no record, or one that cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self.db = read_only(folder)
        try:
            with readable_errors(self.path):
                self._texts = Texts(self.db)
        except BaseException:
            self.db.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    def trials(self) -> list[RecordedTrial]:
        """Return the trials that have begun."""
        rows = self.db.execute(
            "SELECT t.trial, arm, seed, facts, COUNT(r.round) FROM trials t "
            "LEFT JOIN rounds r USING (trial) GROUP BY t.trial ORDER BY t.trial"
        )
        return [
            RecordedTrial(n, arm, seed, json.loads(facts), done)
            for n, arm, seed, facts, done in rows
        ]

    def trial(self, arm: str | None, seed: int | None) -> RecordedTrial:
        """Return the first trial with this arm and seed; None matches any.

        Raises:
            RunError: There is no such trial.
        """
        trials = self.trials()
        fitting = [t for t in trials if arm in (None, t.arm) and seed in (None, t.seed)]
        if fitting:
            return fitting[0]
        if not trials:
            raise RunError("the run has not begun yet", hint="wait until its first trial begins")
        if arm is not None and arm not in {t.arm for t in trials}:
            near = did_you_mean(arm, {t.arm for t in trials})
            raise RunError(f'no arm "{arm}" has begun in this run; {near}', hint="pass --arm NAME")
        seeds = ", ".join(str(t.seed) for t in trials if arm in (None, t.arm))
        raise RunError(
            f"the run has no trial with seed {seed}; its seeds so far: {seeds}",
            hint="pass one of those to --seed",
        )

    def user(self, trial: RecordedTrial, user_id: str) -> tuple[int, User]:
        """Return the row of a user and the user, by the id in the dataset.

        Raises:
            RunError: No user of the trial has that id.
        """
        row = self.db.execute(
            "SELECT user, profile FROM users WHERE trial = ? AND id = ?", (trial.number, user_id)
        ).fetchone()
        if row:
            return row[0], User(user_id, json.loads(row[1]))
        ids = self.db.execute(
            "SELECT id FROM users WHERE trial = ? ORDER BY user LIMIT 8", (trial.number,)
        )
        raise RunError(
            f'no user of this trial has the id "{user_id}"; '
            f"the first are {', '.join(found for (found,) in ids)}",
            hint="pass one of those to --user",
        )

    def users(self, trial: RecordedTrial) -> Iterator[tuple[int, User]]:
        """Yield (row, user) of all users of a trial, in order of row."""
        rows = self.db.execute(
            "SELECT user, id, profile FROM users WHERE trial = ? ORDER BY user", (trial.number,)
        )
        return ((row, User(found, json.loads(profile))) for row, found, profile in rows)

    def rewards(self) -> list[str]:
        """Return the names of all components of rewards, in the order they first occur."""
        rows = self.db.execute(
            "SELECT reward.key FROM steps, json_each(steps.feedback, '$.reward') AS reward "
            "GROUP BY reward.key ORDER BY MIN(steps.trial), MIN(reward.id)"
        )
        return [name for (name,) in rows]

    def catalogue(self, trial: RecordedTrial) -> Iterator[Item]:
        """Yield the items of a trial in order of row."""
        rows = self.db.execute(
            "SELECT id, title, attributes FROM items WHERE trial = ? ORDER BY item",
            (trial.number,),
        )
        return (_item(*row) for row in rows)

    def items(self, trial: RecordedTrial, rows: Sequence[int]) -> dict[int, Item]:
        """Return the items at some rows of the catalogue, by row."""
        items = {}
        for row in set(rows):
            columns = self.db.execute(
                "SELECT id, title, attributes FROM items WHERE trial = ? AND item = ?",
                (trial.number, row),
            ).fetchone()
            items[row] = _item(*columns)
        return items

    def steps(self, trial: RecordedTrial, user: int) -> Iterator[RecordedStep]:
        """Yield the committed steps of a user in order."""
        rows = self.db.execute(
            "SELECT round, step, observation, decision, feedback, slow, reason, summary FROM steps "
            "WHERE trial = ? AND user = ? ORDER BY round, step",
            (trial.number, user),
        )
        for at, step, observation, decision, feedback, slow, reason, summary in rows:
            yield RecordedStep(
                at,
                step,
                codec.load_observation(observation),
                codec.load_decision(decision),
                codec.load_feedback(feedback),
                Verdict(bool(slow), reason),
                self._turns(trial, at, user, step),
                self._texts[summary],
            )

    def round_steps(self, trial: RecordedTrial, round: int) -> dict[int, list[RecordedStep]]:
        """Return the steps of a round by user, in order and without their turns."""
        rows = self.db.execute(
            "SELECT user, step, observation, decision, feedback, slow, reason, summary FROM steps "
            "WHERE trial = ? AND round = ? ORDER BY user, step",
            (trial.number, round),
        )
        steps: dict[int, list[RecordedStep]] = {}
        for user, step, observation, decision, feedback, slow, reason, summary in rows:
            recorded = RecordedStep(
                round,
                step,
                codec.load_observation(observation),
                codec.load_decision(decision),
                codec.load_feedback(feedback),
                Verdict(bool(slow), reason),
                (),
                self._texts[summary],
            )
            steps.setdefault(user, []).append(recorded)
        return steps

    def turns(
        self, trial: RecordedTrial, round: int, user: int | None = None
    ) -> dict[CallKey, Turn]:
        """Return the turns of a round by their keys: all of them, or those of one user."""
        where, values = "t.trial = ? AND t.round = ?", [trial.number, round]
        if user is not None:
            where, values = f"{where} AND t.user = ?", [*values, user]
        return dict(select_turns(self.db, self._texts, where, values))

    def world(self, trial: RecordedTrial) -> str:
        """Return the digest of the environment with which a trial began."""
        row = self.db.execute("SELECT world FROM trials WHERE trial = ?", (trial.number,))
        return str(row.fetchone()[0])

    def _turns(self, trial: RecordedTrial, round: int, user: int, step: int) -> tuple[Turn, ...]:
        where = "(t.trial, t.round, t.user, t.step) = (?, ?, ?, ?)"
        turns = select_turns(self.db, self._texts, where, (trial.number, round, user, step))
        return tuple(turn for _, turn in turns)

    def most_slow_steps(self, trial: RecordedTrial, count: int) -> list[tuple[str, int, int]]:
        """Return (id, steps, slow steps) of the `count` users with the most slow steps."""
        rows = self.db.execute(
            "SELECT u.id, COUNT(*), SUM(s.slow) FROM steps s JOIN users u USING (trial, user) "
            "WHERE s.trial = ? GROUP BY s.user ORDER BY 3 DESC, 2 DESC, s.user LIMIT ?",
            (trial.number, count),
        )
        return [(found, steps, slow) for found, steps, slow in rows]


def _item(item_id: str, title: str, attributes: str) -> Item:
    values = {name: tuple(listed) for name, listed in json.loads(attributes).items()}
    return Item(item_id, title, values)
