"""Write and read the files of an evaluation in its run folder.

`evaluation.yaml` holds the settings, `candidates.jsonl` the candidate lists, `ranks/N.npz` the
ranks of contender N, and `table.json` the finished table. The visits of the agents are recorded
beside them as in any other run.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np

from starec_sim.errors import RunError
from starec_sim.evaluation import settings_file
from starec_sim.evaluation.rank_range import RankRange
from starec_sim.evaluation.settings import Evaluation
from starec_sim.evaluation.table import Table, TableRow
from starec_sim.holdout import HoldOut
from starec_sim.holdout.candidate_files import write_candidates
from starec_sim.metrics import Interval
from starec_sim.runs.atomic_file import write_atomically

SETTINGS, CANDIDATES, TABLE, RANKS = "evaluation.yaml", "candidates.jsonl", "table.json", "ranks"


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
    np.savez_compressed(part, best=ranks.best, worst=ranks.worst)
    part.replace(path)


def read_ranks(folder: Path, number: int) -> RankRange:
    """Return the stored ranks of a contender.

    Raises:
        OSError: There are none.
        BadZipFile: The file is damaged.
    """
    with np.load(_ranks_file(folder, number), allow_pickle=False) as arrays:
        return RankRange(arrays["best"], arrays["worst"])


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
    try:
        stored = json.loads(path.read_text("utf-8"))
        about, rows = stored["about"], []
        for number, row in enumerate(stored["rows"]):
            ranks = read_ranks(folder, number)
            values = ranks.values(about["protocol"]["at"], about["protocol"]["candidates"])
            how = {
                key: value
                for key, value in row.items()
                if key not in ("name", "metrics", "counters", "costs")
            }
            metrics = {name: Interval(**parts) for name, parts in row["metrics"].items()}
            rows.append(TableRow(row["name"], how, metrics, values, row["counters"], row["costs"]))
        return Table(tuple(rows), about, tuple(stored["users"]), stored["digest"])
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise RunError(
            f"the table in {folder} is damaged: {type(error).__name__}: {error}",
            hint=f"remove {path} and go on with the evaluation: it is made again from the record",
        ) from error


def _ranks_file(folder: Path, number: int) -> Path:
    return folder / RANKS / f"{number}.npz"
