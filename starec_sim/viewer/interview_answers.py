"""What users of a run said in interviews, for the page of notes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from starec_sim.interviews import (
    AnswerFigure,
    Interview,
    InterviewAnswer,
    answer_figures,
    read_interviews,
)
from starec_sim.interviews.questions import QuestionType

_SHOWN = 10
"""Interviews of a page, the newest."""
_ANSWERS = 300
"""Answers to a question that are on a page."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean or a share over users, with its 95 % interval; None where nothing could be read."""

    arm: str
    of: str
    """`mean`, or the option whose share it is."""
    mean: float
    low: float
    high: float
    users: int
    """With an answer that could be read."""
    unread: int


@dataclass(frozen=True, slots=True)
class Said:
    """What one user answered."""

    user: str
    arm: str
    seed: int
    value: bool | int | float | str | None
    """None where the answer could not be read."""
    problem: str


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question with its figures and answers."""

    ask: str
    type: QuestionType
    figures: tuple[Figure, ...]
    answers: tuple[Said, ...]
    left_out: int
    """Answers that are not on the page."""


@dataclass(frozen=True, slots=True)
class AskedInterview:
    """One interview."""

    file: str
    """Its name within the folder of the run."""
    created: str
    round: int
    users: int
    policies: tuple[str, ...]
    stopped: str
    not_asked: int
    questions: tuple[AskedQuestion, ...]


def latest_interviews(folder: Path) -> tuple[AskedInterview, ...]:
    """Return the latest interviews that are kept beside a run, newest first.

    Raises:
        RunError: A file is damaged.
    """
    return tuple(_interview(each) for each in reversed(read_interviews(folder, _SHOWN)))


def _interview(found: Interview) -> AskedInterview:
    figures = answer_figures(found)
    file = Path(found.file or "")
    return AskedInterview(
        f"{file.parent.name}/{file.name}",
        found.created,
        found.round,
        len(found.profiles),
        tuple(dict.fromkeys(answer.policy for answer in found.answers)),
        found.stopped,
        found.not_asked,
        tuple(
            _question(
                each.ask,
                each.type,
                [figure for figure in figures if figure.question == each.label],
                [answer for answer in found.answers if answer.question == each.label],
            )
            for each in found.questions
        ),
    )


def _question(
    ask: str, kind: QuestionType, figures: list[AnswerFigure], answers: list[InterviewAnswer]
) -> AskedQuestion:
    return AskedQuestion(
        ask,
        kind,
        tuple(
            Figure(each.arm, each.of, *each.interval[:3], each.interval.n, each.unread)
            for each in figures
        ),
        tuple(
            Said(each.user, each.arm, each.seed, each.value, each.problem)
            for each in answers[:_ANSWERS]
        ),
        max(0, len(answers) - _ANSWERS),
    )
