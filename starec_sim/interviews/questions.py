"""Questions of an interview: their types, and how answers are read.

A question has exactly one type. It decides what the prompt asks for, the JSON schema of the answer,
and what counts as an answer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, field_validator, model_validator

from starec_sim import yaml_files
from starec_sim.answers import Form, read_summary
from starec_sim.answers.tags import ANSWER, THINK
from starec_sim.errors import ConfigError
from starec_sim.settings import Settings, validate
from starec_sim.types import ExpectedAnswer
from starec_sim.visible_text import has_control_characters

QuestionType = Literal["scale", "choice", "yes_no", "number", "text"]
AnswerValue = bool | int | float | str
"""An answer: a whole number of a scale, an option, yes or no, a number, or a text."""

TYPES: tuple[QuestionType, ...] = ("scale", "choice", "yes_no", "number", "text")
MAX_POINTS = 101
"""Points of the longest scale, so that 0-100 is one."""
MAX_OPTIONS = 50
MAX_QUESTIONS = 100
MAX_WORDS = 500
ANSWER_PARTS = (THINK, ANSWER)
"""The parts of an answer."""
_SCALE = re.compile(r"\s*([+-]?\d{1,6})\s*-\s*([+-]?\d{1,6})\s*")
_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,15})?")
_HINT = (
    "a question is `ask` and one of `scale: 1-5`, `choice: [a, b]`, `yes_no: true`, "
    "`number: true`, `text: 30`"
)
_SURVEY_HINT = "a survey is `questions`, a list; see docs/interviews.md"

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000)]


def _scale(value: Any) -> Any:
    """Return (low, high) of "1-5"."""
    if not isinstance(value, str):
        return value
    match = _SCALE.fullmatch(value)
    if match is None:
        raise ValueError("must be LOW-HIGH, such as 1-5")
    return int(match[1]), int(match[2])


class InterviewQuestion(Settings):
    """A question: its text, and exactly one type.

    >>> InterviewQuestion(ask="How satisfied are you?", scale="1-5").read("4")
    (4, '')
    """

    ask: Text
    """What the user is asked."""
    name: Text = ""
    """Its name in tables; the question itself when empty."""
    scale: Annotated[tuple[int, int] | None, BeforeValidator(_scale)] = None
    """The least and the greatest whole number, e.g. `1-5`."""
    choice: tuple[Text, ...] | None = None
    """Options, of which one is named: 2 to 50."""
    yes_no: Literal[True] | None = None
    number: Literal[True] | None = None
    """Any number."""
    text: int | None = Field(default=None, ge=1, le=MAX_WORDS)
    """A text of at most so many words."""

    @field_validator("ask", "name", "choice")
    @classmethod
    def _one_line(cls, value: Any) -> Any:
        for text in (value,) if isinstance(value, str) else value or ():
            if has_control_characters(text):
                raise ValueError("must be one line")
        return value

    @model_validator(mode="after")
    def _one_type(self) -> Self:
        named = [kind for kind in TYPES if getattr(self, kind) is not None]
        if len(named) != 1:
            has = f"types {' and '.join(named)}" if named else "no type"
            raise ValueError(f'the question "{self.ask}" has {has}; it needs exactly one')
        if self.scale is not None and not 1 <= self.scale[1] - self.scale[0] < MAX_POINTS:
            low, high = self.scale
            raise ValueError(
                f"scale: {low}-{high} has no two points in rising order, or more than {MAX_POINTS}"
            )
        if self.choice is not None and not 2 <= len(self.choice) <= MAX_OPTIONS:
            given = len(self.choice)
            are = "is 1 option" if given == 1 else f"are {given} options"
            raise ValueError(f"choice: there {are}; there must be 2 to {MAX_OPTIONS}")
        folded = [option.casefold() for option in self.choice or ()]
        for option in self.choice or ():
            if folded.count(option.casefold()) > 1:
                raise ValueError(f'choice: the option "{option}" is there more than once')
        return self

    @property
    def label(self) -> str:
        """Its name in tables."""
        return self.name or self.ask

    @property
    def type(self) -> QuestionType:
        """Its type."""
        return next(kind for kind in TYPES if getattr(self, kind) is not None)

    @property
    def form(self) -> str:
        """What the prompt asks for, in words."""
        if self.scale is not None:
            low, high = self.scale
            return f"one whole number from {low} (the least) to {high} (the most)"
        if self.choice is not None:
            return f"one of these, as it is written: {'; '.join(self.choice)}"
        if self.text is not None:
            return f"a text of at most {self.text} words"
        return "yes or no" if self.yes_no else "one number, in digits"

    @property
    def one_of(self) -> tuple[str, ...]:
        """All answers that there are; empty where they cannot be listed."""
        if self.scale is not None:
            low, high = self.scale
            return tuple(str(each) for each in range(low, high + 1))
        return self.choice or (("yes", "no") if self.yes_no else ())

    def expected(self, form: Form) -> ExpectedAnswer:
        """Return what an answer is held to, for policies that can be."""
        words = self.text or 0
        pattern = _NUMBER.pattern if self.number else ""
        return ExpectedAnswer(form, ANSWER_PARTS, words=words, one_of=self.one_of, pattern=pattern)

    @property
    def json_schema(self) -> dict[str, Any]:
        """The JSON schema of the answer."""
        if self.one_of:
            return {"type": "string", "enum": list(self.one_of)}
        if self.number:
            return {"type": "string", "pattern": f"^{_NUMBER.pattern}$"}
        return {"type": "string"}

    def read(self, text: str) -> tuple[AnswerValue | None, str]:
        """Read the answer of a user strictly; letters may be large or small.

        Args:
            text: What the answer says, without its reasoning.

        Returns:
            The value, and what is wrong with the text. Nothing is guessed: of two numbers, or a
            number outside of the scale, the value is None.
        """
        said = " ".join(text.split())
        value: AnswerValue | None = None
        if self.scale is not None:
            low, high = self.scale
            if re.fullmatch(r"[+-]?\d{1,9}", said) and low <= int(said) <= high:
                value = int(said)
        elif self.choice is not None:
            folded = {" ".join(option.split()).casefold(): option for option in self.choice}
            value = folded.get(said.casefold())
        elif self.yes_no:
            value = {"yes": True, "no": False}.get(said.casefold())
        elif self.number and _NUMBER.fullmatch(said) and math.isfinite(float(said)):
            value = float(said)
        shown = said if len(said) <= 80 else said[:79] + "…"
        return value, "" if value is not None else f'"{shown}" is not {self.form}'

    def read_text(self, answer: str, form: Form) -> tuple[str | None, str]:
        """Read a free text; one that is too long is cut, and that is said."""
        value, findings = read_summary(answer, self.text or MAX_WORDS, form, ANSWER)
        return value, str(findings)


def read_survey(path: Path | str) -> tuple[InterviewQuestion, ...]:
    """Return the questions of a YAML file.

    Raises:
        ConfigError: It cannot be read, or holds something other than a survey.
    """
    values = yaml_files.load(Path(path), _SURVEY_HINT)
    if "questions" not in values:
        keys = ", ".join(map(str, list(values)[:5])) or "nothing"
        raise ConfigError(f"{path} is no survey: it holds {keys}", hint=_SURVEY_HINT)
    return checked_questions(values["questions"], str(path))


def checked_questions(questions: Any, at: str) -> tuple[InterviewQuestion, ...]:
    """Return questions that were checked, one by one and together.

    Args:
        questions: A list of questions, or of their keys and values.
        at: Where they come from, for messages.

    Raises:
        ConfigError: A question is wrong.
    """
    if not isinstance(questions, Sequence) or isinstance(questions, str):
        raise ConfigError(f"{at}: questions must be a list, got {questions!r:.80}", hint=_HINT)
    if not 1 <= len(questions) <= MAX_QUESTIONS:
        raise ConfigError(
            f"{at}: there are {len(questions)} questions, not 1 to {MAX_QUESTIONS}", hint=_HINT
        )
    checked: list[InterviewQuestion] = []
    problems: list[str] = []
    for number, values in enumerate(questions):
        try:
            checked.append(_checked(values, f"questions.{number}"))
        except ConfigError as error:
            problems.append(error.message)
    if problems:
        raise ConfigError(f"{at}: " + "\n".join(problems), hint=_HINT)
    labels = [question.label for question in checked]
    if twice := [label for label in labels if labels.count(label) > 1]:
        raise ConfigError(
            f'{at}: two questions are called "{twice[0]}"', hint="give one of them another `name`"
        )
    return tuple(checked)


def _checked(values: Any, at: str) -> InterviewQuestion:
    if isinstance(values, InterviewQuestion):
        return values
    if not isinstance(values, Mapping):
        raise ConfigError(f"{at}: must hold keys and values, got {values!r:.80}")
    return validate(InterviewQuestion, values, at)


def read_question(ask: str, **types: Any) -> InterviewQuestion:
    """Return one question; `types` are those of `InterviewQuestion`.

    Raises:
        ConfigError: It is wrong.
    """
    try:
        return validate(InterviewQuestion, {"ask": ask, **types}, "")
    except ConfigError as error:
        raise ConfigError(
            error.message, hint="e.g. --scale 1-5, --choice a,b,c, --text 30"
        ) from None
