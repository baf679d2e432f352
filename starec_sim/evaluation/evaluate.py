"""An evaluation from its settings to its table: run the agents, score with the others, keep both.

The agents' part is a run like any other, in the same folder: recorded, resumable, to be looked
into with `starec show`. Beside it lie the settings, the candidate lists, the ranks of the classical
rows, and the table.
"""

from __future__ import annotations

import hashlib
import json
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import Field, model_validator

from starec_sim import laboratory, plugins, yaml_files
from starec_sim.dataset import Dataset
from starec_sim.errors import ConfigError, RunError
from starec_sim.evaluation.baselines import knows_choices, rank_baseline
from starec_sim.evaluation.contenders import Contender, ContenderSpec, lacks, plan
from starec_sim.evaluation.rank_range import RankRange
from starec_sim.evaluation.results import read_agent_result
from starec_sim.evaluation.table import Table, TableRow, make_row
from starec_sim.events import RunEvents
from starec_sim.experiment import Experiment
from starec_sim.holdout import HoldOut, environment_name
from starec_sim.holdout import Protocol as EvaluationProtocol
from starec_sim.holdout.candidate_files import file_digest, read_candidates, write_candidates
from starec_sim.metrics import Interval
from starec_sim.plugins import Spec
from starec_sim.policies.settings import Budget
from starec_sim.runs import folder as run_folder
from starec_sim.runs.atomic_file import write_atomically
from starec_sim.runs.manifest import new_manifest, read_manifest, write_manifest
from starec_sim.settings import Settings, validate

SETTINGS, LISTS, TABLE, RANKS = "evaluation.yaml", "candidates.jsonl", "table.json", "ranks"


class Evaluation(Settings):
    """Everything that decides a table, as it is written beside it."""

    name: str = Field(default="eval", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    data: Spec
    protocol: EvaluationProtocol = EvaluationProtocol()
    policies: list[Spec] = Field(default=[])
    rows: list[ContenderSpec] = Field(min_length=1)
    seed: int = Field(default=0, ge=0, lt=2**63)
    candidates: Path | None = None
    """A file of candidate lists; they are drawn from the seed when empty."""
    candidates_sha256: str | None = None
    concurrency: int = Field(default=64, ge=1, le=4096)
    runs_dir: Path = Path("runs")
    budget: Budget = Budget()
    """What the agents' part may spend when it begins; `resume` can allow more."""

    @model_validator(mode="after")
    def _knows_its_lists(self) -> Self:
        if self.candidates is not None and self.candidates_sha256 is None:
            object.__setattr__(self, "candidates_sha256", file_digest(self.candidates))
        return self

    @property
    def key(self) -> str:
        """What two evaluations have in common that would give the same table."""
        values = self.model_dump(
            mode="json", exclude={"concurrency", "runs_dir", "name", "candidates", "budget"}
        )
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def evaluate(
    evaluation: Evaluation, events: RunEvents | None = None, *, fresh: bool = False
) -> tuple[Path, Table]:
    """Evaluate; an unfinished evaluation with the same settings is gone on with.

    Args:
        evaluation: What to evaluate, and how.
        events: Is told what happens.
        fresh: Whether to begin anew even so.

    Returns:
        The folder and the table.

    Raises:
        StarecError: What went wrong; what was committed stays and can be gone on with.

    >>> import tempfile
    >>> evaluation = Evaluation(
    ...     data={"use": "synthetic", "users": 20, "items": 200},
    ...     rows=[{"name": "popularity", "recommender": "popularity"}],
    ...     runs_dir=Path(tempfile.mkdtemp()),
    ... )
    >>> folder, table = evaluate(evaluation)
    >>> [row.name for row in table.rows], sorted(table.rows[0].metrics)[0]
    (['popularity'], 'hr@1')
    """
    events = events or RunEvents()
    if not fresh and (begun := _unfinished(evaluation)) is not None:
        allowed = evaluation.budget.model_dump(exclude_unset=True)
        return begun, resume(begun, events, budget=allowed)
    dataset = _load(evaluation)
    exam = _exam(evaluation, dataset)
    planned = _planned(evaluation, exam)
    agents = _experiment(evaluation, planned)
    if agents is None:
        folder = _folder_without_run(evaluation)
        _keep(folder, evaluation, exam)
    else:
        agents.resolve()
        keeper = _Keeper(events, lambda folder: _keep(folder, evaluation, exam))
        folder = laboratory.start(agents, keeper, "evaluation").folder
    return folder, _finish(folder, evaluation, exam, planned, events)


def resume(
    folder: Path,
    events: RunEvents | None = None,
    *,
    concurrency: int | None = None,
    budget: Mapping[str, float | None] | None = None,
) -> Table:
    """Go on with an evaluation; of a finished one, the table is read.

    Args:
        folder: The evaluation.
        events: Is told what happens.
        concurrency: Visits in flight, if it should change.
        budget: Keys of the budget that change, see `starec_sim.laboratory.resume`.

    Raises:
        RunError: The folder holds no evaluation, or one that other code or data began.
        StarecError: What went wrong while it went on.
    """
    events = events or RunEvents()
    evaluation, manifest = read_settings(folder), read_manifest(folder)
    if (folder / TABLE).is_file():
        return read_table(folder)
    if manifest.arms:
        laboratory.resume(folder, events, concurrency=concurrency, budget=budget)
    with run_folder.where_it_started(folder, manifest) as here:
        exam = _exam(evaluation, _load(evaluation))
        return _finish(here, evaluation, exam, _planned(evaluation, exam), events)


def read_table(folder: Path) -> Table:
    """Return the table of an evaluation; of an unfinished one, as far as it has come.

    Raises:
        RunError: The folder holds no evaluation, or one that is damaged.
    """
    path = folder / TABLE
    if not path.is_file():
        evaluation, manifest = read_settings(folder), read_manifest(folder)
        with run_folder.where_it_started(folder, manifest) as here:
            exam = _exam(evaluation, _load(evaluation))
            return _table(here, evaluation, exam, _planned(evaluation, exam))
    try:
        found = json.loads(path.read_text("utf-8"))
        about, rows = found["about"], []
        for number, row in enumerate(found["rows"]):
            marks = _read_marks(folder, number)
            values = marks.values(about["protocol"]["at"], about["protocol"]["candidates"])
            how = {
                key: value
                for key, value in row.items()
                if key not in ("name", "metrics", "counters", "costs")
            }
            metrics = {name: Interval(**parts) for name, parts in row["metrics"].items()}
            rows.append(TableRow(row["name"], how, metrics, values, row["counters"], row["costs"]))
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise RunError(
            f"the table in {folder} is damaged: {type(error).__name__}: {error}",
            hint=f"remove {path} and go on with the evaluation: it is made again from the record",
        ) from error
    return Table(tuple(rows), about, tuple(found["users"]), found["digest"])


def read_settings(folder: Path) -> Evaluation:
    """Return the settings of an evaluation.

    Raises:
        RunError: The folder holds none.
    """
    path = folder / SETTINGS
    try:
        values = yaml_files.load(path)
    except ConfigError as error:
        raise RunError(
            f"{folder} holds no evaluation: {error.message}",
            hint="`starec eval POLICY` begins one",
        ) from None
    return validate(Evaluation, values, str(path), recorded=True)


def _unfinished(evaluation: Evaluation) -> Path | None:
    """Return the latest evaluation with the same settings that did not come to its end."""
    for folder in reversed(run_folder.listed(evaluation.runs_dir)):
        if (folder / SETTINGS).is_file() and not (folder / TABLE).is_file():
            manifest = read_manifest(folder)
            same = read_settings(folder).key == evaluation.key
            if same and manifest.status != "running" and manifest.folder == str(Path.cwd()):
                return folder
    return None


def _load(evaluation: Evaluation) -> Dataset:
    found, config = plugins.configure("datasets", evaluation.data, "data")
    dataset: Dataset = found(config).load()
    return dataset


def _exam(evaluation: Evaluation, dataset: Dataset) -> HoldOut:
    lists = None
    if evaluation.candidates is not None:
        if file_digest(evaluation.candidates) != evaluation.candidates_sha256:
            raise RunError(
                f"{evaluation.candidates} is not the file of candidates that this began with",
                hint="put it back as it was, or start a new evaluation",
            )
        lists = read_candidates(evaluation.candidates)
    return HoldOut(evaluation.protocol, dataset, evaluation.seed, lists)


def _planned(evaluation: Evaluation, exam: HoldOut) -> list[Contender]:
    planned = plan(evaluation.rows, evaluation.policies, truth=knows_choices(exam))
    if not planned:
        raise ConfigError(
            "there is no row to compute: all rows are of agents, and no policy was named",
            hint="name a policy, e.g. starec eval lexical",
        )
    return planned


def _experiment(evaluation: Evaluation, planned: Sequence[Contender]) -> Experiment | None:
    """Return the agents' part as an experiment: an arm for each row; None without agents."""
    arms: dict[str, dict[str, Any]] = {}
    for row in planned:
        if row.spec.agent is not None:
            arms[row.name] = {
                "agent": row.spec.agent,
                "policies": {"fast": row.policy, "slow": row.policy},
                "environment.replay": row.spec.replay,
                "environment.memory": row.spec.memory,
            }
    if not arms:
        return None
    environment = {
        "use": environment_name(),
        "protocol": evaluation.protocol.model_dump(mode="json"),
        "candidates": None if evaluation.candidates is None else str(evaluation.candidates),
        "candidates_sha256": evaluation.candidates_sha256,
    }
    values = {
        "name": evaluation.name,
        "seed": evaluation.seed,
        "rounds": evaluation.protocol.history + 1,
        "concurrency": evaluation.concurrency,
        "runs_dir": str(evaluation.runs_dir),
        "budget": evaluation.budget.model_dump(),
        "data": evaluation.data,
        "environment": environment,
        "arms": arms,
        "report": {"last_rounds": 1},
    }
    return validate(Experiment, values, "")


class _Keeper(RunEvents):
    """Writes the evaluation's settings as soon as there is a folder, and passes everything on."""

    def __init__(self, events: RunEvents, keep: Callable[[Path], None]) -> None:
        self._keep = keep
        self._events = events

    def __getattribute__(self, name: str) -> Any:
        if name in ("run_started", "_keep", "_events"):
            return super().__getattribute__(name)
        return getattr(self._events, name)

    def run_started(self, folder: Path, experiment: Experiment) -> None:
        self._keep(folder)
        self._events.run_started(folder, experiment)


def _folder_without_run(evaluation: Evaluation) -> Path:
    """Return a new folder for an evaluation without agents, which no run would make."""
    folder = run_folder.create(evaluation.runs_dir, evaluation.name, evaluation.seed)
    manifest = new_manifest("evaluation", evaluation.name, [evaluation.seed])
    manifest.status = "interrupted"  # its rows are computed without holding the folder's lock
    write_manifest(folder, manifest)
    return folder


def _keep(folder: Path, evaluation: Evaluation, exam: HoldOut) -> None:
    """Write what an evaluation is, and the lists it is about."""
    write_candidates(exam, folder / LISTS)
    text = yaml_files.dump(evaluation.model_dump(mode="json"))
    write_atomically(folder / SETTINGS, text)


def _finish(
    folder: Path,
    evaluation: Evaluation,
    exam: HoldOut,
    planned: Sequence[Contender],
    events: RunEvents,
) -> Table:
    """Compute the rows that are not there yet, and write the table."""
    waiting = [
        (number, row)
        for number, row in enumerate(planned)
        if row.spec.agent is None and not _marks_file(folder, number).is_file()
    ]
    events.baselines_started(len(waiting))
    for number, row in waiting:
        start = time.perf_counter()
        marks = rank_baseline(row.spec, exam)
        _write_marks(folder, number, marks)
        events.baseline_finished(row.name, time.perf_counter() - start)
    table = _table(folder, evaluation, exam, planned)
    values = {**table.as_json(), "users": list(table.users)}
    text = json.dumps(values, ensure_ascii=False, indent=1) + "\n"
    write_atomically(folder / TABLE, text)
    manifest = read_manifest(folder)
    manifest.status, manifest.table = "finished", table.digest
    write_manifest(folder, manifest)
    return table


def _table(
    folder: Path, evaluation: Evaluation, exam: HoldOut, planned: Sequence[Contender]
) -> Table:
    """Make the table of what is there."""
    protocol, rows, unfinished = evaluation.protocol, [], []
    sha = hashlib.sha256(exam.digest.encode())
    for number, row in enumerate(planned):
        counters: Mapping[str, int] = {"rankings": exam.answers.size * protocol.draws}
        costs: Mapping[str, float | None] = {}
        if row.spec.agent is not None:
            record = read_agent_result(folder, row.name, exam)
            if record is None:
                unfinished.append(row.name)
                continue
            marks, counters, costs = record
            _write_marks(folder, number, marks)
        elif _marks_file(folder, number).is_file():
            marks = _read_marks(folder, number)
        else:
            unfinished.append(row.name)
            continue
        sha.update(row.name.encode() + marks.best.tobytes() + marks.worst.tobytes())
        rows.append(make_row(row, marks, protocol.at, protocol.candidates, counters, costs))
    about = {
        "protocol": protocol.model_dump(mode="json"),
        "dataset": exam.dataset.name,
        "data": evaluation.data,
        "seed": evaluation.seed,
        "counts": exam.describe(),
        "exam": exam.digest,
        "left out": {row.name: f"needs {lacks(row)}" for row in evaluation.rows if lacks(row)},
    }
    users = tuple(exam.dataset.users[row].id for row in exam.rows)
    return Table(tuple(rows), about, users, sha.hexdigest(), tuple(unfinished))


def _marks_file(folder: Path, number: int) -> Path:
    return folder / RANKS / f"{number}.npz"


def _write_marks(folder: Path, number: int, marks: RankRange) -> None:
    path = _marks_file(folder, number)
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(".part.npz")
    np.savez_compressed(part, best=marks.best, worst=marks.worst)
    part.replace(path)


def _read_marks(folder: Path, number: int) -> RankRange:
    with np.load(_marks_file(folder, number), allow_pickle=False) as arrays:
        return RankRange(arrays["best"], arrays["worst"])
