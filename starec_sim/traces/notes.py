"""Notes that readers leave on steps of a run, in `notes.json` beside its record.

The record and its digest never change by a note. Notes are added and never changed or removed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from starec_sim.errors import RunError, os_hint
from starec_sim.json_nesting import parse_json
from starec_sim.runs.atomic_file import write_atomically
from starec_sim.runs.reader import Reader
from starec_sim.runs.record_errors import file_problem
from starec_sim.runs.regular_file import MAX_BYTES, read_text
from starec_sim.traces.values import StepAddress

FILE = "notes.json"
MAX_NOTES = 5_000
_MAX_DEPTH = 12
_LOCK = ".notes.lock"
_LOCK_WAIT_S = 10.0

Author = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Kind = Literal["mark", "ask"]


class Address(BaseModel):
    """The address of a step, as others send it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    arm: str = Field(max_length=500)
    seed: int
    user: str = Field(max_length=500)
    round: int = Field(ge=1)
    step: int = Field(ge=1)

    def checked(self, reader: Reader) -> StepAddress:
        """Return the address, which is that of a step on record.

        Raises:
            RunError: There is no such arm, user or step.
        """
        trial = reader.trial(self.arm, self.seed)
        row, _ = reader.user(trial, self.user)
        if (self.round - 1, self.step - 1) not in reader.step_keys(trial, row):
            raise RunError(
                f"{self.user} has no step {self.step} in round {self.round}",
                hint="open the step from the page of the person",
            )
        return StepAddress(self.arm, self.seed, self.user, self.round, self.step)


class Mark(BaseModel):
    """What a reader says about a step."""

    model_config = ConfigDict(extra="forbid")

    at: Address
    author: Author
    reason: Reason


class Note(BaseModel):
    """One note."""

    id: str
    at: Address
    author: Author
    reason: Reason
    created: str
    kind: Kind
    asked: dict[str, Any] | None = None
    """Of a question that was asked again: the question and its answers."""


class _File(BaseModel):
    notes: list[Note] = Field(max_length=MAX_NOTES)


@dataclass(frozen=True, slots=True)
class NewNote:
    """A note that is to be added."""

    at: StepAddress
    author: str
    reason: str
    kind: Kind = "mark"
    asked: dict[str, Any] | None = None


def read_notes(folder: Path) -> list[Note]:
    """Return the notes on a run, oldest first.

    Raises:
        RunError: The file is damaged.
    """
    path = folder / FILE
    try:
        values = parse_json(read_text(path), _MAX_DEPTH)
        return _File.model_validate(values).notes
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise RunError(
            f"{path} is damaged: {file_problem(error, _File)}",
            hint=f"correct it, or move it away: mv {path} {path}.old",
        ) from None


def add_note(folder: Path, new: NewNote) -> Note:
    """Add a note and return it.

    Raises:
        RunError: The file is damaged, full, or cannot be written.
    """
    with _writing(folder):
        notes = read_notes(folder)
        at = Address.model_validate({name: getattr(new.at, name) for name in Address.model_fields})
        note = Note(
            id=str(len(notes) + 1),
            at=at,
            author=new.author,
            reason=new.reason,
            created=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            kind=new.kind,
            asked=new.asked,
        )
        values = [each.model_dump(exclude_none=True) for each in (*notes, note)]
        text = json.dumps({"notes": values}, indent=1) + "\n"
        if len(values) > MAX_NOTES or len(text) > MAX_BYTES:
            raise RunError(
                f"{folder / FILE} is full: it holds {len(notes):,} notes",
                hint=f"begin a new one: mv {folder / FILE} {folder / FILE}.old",
            )
        write_atomically(folder / FILE, text)
        return note


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Hold the lock of the notes: two servers may show the same run.

    Raises:
        RunError: Another process holds it for too long, or the folder cannot be written to.
    """
    try:
        with FileLock(folder / _LOCK, timeout=_LOCK_WAIT_S):
            yield
    except Timeout:
        raise RunError(
            f"another process has been writing {folder / FILE} for {_LOCK_WAIT_S:g} seconds",
            hint="stop it, or try again later",
        ) from None
    except OSError as error:
        raise RunError(
            f"{folder / FILE} cannot be written: {error.strerror or error}",
            hint=os_hint(error) or "copy the run to a folder that you may write to",
        ) from error
