"""Read a run as tables: typed rows, which are read when they are iterated."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from typing_extensions import TypedDict  # that of Python 3.11 is refused by pydantic

from starec_sim import yaml_files
from starec_sim.errors import RunError, did_you_mean
from starec_sim.runs import queries
from starec_sim.runs.compression import MAX_ROLLOUTS, unpack_zlib
from starec_sim.runs.folder import CONFIG, configuration, find, read_held_out
from starec_sim.runs.manifest import Manifest, read_manifest
from starec_sim.runs.reader import reading
from starec_sim.runs.record_errors import readable_errors
from starec_sim.runs.regular_file import read_bytes
from starec_sim.runs.row_types import (
    ImpressionRow,
    ItemRow,
    MemoryRow,
    MetricRow,
    RewardRow,
    RolloutRow,
    StepRow,
    TrialRow,
    TurnRow,
    UserRow,
    VisitRow,
)
from starec_sim.runs.schema import FILE
from starec_sim.runs.step_rows import UserStep, ids_of, impression_rows, step_row, turn_rows
from starec_sim.runs.stored_values import Number, StoredType
from starec_sim.visible_text import visible_line

if TYPE_CHECKING:
    import pyarrow


def read_run(run: str | Path, runs_dir: str | Path = "runs") -> Run:
    """Return a run for reading; it may still be in progress.

    Args:
        run: The path of its folder, its name, the unique start of its name, or `latest`.
        runs_dir: The folder of runs in which names are looked up.

    Raises:
        RunError: No run, or more than one, has that name, or its manifest is damaged.
    """
    folder = find(str(run), Path(runs_dir))
    return Run(folder, read_manifest(folder))


class Run:
    """A run, an evaluation, an audit or a training, as it is on disk.

    Each table is a method that yields typed rows in the order of trial, user, round and step; the
    record is opened while they are iterated. `table(name)` returns the same as columns.

    Args:
        folder: The folder.
        manifest: Its manifest.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r}, {self.manifest.kind}, {self.manifest.status})"

    @cached_property
    def configuration(self) -> dict[str, Any]:
        """The resolved configuration; empty for an evaluation without agents.

        Raises:
            RunError: It cannot be read.
        """
        if not self.manifest.config_sha256:
            return {}
        return yaml_files.parse(configuration(self.folder), str(self.folder / CONFIG))

    def held_out(self) -> list[str]:
        """Return the ids of the users whom a training never trains on.

        Raises:
            RunError: This is no training.
        """
        return read_held_out(self.folder)

    def tables(self) -> list[str]:
        """Return the names of all tables."""
        return list(COLUMNS)

    def table(self, name: str) -> dict[str, list[Any]]:
        """Return a table as columns: a list of values by column name.

        Args:
            name: One of `tables()`.

        Raises:
            RunError: There is no such table, or the record cannot be read.
        """
        _check_table(name)
        rows = list(_ROWS[name](self))
        return {column: [row[place] for row in rows] for place, column in enumerate(COLUMNS[name])}

    def to_arrow(self, name: str) -> pyarrow.Table:
        """Return a table as an Arrow table, which pandas and polars read without a copy.

        `run.to_arrow("steps").to_pandas()`, `polars.from_arrow(run.to_arrow("steps"))`.

        Args:
            name: One of `tables()`.

        Raises:
            RunError: There is no such table, pyarrow is missing, or the record cannot be read.
        """
        from starec_sim.runs.arrow import to_arrow

        _check_table(name)
        return to_arrow(ROW_TYPES[name], _ROWS[name](self))

    def rows(self, name: str) -> Iterator[Any]:
        """Yield the rows of a table; the same as the method of its name.

        Raises:
            RunError: There is no such table.
        """
        _check_table(name)
        return _ROWS[name](self)

    def to_pandas(self, name: str) -> Any:
        """Return a table as a pandas data frame; see `to_arrow`."""
        return self.to_arrow(name).to_pandas()

    def trials(self) -> Iterator[TrialRow]:
        """Yield the trials that have begun."""
        with reading(self.folder) as reader:
            for trial in reader.trials():
                yield TrialRow(trial.arm, trial.seed, trial.rounds, trial.facts)

    def users(self) -> Iterator[UserRow]:
        """Yield the users of each trial."""
        with reading(self.folder) as reader:
            for trial in reader.trials():
                for _, user in reader.users(trial):
                    yield UserRow(trial.arm, trial.seed, user.id, user.profile)

    def items(self) -> Iterator[ItemRow]:
        """Yield the catalogue of each trial."""
        with reading(self.folder) as reader:
            for trial in reader.trials():
                for item in reader.catalogue(trial):
                    yield ItemRow(trial.arm, trial.seed, item.id, item.title, item.attributes)

    def steps(self) -> Iterator[StepRow]:
        """Yield the steps of all visits."""
        with readable_errors(self.folder / FILE):
            for found in self._recorded():
                yield step_row(*found)

    def impressions(self) -> Iterator[ImpressionRow]:
        """Yield a row for each item that was shown in each step."""
        with readable_errors(self.folder / FILE):
            for found in self._recorded():
                yield from impression_rows(*found)

    def turns(self) -> Iterator[TurnRow]:
        """Yield the policy calls of committed steps."""
        for found in self._recorded():
            yield from turn_rows(*found)

    def rewards(self) -> Iterator[RewardRow]:
        """Yield the components of the reward of each step that has one."""
        for trial, user, step, _ in self._recorded():
            for component, value in step.feedback.reward.items():
                at = (trial.arm, trial.seed, step.round, user, step.step)
                yield RewardRow(*at, component, value)

    def visits(self) -> Iterator[VisitRow]:
        """Yield the metrics of each visit, ordered by trial, round and user."""
        with reading(self.folder) as reader:
            reader.require("decisions", "the table of visits")
            for trial in reader.trials():
                for visit in queries.visit_metrics(reader.db, [trial.number]):
                    for metric, value in visit.metrics.items():
                        at = (trial.arm, trial.seed, visit.round, visit.user_id)
                        yield VisitRow(*at, metric, value)

    def metrics(self) -> Iterator[MetricRow]:
        """Yield the metrics of each round."""
        with reading(self.folder) as reader:
            for trial in reader.trials():
                for found in queries.round_metrics(reader.db, [trial.number]):
                    yield MetricRow(trial.arm, trial.seed, found.round, found.name, found.value)

    def memories(self) -> Iterator[MemoryRow]:
        """Yield the memory of each user who has visited, after the last committed round."""
        with reading(self.folder) as reader:
            for trial in reader.trials():
                items = [item.id for item in reader.catalogue(trial)]
                for user, memory in queries.memories(reader.db, trial.number):
                    history = ids_of(items, [experience.item for experience in memory.history])
                    yield MemoryRow(
                        trial.arm, trial.seed, user, memory.steps, memory.summary, history
                    )

    def rollouts(self) -> Iterator[RolloutRow]:
        """Yield the rollouts of a training by step; none of other runs.

        Raises:
            RunError: A file of rollouts is damaged.
        """
        for path in sorted((self.folder / "rollouts").glob("??????.json.z")):
            try:
                step = int(path.name[:6])
                text = unpack_zlib(read_bytes(path, MAX_ROLLOUTS), MAX_ROLLOUTS)
                stored = _ROLLOUTS.from_json(text)
            except (OSError, ValueError, zlib.error) as error:
                raise RunError(
                    f"the rollouts {path} are damaged: {visible_line(str(error))}",
                    hint="put the file back as it was",
                ) from error
            for rollout in stored["rollouts"]:
                yield _rollout_row(step, rollout)

    def _recorded(self) -> Iterator[UserStep]:
        with reading(self.folder) as reader:
            for trial in reader.trials():
                items = [item.id for item in reader.catalogue(trial)]
                for number, user in list(reader.users(trial)):
                    for step in reader.steps(trial, number):
                        yield UserStep(trial, user.id, step, items)


class _StoredRow(TypedDict):
    sampled: list[bool | Literal[0, 1]]


class _StoredRollout(TypedDict):
    group: str
    node: str
    reward: Number
    components: dict[str, Number]
    version: str
    temperature: Number
    rows: list[_StoredRow]


class _StoredRollouts(TypedDict):
    rollouts: list[_StoredRollout]


_ROLLOUTS = StoredType[_StoredRollouts]("rollouts", _StoredRollouts)


def _rollout_row(step: int, stored: _StoredRollout) -> RolloutRow:
    return RolloutRow(
        step,
        stored["group"],
        stored["node"],
        stored["reward"],
        stored["components"],
        stored["version"],
        stored["temperature"],
        sum(sum(row["sampled"]) for row in stored["rows"]),
    )


def _check_table(name: str) -> None:
    if name not in COLUMNS:
        raise RunError(
            f'a run has no table "{name}"; {did_you_mean(name, COLUMNS)}',
            hint="run.tables() lists them",
        )


ROW_TYPES: dict[str, type] = {
    "trials": TrialRow,
    "users": UserRow,
    "items": ItemRow,
    "steps": StepRow,
    "impressions": ImpressionRow,
    "turns": TurnRow,
    "rewards": RewardRow,
    "visits": VisitRow,
    "metrics": MetricRow,
    "memories": MemoryRow,
    "rollouts": RolloutRow,
}
"""The type of the rows of each table; its fields are the columns, which it documents."""

COLUMNS: dict[str, tuple[str, ...]] = {
    name: tuple(kind.__annotations__) for name, kind in ROW_TYPES.items()
}
"""The columns of each table."""

_ROWS: dict[str, Callable[[Run], Iterator[tuple[Any, ...]]]] = {
    "trials": Run.trials,
    "users": Run.users,
    "items": Run.items,
    "steps": Run.steps,
    "impressions": Run.impressions,
    "turns": Run.turns,
    "rewards": Run.rewards,
    "visits": Run.visits,
    "metrics": Run.metrics,
    "memories": Run.memories,
    "rollouts": Run.rollouts,
}
