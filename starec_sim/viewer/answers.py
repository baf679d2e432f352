"""What each address of the API answers: a read model of `starec_sim.traces` as JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from starec_sim.errors import ConfigError, RunError
from starec_sim.runs.folder import named
from starec_sim.runs.manifest import read_manifest
from starec_sim.runs.reader import Reader, RecordedTrial, reading
from starec_sim.traces.answer_changes import read_answer_changes
from starec_sim.traces.compare import compare
from starec_sim.traces.notes import read_notes
from starec_sim.traces.overview import read_overview
from starec_sim.traces.people import MAX_ROWS, PeopleQuery, read_people, read_person
from starec_sim.traces.population import read_population
from starec_sim.traces.search import Query, search
from starec_sim.traces.sides import Choice
from starec_sim.traces.step_page import read_step
from starec_sim.traces.token_texts import group_with_texts, step_with_texts
from starec_sim.traces.training_view import read_group, read_training
from starec_sim.traces.values import as_json
from starec_sim.viewer.parameters import Parameters

_TRIAL = ("arm", "seed")
_MOST_HITS = 200
_SEED = 1 << 63


class JsonAnswer(NamedTuple):
    """How an address of a run is answered."""

    parameters: tuple[str, ...]
    read: Callable[[Path, Reader, Parameters], Any]


def answer(folder: Path, what: str, pairs: list[tuple[str, str]]) -> Any:
    """Return the answer of an address of a run, as JSON values.

    Args:
        folder: The run.
        what: One of `ANSWERS`.
        pairs: The parameters of the request.

    Raises:
        StarecError: A parameter is wrong, there is no such part of the run, or it is damaged.
    """
    about = ANSWERS[what]
    parameters = Parameters(pairs, about.parameters)
    with reading(folder) as reader:
        return finite(as_json(about.read(folder, reader, parameters)))


def notes_of(folder: Path) -> Any:
    """Return the notes on a run; they need no record."""
    return {"notes": [note.model_dump(exclude_none=True) for note in read_notes(folder)]}


def comparison(runs_dir: Path, pairs: list[tuple[str, str]]) -> Any:
    """Return how two runs or arms differ, as JSON values.

    Raises:
        StarecError: There is no such run, arm or user.
    """
    asked = Parameters(pairs, ("a", "b", "arm_a", "arm_b", "user"))
    a, b = (run_named(asked.needed(name), runs_dir) for name in ("a", "b"))
    arm_a, arm_b = (Choice(asked.text(name)) for name in ("arm_a", "arm_b"))
    return finite(as_json(compare(a, b, arm_a, arm_b, asked.text("user"))))


def run_named(name: str, runs_dir: Path) -> Path:
    """Return the folder of the run with this name.

    Raises:
        RunError: There is none.
    """
    folder = named(name, runs_dir)
    if folder is None:
        raise RunError(
            f'there is no run "{name[:200]}" in {runs_dir}',
            hint="starec runs lists the runs; starec view FOLDER shows those of another folder",
        )
    return folder


def finite(value: Any) -> Any:
    """Return JSON values in which numbers that JSON does not have are null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [finite(each) for each in value]
    return value


def _trial(reader: Reader, asked: Parameters) -> RecordedTrial:
    return reader.trial(asked.text("arm"), asked.number("seed", -_SEED, _SEED - 1))


def _overview(folder: Path, reader: Reader, asked: Parameters) -> Any:
    return read_overview(folder, reader)


def _people(folder: Path, reader: Reader, asked: Parameters) -> Any:
    where = []
    for each in asked.many("where"):
        name, colon, value = each.partition(":")
        if not colon:
            raise ConfigError(f'where must be FIELD:VALUE, got "{each[:50]}"')
        where.append((name, value))
    query = PeopleQuery(
        # The pages name a column of a table as TABLE.COLUMN.
        (asked.text("sort") or "user").removeprefix("people."),
        asked.switch("descending"),
        asked.text("q") or "",
        tuple(where),
        asked.number("offset", 0) or 0,
        asked.number("limit", 1, MAX_ROWS) or 100,
    )
    return read_people(reader, _trial(reader, asked), query)


def _person(folder: Path, reader: Reader, asked: Parameters) -> Any:
    return read_person(reader, _trial(reader, asked), asked.needed("user"))


def _step(folder: Path, reader: Reader, asked: Parameters) -> Any:
    page = read_step(
        reader,
        _trial(reader, asked),
        asked.needed("user"),
        asked.needed_number("round"),
        asked.number("step") or 1,
    )
    return step_with_texts(folder, page)


def _population(folder: Path, reader: Reader, asked: Parameters) -> Any:
    return read_population(reader, _trial(reader, asked))


def _training(folder: Path, reader: Reader, asked: Parameters) -> Any:
    _check_training(folder)
    return read_training(folder, reader, asked.number("step"))


def _changes(folder: Path, reader: Reader, asked: Parameters) -> Any:
    _check_training(folder)
    before, after, user = (asked.text(name) for name in ("before", "after", "user"))
    return read_answer_changes(folder, reader, before, after, user)


def _check_training(folder: Path) -> None:
    kind = read_manifest(folder).kind
    if kind != "training":
        raise RunError(
            f"{folder.name} is of kind {kind}, and no training", hint="open its overview"
        )


def _group(folder: Path, reader: Reader, asked: Parameters) -> Any:
    step, group = asked.needed_number("step"), asked.needed("group")
    return group_with_texts(folder, read_group(folder, reader, step, group))


def _interviews(folder: Path, reader: Reader, asked: Parameters) -> Any:
    from starec_sim.viewer.interview_answers import latest_interviews  # a tenth of a second

    return latest_interviews(folder)


def _search(folder: Path, reader: Reader, asked: Parameters) -> Any:
    return search(
        reader,
        Query(
            asked.needed("q"),
            node=asked.text("node"),
            user=asked.text("user"),
            arm=asked.text("arm"),
            limit=asked.number("limit", 1, _MOST_HITS) or 100,
        ),
    )


ANSWERS: Mapping[str, JsonAnswer] = {
    "": JsonAnswer((), _overview),
    "people": JsonAnswer((*_TRIAL, "sort", "descending", "q", "where", "offset", "limit"), _people),
    "person": JsonAnswer((*_TRIAL, "user"), _person),
    "step": JsonAnswer((*_TRIAL, "user", "round", "step"), _step),
    "population": JsonAnswer(_TRIAL, _population),
    "training": JsonAnswer(("step",), _training),
    "changes": JsonAnswer(("before", "after", "user"), _changes),
    "group": JsonAnswer(("step", "group"), _group),
    "interviews": JsonAnswer((), _interviews),
    "search": JsonAnswer(("q", "node", "user", "arm", "limit"), _search),
}
"""The addresses of a run, `api/runs/RUN/ADDRESS`."""
