"""Interviews are kept in the folder `interviews` of a run, one file each, beside its record.

The record and its digest never change by an interview.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AllowInfNan, ConfigDict, StrictBool, TypeAdapter
from pydantic import BaseModel as _BaseModel

from starec_sim.errors import RunError
from starec_sim.interviews.questions import InterviewQuestion, QuestionType
from starec_sim.json_nesting import parse_json
from starec_sim.runs.record_errors import file_problem
from starec_sim.runs.regular_file import read_text
from starec_sim.types import Messages

FOLDER = "interviews"
_MAX_BYTES = 256 << 20
_MAX_DEPTH = 10
_MAX_FILES = 10_000

_Finite = Annotated[float, AllowInfNan(False)]


@dataclass(frozen=True, slots=True)
class InterviewAnswer:
    """One user's answer to one question."""

    arm: str
    seed: int
    user: str
    """The id in the dataset."""
    question: str
    """Its name, or the question itself."""
    type: QuestionType
    value: StrictBool | int | _Finite | str | None
    """A whole number of a scale, an option, true or false, a number, a text; None where no answer
    could be read."""
    problem: str
    """What is wrong with the last answer; empty for a clean one."""
    repaired: bool
    """Whether it was asked for twice."""
    policy: str
    version: str
    """The name of the weights that answered; empty where the policy names none."""
    messages: Messages
    """The prompt of the last question."""
    completions: tuple[str, ...]
    """The raw answers: the first, and the repaired one."""
    tokens: int
    cost_usd: _Finite | None


@dataclass(frozen=True, slots=True)
class Interview:
    """The answers to the questions of one interview."""

    run: str
    """The name of the run's folder."""
    created: str
    round: int
    """The users are as they were after this round; 0 is the beginning."""
    questions: tuple[InterviewQuestion, ...]
    profiles: Mapping[str, Mapping[str, str]]
    """Of those who were asked, by user."""
    answers: tuple[InterviewAnswer, ...]
    not_asked: int
    """Questions that were not asked because the interview stopped."""
    stopped: str
    """Why it stopped before the end; empty otherwise."""
    file: str | None = None
    """Where it is kept; None in a folder that cannot be written."""

    def as_json(self) -> dict[str, Any]:
        """Return the interview as JSON values."""
        asked = [each.model_dump(mode="json", exclude_defaults=True) for each in self.questions]
        return {**asdict(self), "questions": asked}


class _File(_BaseModel):
    model_config = ConfigDict(extra="forbid")
    interview: Interview


_INTERVIEW = TypeAdapter(_File)


def save_interview(folder: Path, interview: Interview) -> Path | None:
    """Keep an interview beside the record of a run, and return its file; None if it cannot be.

    A folder that cannot be written is no error: the answers are paid for.
    """
    kept = folder / FOLDER
    values = {"interview": interview.as_json()}
    try:
        kept.mkdir(exist_ok=True)
        if not stat.S_ISDIR(kept.lstat().st_mode):  # a link may lead anywhere
            return None
        taken = [int(path.stem) for path in kept.glob("*.json") if path.stem.isdecimal()]
        for number in range(max(taken, default=0) + 1, _MAX_FILES):
            path = kept / f"{number}.json"
            try:
                with path.open("x", encoding="utf-8") as file:
                    json.dump(values, file, ensure_ascii=False, indent=1)
                return path
            except FileExistsError:  # another process was faster
                continue
    except OSError:
        pass
    return None


def read_interviews(folder: Path | str, latest: int = _MAX_FILES) -> list[Interview]:
    """Return the interviews that are kept beside a run, oldest first.

    Args:
        folder: The folder of the run.
        latest: How many, the last ones.

    Raises:
        RunError: A file is damaged.
    """
    kept = Path(folder) / FOLDER
    paths = [path for path in kept.glob("*.json") if path.stem.isdecimal()]
    return [_read(path) for path in sorted(paths, key=lambda path: int(path.stem))[-latest:]]


def _read(path: Path) -> Interview:
    try:
        values = parse_json(read_text(path, _MAX_BYTES), _MAX_DEPTH)
        found = _INTERVIEW.validate_python(values).interview
        return Interview(**{**_fields(found), "file": str(path)})
    except (OSError, ValueError) as error:
        raise RunError(
            f"{path} is damaged: {file_problem(error, _File)}",
            hint=f"move it away: mv {path} {path}.old",
        ) from None


def _fields(interview: Interview) -> dict[str, Any]:
    return {name: getattr(interview, name) for name in Interview.__dataclass_fields__}
