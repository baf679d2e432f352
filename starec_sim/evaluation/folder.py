"""Write and read the files of an evaluation in its run folder.

`evaluation.yaml` holds the settings, `candidates.jsonl` the candidate lists, `ranks/N.npz` the
ranks of contender N, and `table.json` the finished table. The visits of the agents are recorded
beside them as in any other run.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import ConfigDict, Field, JsonValue
from typing_extensions import TypedDict  # that of Python 3.11 is refused by pydantic

from starec_sim.evaluation import settings_file
from starec_sim.evaluation.rank_range import RankRange
from starec_sim.evaluation.settings import Evaluation
from starec_sim.evaluation.table import Table, TableRow
from starec_sim.holdout import HoldOut
from starec_sim.holdout.candidate_files import write_candidates
from starec_sim.metrics import Interval
from starec_sim.runs.atomic_file import write_atomically
from starec_sim.runs.compression import MAX_ARRAYS, read_arrays
from starec_sim.runs.record_errors import damaged, readable_errors
from starec_sim.runs.regular_file import read_bytes
from starec_sim.runs.stored_values import StoredType, StoredValueError

SETTINGS, CANDIDATES, TABLE, RANKS = "evaluation.yaml", "candidates.jsonl", "table.json", "ranks"

_Size = Annotated[int, Field(ge=1, le=1_000_000)]


class _StoredInterval(TypedDict):
    mean: float
    low: float
    high: float
    n: int


class _StoredRow(TypedDict):
    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    name: str
    kind: Literal["floor", "recommender", "agent"]
    metrics: dict[str, _StoredInterval]
    counters: dict[str, int]
    costs: dict[str, float | None]


class _StoredProtocol(TypedDict):
    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    name: str
    candidates: _Size
    at: Annotated[list[_Size], Field(min_length=1)]


class _StoredCounts(TypedDict):
    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    users: int


_StoredAbout = TypedDict(
    "_StoredAbout",
    {
        "protocol": _StoredProtocol,
        "dataset": str,
        "data": JsonValue,
        "seed": int,
        "counts": _StoredCounts,
        "exam": str,
        "left out": dict[str, str],
    },
)


class _StoredTable(TypedDict):
    rows: Annotated[list[_StoredRow], Field(min_length=1)]
    about: _StoredAbout
    digest: str
    users: list[str]


_TABLE = StoredType[_StoredTable]("table.json", _StoredTable)
_ROW_KEYS = ("name", "metrics", "counters", "costs")
"""Keys of a stored row that do not say how the contender ranks."""


def write_settings(folder: Path, evaluation: Evaluation, holdout: HoldOut) -> None:
    """Write the settings of an evaluation and its candidate lists."""
    write_candidates(holdout.listed(), folder / CANDIDATES)
    settings_file.write(folder / SETTINGS, evaluation)


def read_settings(folder: Path) -> Evaluation:
    """Return the settings of an evaluation.

    Raises:
        RunError: The folder holds none.
    """
    return settings_file.read(
        folder / SETTINGS, Evaluation, what="evaluation", command="starec eval POLICY"
    )


def has_ranks(folder: Path, number: int) -> bool:
    """Return whether the ranks of a contender are stored."""
    return _ranks_file(folder, number).is_file()


def write_ranks(folder: Path, number: int, ranks: RankRange) -> None:
    """Store the ranks of a contender."""
    path = _ranks_file(folder, number)
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(".part.npz")
    part.unlink(missing_ok=True)  # a link that somebody put there is not followed
    np.savez_compressed(part, best=ranks.best, worst=ranks.worst)
    part.replace(path)


def read_ranks(folder: Path, number: int) -> RankRange:
    """Return the stored ranks of a contender.

    Raises:
        RunError: There are none, or the file is damaged.
    """
    path = _ranks_file(folder, number)
    with readable_errors(path):
        arrays = read_arrays(io.BytesIO(read_bytes(path, MAX_ARRAYS)))
        best, worst = arrays.get("best"), arrays.get("worst")
        if best is None or worst is None or best.ndim != 2 or best.shape != worst.shape:
            raise StoredValueError("it does not hold the ranks of each user and draw")
        if best.dtype.kind != "f" or worst.dtype.kind != "f" or np.any(best > worst):
            raise StoredValueError("its ranks are no numbers, or a best rank is above a worst")
        if np.any(best < 1) or not np.array_equal(np.isnan(best), np.isnan(worst)):
            raise StoredValueError("a rank is below 1, or one of a pair is missing")
        return RankRange(best, worst)


def has_table(folder: Path) -> bool:
    """Return whether there is a table; the manifest says whether the evaluation is finished."""
    return (folder / TABLE).is_file()


def write_table(folder: Path, table: Table) -> None:
    """Write the table of a finished evaluation."""
    values = {**table.as_json(), "users": list(table.users)}
    text = json.dumps(values, ensure_ascii=False, indent=1) + "\n"
    write_atomically(folder / TABLE, text)


def read_finished_table(folder: Path) -> Table:
    """Return the table of a finished evaluation.

    Raises:
        RunError: A file is missing or damaged.
    """
    path = folder / TABLE
    with readable_errors(path):
        text = read_bytes(path)
        stored = _TABLE.from_json(text)
    about, users = stored["about"], tuple(stored["users"])
    at, candidates = about["protocol"]["at"], about["protocol"]["candidates"]
    rows = []
    for number, row in enumerate(stored["rows"]):
        ranks = read_ranks(folder, number)
        known = ranks.worst[~np.isnan(ranks.worst)]
        if len(ranks.best) != len(users) or np.any((known < 1) | (known > candidates)):
            raise damaged(
                _ranks_file(folder, number),
                f"it does not hold ranks from 1 to {candidates} of {len(users)} users",
            )
        values = ranks.values(at, candidates)
        if row["metrics"].keys() != values.keys():
            raise damaged(path, f"the row {row['name']} does not have the metrics of its protocol")
        how = {key: value for key, value in row.items() if key not in _ROW_KEYS}
        metrics = {name: Interval(**parts) for name, parts in row["metrics"].items()}
        rows.append(TableRow(row["name"], how, metrics, values, row["counters"], row["costs"]))
    in_order = json.loads(text)["about"]  # `stored` has the keys that its type names first
    return Table(tuple(rows), in_order, users, stored["digest"])


def _ranks_file(folder: Path, number: int) -> Path:
    return folder / RANKS / f"{number}.npz"
