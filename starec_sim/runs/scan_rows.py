"""Read all steps of a trial in the order of the record, with what a scan looks at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from starec_sim.runs import codec
from starec_sim.runs.attempts import BRANCH, own_turns
from starec_sim.runs.reader import Reader, RecordedTrial
from starec_sim.runs.stored_values import Row, StoredType
from starec_sim.types import Decision, Observation

_ANSWER = StoredType[tuple[int, int, int]]("turns", tuple[Row, Row, int])
_STEP = StoredType[tuple[int, int, str, str, int]]("steps", tuple[Row, Row, str, str, int])


class ScannedStep(NamedTuple):
    """One step. Texts are ids of the record, so that equal texts need not be read."""

    user: int
    """The row."""
    round: int
    step: int
    observation: Observation
    decision: Decision
    answer: int | None
    """The text of the fast node's last answer; None if it was not asked."""
    summary: int
    """The text of the preference summary after the step."""


def scanned_steps(reader: Reader, trial: RecordedTrial) -> Iterator[ScannedStep]:
    """Yield the committed steps of a trial by round, user and step."""
    for round in range(trial.rounds):
        at = (trial.number, round)
        # Where answers are not kept, one text stands in the place of all of them.
        answers = _answers(reader, at) if reader.level == "everything" else {}
        rows = reader.db.execute(
            "SELECT user, step, observation, decision, summary FROM steps "
            "WHERE trial = ? AND round = ? ORDER BY user, step",
            at,
        )
        for user, step, observation, decision, summary in map(_STEP.from_row, rows):
            yield ScannedStep(
                user,
                round,
                step,
                codec.load_observation(observation),
                codec.load_decision(decision),
                answers.get((user, step)),
                summary,
            )


def _answers(reader: Reader, at: tuple[int, int]) -> dict[tuple[int, int], int]:
    """Return the text of the fast node's last answer by user and step, in a round of a trial."""
    rows = reader.db.execute(
        "SELECT user, step, completion FROM turns WHERE trial = ? AND round = ? "
        "AND node = 'fast' AND attempt < ? ORDER BY user, step, attempt",
        (*at, BRANCH),
    )
    return {(user, step): completion for user, step, completion in map(_ANSWER.from_row, rows)}


def count_steps(reader: Reader, trial: RecordedTrial) -> int:
    """Return how many steps of a trial are committed."""
    (count,) = reader.db.execute(
        "SELECT COUNT(*) FROM steps WHERE trial = ?", (trial.number,)
    ).fetchone()
    return int(count)


def asked_and_answered(
    reader: Reader, trial: RecordedTrial, at: ScannedStep
) -> tuple[str, str] | None:
    """Return prompt and answer of the fast node in a step; None if it was not asked."""
    turns = own_turns(reader.turns(trial, at.round, at.user, at.step))
    fast = [turn for turn in turns if turn.node == "fast"]
    if not fast:
        return None
    prompt = "\n\n".join(text for role, text in fast[-1].messages if role == "user")
    return prompt, fast[-1].completion
