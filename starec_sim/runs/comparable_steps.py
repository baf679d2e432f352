"""Read steps so that those of two records can be compared: texts as hashes, users as ids."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from starec_sim.runs import codec
from starec_sim.runs.attempts import BRANCH
from starec_sim.runs.reader import Reader, RecordedTrial
from starec_sim.runs.store import Texts, text_ids
from starec_sim.runs.stored_values import Row, StoredType, missing
from starec_sim.types import Decision, Feedback, Observation

_TURN = StoredType[tuple[int, int, str, int, str, int]](
    "turns", tuple[Row, Row, str, Row, str, int]
)
_STEP = StoredType[tuple[int, int, str, str, str, int, str, int]](
    "steps", tuple[Row, Row, str, str, str, int, str, int]
)

_ID = StoredType[tuple[str]]("id", tuple[str])
_DIGEST = StoredType[tuple[str]]("digest", tuple[str])
_HASH = StoredType[tuple[bytes]]("texts.hash", tuple[bytes])

Hash = bytes
StepKey = tuple[str, int]
"""The user's id, and the step within the visit from 0."""


class ComparableTurn(NamedTuple):
    """One call of a policy."""

    node: str
    attempt: int
    prompt: tuple[tuple[str, Hash], ...]
    """Pairs of role and text."""
    answer: Hash


class StoredStep(NamedTuple):
    """One step as it is stored: observation, decision and feedback are JSON texts."""

    observation: str
    turns: tuple[ComparableTurn, ...]
    decision: str
    feedback: str
    gate: tuple[bool, str]
    summary: Hash


class ComparableStep(NamedTuple):
    """One step. Two of them are equal if everything in them was decided alike."""

    observation: Observation
    turns: tuple[ComparableTurn, ...]
    decision: Decision
    feedback: Feedback
    gate: tuple[bool, str]
    summary: Hash


class RecordedWorld(NamedTuple):
    """Whom and what a trial is about."""

    digest: str
    users: list[str]
    """Ids by row."""
    items: list[str]
    """Ids by row."""


def read_world(reader: Reader, trial: RecordedTrial) -> RecordedWorld:
    """Return users and items of a trial."""
    found = reader.db.execute("SELECT world FROM trials WHERE trial = ?", (trial.number,))
    (digest,) = _DIGEST.from_row(found.fetchone())
    ids = [
        [
            _ID.from_row(found)[0]
            for found in reader.db.execute(
                f"SELECT id FROM {table} WHERE trial = ? ORDER BY {row}", (trial.number,)
            )
        ]
        for table, row in (("users", "user"), ("items", "item"))
    ]
    return RecordedWorld(digest, *ids)


def round_digests(reader: Reader, trial: RecordedTrial) -> list[str]:
    """Return the digest of a trial after each of its committed rounds."""
    rows = reader.db.execute(
        "SELECT digest FROM rounds WHERE trial = ? ORDER BY round", (trial.number,)
    )
    return [_DIGEST.from_row(row)[0] for row in rows]


class ComparableSteps:
    """Reads the steps of one trial.

    Args:
        reader: The record.
        trial: The trial.
        users: Ids of the users by row.
        renumber: The rows of items in the other trial, by row; None where they are the same.
        with_turns: Whether prompts and answers are compared: both records keep them.
    """

    def __init__(
        self,
        reader: Reader,
        trial: RecordedTrial,
        users: list[str],
        renumber: Sequence[int] | None = None,
        *,
        with_turns: bool = True,
    ) -> None:
        self._with_turns = with_turns
        self._db = reader.db
        self._texts = Texts(reader.db)
        self._trial = trial.number
        self._users = users
        self._renumber = renumber
        self._hash = lru_cache(maxsize=100_000)(self._read_hash)

    def text(self, hash: Hash) -> str:
        """Return a text of this record."""
        (text,) = self._db.execute("SELECT id FROM texts WHERE hash = ?", (hash,)).fetchone()
        return self._texts[text]

    def round(self, round: int, user: int | None = None) -> dict[StepKey, StoredStep]:
        """Return the steps of a round, of all users or of one, in order.

        Args:
            round: From 0.
            user: The row of the user.
        """
        where, values = "trial = ? AND round = ?", [self._trial, round]
        if user is not None:
            where, values = f"{where} AND user = ?", [*values, user]
        turns = self._turns(where, values) if self._with_turns else {}
        rows = self._db.execute(
            "SELECT user, step, observation, decision, feedback, slow, reason, summary FROM steps "
            f"WHERE {where} ORDER BY user, step",
            values,
        )
        return {
            (self._user(row), step): StoredStep(
                shown,
                tuple(turns.get((row, step), ())),
                decision,
                feedback,
                (bool(slow), reason),
                self._hash(text),
            )
            for row, step, shown, decision, feedback, slow, reason, text in map(
                _STEP.from_row, rows
            )
        }

    def _user(self, row: int) -> str:
        if row >= len(self._users):
            raise missing(f"the user at row {row}")
        return self._users[row]

    def decoded(self, step: StoredStep | None) -> ComparableStep | None:
        """Return a step whose items have their rows in the other trial."""
        if step is None:
            return None
        read = ComparableStep(
            codec.load_observation(step.observation),
            step.turns,
            codec.load_decision(step.decision),
            codec.load_feedback(step.feedback),
            step.gate,
            step.summary,
        )
        try:
            return read if self._renumber is None else _renumbered(read, self._renumber)
        except IndexError:
            raise missing("an item of a step") from None

    def _turns(
        self, where: str, values: list[int]
    ) -> Mapping[tuple[int, int], list[ComparableTurn]]:
        found: dict[tuple[int, int], list[ComparableTurn]] = defaultdict(list)
        rows = self._db.execute(
            "SELECT user, step, node, attempt, messages, completion FROM turns "
            f"WHERE {where} AND attempt < ? ORDER BY user, step, node, attempt",
            [*values, BRANCH],
        )
        for user, step, node, attempt, messages, completion in map(_TURN.from_row, rows):
            prompt = tuple((role, self._hash(text)) for role, text in text_ids(messages))
            turn = ComparableTurn(node, attempt, prompt, self._hash(completion))
            found[user, step].append(turn)
        return found

    def _read_hash(self, text: int) -> Hash:
        row = self._db.execute("SELECT hash FROM texts WHERE id = ?", (text,)).fetchone()
        if row is None:
            raise missing(f"text {text}")
        return _HASH.from_row(row)[0]


def _renumbered(step: ComparableStep, rows: Sequence[int]) -> ComparableStep:
    """Return a step in which the items have other rows."""
    observation, decision, feedback = step.observation, step.decision, step.feedback
    return step._replace(
        observation=replace(observation, slate=tuple(rows[item] for item in observation.slate)),
        decision=replace(
            decision,
            ranking=tuple(rows[item] for item in decision.ranking),
            actions=tuple(replace(each, item=rows[each.item]) for each in decision.actions),
        ),
        feedback=replace(
            feedback,
            experiences=tuple(replace(each, item=rows[each.item]) for each in feedback.experiences),
            target=None if feedback.target is None else rows[feedback.target],
        ),
    )
