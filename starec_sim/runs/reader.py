"""Read the record of a run: its trials, users, items, steps and turns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

from starec_sim.errors import RunError, did_you_mean
from starec_sim.runs import codec
from starec_sim.runs.chunk_sums import most_slow
from starec_sim.runs.facts import StepFacts, step_facts
from starec_sim.runs.levels import RecordLevel, is_compacted, level_words, read_level, require_level
from starec_sim.runs.open_record import read_only
from starec_sim.runs.record_errors import readable_errors
from starec_sim.runs.schema import FILE
from starec_sim.runs.store import Texts
from starec_sim.runs.stored_values import Count, JsonObject, Row, StoredType, missing
from starec_sim.runs.turns import select_turns
from starec_sim.runs.unknown_users import unknown_user
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

_TRIAL = StoredType[tuple[int, str, int, str, int]]("trials", tuple[Row, str, int, str, Count])
_FACTS = StoredType[dict[str, object]]("trials.facts", JsonObject)
_USER = StoredType[tuple[int, str, str]]("users", tuple[Row, str, str])
_PROFILE = StoredType[dict[str, Any]]("users.profile", dict[str, str | int | float | bool | None])
_ITEM = StoredType[tuple[str, str, str]]("items", tuple[str, str, str])
_STEP = StoredType[tuple[int, int, str, str, str, int, str, int]](
    "steps", tuple[Row, Row, str, str, str, Literal[0, 1], str, int]
)
_SLOW = StoredType[tuple[str, int, int]]("steps", tuple[str, Count, Count])
_PLACE = StoredType[tuple[int, int]]("users", tuple[Row, Row])
_KEY = StoredType[tuple[int, int]]("steps", tuple[Row, Row])
_OUTLINE = StoredType[tuple[int, int, str, str, str, int, str]](
    "steps", tuple[Row, Row, str, str, str, Literal[0, 1], str]
)

_STEPS = "to read the steps of a user"
_COLUMNS = "s.round, s.step, s.observation, s.decision, s.feedback, s.slow, s.reason, s.summary"
# Round by round, because the primary key begins with the trial and the round.
_OF_USER = (
    "FROM rounds r CROSS JOIN steps s ON s.trial = r.trial AND s.round = r.round AND s.user = ? "
    "WHERE r.trial = ? ORDER BY s.round, s.step"
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


class StepOutline(NamedTuple):
    """A step as it was recorded, without its texts."""

    round: int
    step: int
    observation: Observation
    decision: Decision
    feedback: Feedback
    verdict: Verdict


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
                self.level: RecordLevel = read_level(self.db)
                """How much the run keeps of what happened."""
                self.compacted = is_compacted(self.db)
                """Whether it was recorded with more, and compacted."""
                self._texts = Texts(self.db)
        except BaseException:
            self.db.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    @property
    def level_words(self) -> str:
        """How the run came to its level, e.g. `record: decisions` or `compacted to decisions`."""
        return level_words(self.level, self.compacted)

    def require(self, needed: RecordLevel, what: str) -> None:
        """Raise an error unless enough is recorded for something, e.g. for `starec why`."""
        require_level(self.db, self.path.parent, needed, what)

    def trials(self) -> list[RecordedTrial]:
        """Return the trials that have begun."""
        rows = self.db.execute(
            "SELECT t.trial, arm, seed, facts, COUNT(r.round) FROM trials t "
            "LEFT JOIN rounds r USING (trial) GROUP BY t.trial ORDER BY t.trial"
        )
        return [
            RecordedTrial(n, arm, seed, _FACTS.from_json(facts), done)
            for n, arm, seed, facts, done in map(_TRIAL.from_row, rows)
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
        raise _no_trial(trials, arm, seed)

    def user(self, trial: RecordedTrial, user_id: str) -> tuple[int, User]:
        """Return the row of a user and the user, by the id in the dataset.

        Raises:
            RunError: No user of the trial has that id.
        """
        row = self.db.execute(
            "SELECT user, id, profile FROM users WHERE trial = ? AND id = ?",
            (trial.number, user_id),
        ).fetchone()
        if row:
            return _user(row)
        raise unknown_user(self.db, self.path.parent, trial.number, trial.arm, user_id)

    def users(self, trial: RecordedTrial) -> Iterator[tuple[int, User]]:
        """Yield (row, user) of all users of a trial, in order of row."""
        rows = self.db.execute(
            "SELECT user, id, profile FROM users WHERE trial = ? ORDER BY user", (trial.number,)
        )
        return map(_user, rows)

    def count_users(self, trial: RecordedTrial) -> int:
        """Return how many users a trial has."""
        return self._count("users", trial)

    def count_items(self, trial: RecordedTrial) -> int:
        """Return how many items the catalogue of a trial has."""
        return self._count("items", trial)

    def _count(self, table: str, trial: RecordedTrial) -> int:
        (found,) = self.db.execute(
            f"SELECT COUNT(*) FROM {table} WHERE trial = ?", (trial.number,)
        ).fetchone()
        return int(found)

    def user_at(self, trial: RecordedTrial, row: int) -> str:
        """Return the id of the user at a row of a trial."""
        found = self.db.execute(
            "SELECT id FROM users WHERE trial = ? AND user = ?", (trial.number, row)
        ).fetchone()
        if found is None:
            raise missing(f"the user at row {row}")
        return str(found[0])

    def rows_of_user(self, user_id: str) -> dict[int, int]:
        """Return the row of a user in each trial that has her, by the number of the trial."""
        rows = self.db.execute("SELECT trial, user FROM users WHERE id = ?", (user_id,))
        return dict(map(_PLACE.from_row, rows))

    def rewards(self) -> list[str]:
        """Return the names of all components of rewards, in the order they first occur."""
        rows = self.db.execute(
            "SELECT reward.key FROM steps, json_each(steps.feedback, '$.reward') AS reward "
            "GROUP BY reward.key ORDER BY MIN(steps.trial), MIN(reward.id)"
        )
        return [str(name) for (name,) in rows]

    def catalogue(self, trial: RecordedTrial) -> Iterator[Item]:
        """Yield the items of a trial in order of row."""
        rows = self.db.execute(
            "SELECT id, title, attributes FROM items WHERE trial = ? ORDER BY item",
            (trial.number,),
        )
        return map(_item, rows)

    def items(self, trial: RecordedTrial, rows: Sequence[int]) -> dict[int, Item]:
        """Return the items at some rows of the catalogue, by row."""
        items = {}
        for row in set(rows):
            columns = self.db.execute(
                "SELECT id, title, attributes FROM items WHERE trial = ? AND item = ?",
                (trial.number, row),
            ).fetchone()
            if columns is None:
                raise missing(f"items {row} of trial {trial.number}")
            items[row] = _item(columns)
        return items

    def steps(self, trial: RecordedTrial, user: int) -> Iterator[RecordedStep]:
        """Yield the committed steps of a user in order."""
        self.require("decisions", _STEPS)
        rows = self.db.execute(f"SELECT {_COLUMNS} {_OF_USER}", (user, trial.number))
        return (self._step(trial, user, row) for row in rows)

    def step_keys(self, trial: RecordedTrial, user: int) -> list[tuple[int, int]]:
        """Return (round, step), from 0, of the committed steps of a user in order."""
        self.require("decisions", _STEPS)
        rows = self.db.execute(f"SELECT s.round, s.step {_OF_USER}", (user, trial.number))
        return [_KEY.from_row(row) for row in rows]

    def step(self, trial: RecordedTrial, user: int, round: int, step: int) -> RecordedStep:
        """Return one step, whose key is one of `step_keys`."""
        key = (trial.number, round, user, step)
        row = self.db.execute(
            f"SELECT {_COLUMNS} FROM steps s WHERE (trial, round, user, step) = (?, ?, ?, ?)", key
        ).fetchone()
        return self._step(trial, user, row)

    def outlines(self, trial: RecordedTrial, user: int) -> Iterator[StepOutline]:
        """Yield the committed steps of a user in order, without their texts."""
        self.require("decisions", _STEPS)
        rows = self.db.execute(
            "SELECT s.round, s.step, s.observation, s.decision, s.feedback, s.slow, s.reason "
            f"{_OF_USER}",
            (user, trial.number),
        )
        for at, step, observation, decision, feedback, slow, reason in map(_OUTLINE.from_row, rows):
            yield StepOutline(
                at,
                step,
                codec.load_observation(observation),
                codec.load_decision(decision),
                codec.load_feedback(feedback),
                Verdict(bool(slow), reason),
            )

    def summary(self, trial: RecordedTrial, user: int, round: int, step: int) -> str:
        """Return the preference summary after a step, whose key is one of `step_keys`."""
        (text,) = self.db.execute(
            "SELECT summary FROM steps WHERE (trial, round, user, step) = (?, ?, ?, ?)",
            (trial.number, round, user, step),
        ).fetchone()
        return self._texts[text]

    def facts(self, trial: RecordedTrial, user: int, round: int, step: int) -> StepFacts:
        """Return what is on record of a step besides what happened."""
        return step_facts(self.db, (trial.number, round, user, step))

    def _step(self, trial: RecordedTrial, user: int, row: tuple[Any, ...]) -> RecordedStep:
        step = self._without_turns(row)
        return step._replace(turns=self.turns(trial, step.round, user, step.step))

    def _without_turns(self, row: tuple[Any, ...]) -> RecordedStep:
        at, step, observation, decision, feedback, slow, reason, summary = _STEP.from_row(row)
        return RecordedStep(
            at,
            step,
            codec.load_observation(observation),
            codec.load_decision(decision),
            codec.load_feedback(feedback),
            Verdict(bool(slow), reason),
            (),
            self._texts[summary],
        )

    def round_steps(self, trial: RecordedTrial, round: int) -> dict[int, list[RecordedStep]]:
        """Return the steps of a round by user, in order and without their turns."""
        self.require("decisions", _STEPS)
        rows = self.db.execute(
            "SELECT user, round, step, observation, decision, feedback, slow, reason, summary "
            "FROM steps WHERE trial = ? AND round = ? ORDER BY user, step",
            (trial.number, round),
        )
        steps: dict[int, list[RecordedStep]] = {}
        for user, *row in rows:
            steps.setdefault(user, []).append(self._without_turns(tuple(row)))
        return steps

    def round_turns(
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

    def turns(self, trial: RecordedTrial, round: int, user: int, step: int) -> tuple[Turn, ...]:
        """Return the policy calls of a step."""
        where = "(t.trial, t.round, t.user, t.step) = (?, ?, ?, ?)"
        turns = select_turns(self.db, self._texts, where, (trial.number, round, user, step))
        return tuple(turn for _, turn in turns)

    def most_slow_steps(self, trial: RecordedTrial, count: int) -> list[tuple[str, int, int]]:
        """Return (id, steps, slow steps) of the `count` users with the most slow steps."""
        if self.level == "decisions":
            slowest = most_slow(self.db, trial.number, count)
            return [(self.user_at(trial, user), steps, slow) for user, steps, slow in slowest]
        rows = self.db.execute(
            "SELECT u.id, COUNT(*), SUM(s.slow) FROM steps s JOIN users u USING (trial, user) "
            "WHERE s.trial = ? GROUP BY s.user ORDER BY 3 DESC, 2 DESC, s.user LIMIT ?",
            (trial.number, count),
        )
        return [_SLOW.from_row(row) for row in rows]


def _no_trial(trials: Sequence[RecordedTrial], arm: str | None, seed: int | None) -> RunError:
    """Return the error of an arm and a seed that no trial has."""
    if not trials:
        return RunError("the run has not begun yet", hint="wait until its first trial begins")
    if arm is not None and arm not in {t.arm for t in trials}:
        near = did_you_mean(arm, {t.arm for t in trials})
        return RunError(
            f'no arm "{arm}" has begun in this run; {near}',
            hint="name one of those, on the command line with --arm NAME",
        )
    seeds = ", ".join(str(t.seed) for t in trials if arm in (None, t.arm))
    return RunError(
        f"the run has no trial with seed {seed}; its seeds so far: {seeds}",
        hint="pass one of those to --seed",
    )


def trials_of(reader: Reader, arm: str | None, seed: int | None = None) -> list[RecordedTrial]:
    """Return the trials of an arm and a seed; None matches any.

    Raises:
        RunError: There are none.
    """
    reader.trial(arm, seed)
    return [t for t in reader.trials() if arm in (None, t.arm) and seed in (None, t.seed)]


def _user(row: tuple[Any, ...]) -> tuple[int, User]:
    number, user_id, profile = _USER.from_row(row)
    return number, User(user_id, _PROFILE.from_json(profile))


def _item(row: tuple[Any, ...]) -> Item:
    item_id, title, attributes = _ITEM.from_row(row)
    return codec.load_item(item_id, title, attributes)
