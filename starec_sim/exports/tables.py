"""A run as files of tables: a folder with one file for each table of `starec_sim.read_run`."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any, Literal

from starec_sim.errors import RunError, import_problem, os_hint
from starec_sim.runs.run_tables import COLUMNS, Run, read_run
from starec_sim.runs.whole_file import whole_file, whole_path

TableFormat = Literal["parquet", "csv", "jsonl"]


def write_tables(run: Path, folder: Path, form: TableFormat) -> dict[str, int]:
    """Write all tables of a run, and return the number of rows of each.

    In CSV, lists and mappings are written as JSON.

    Raises:
        RunError: The run cannot be read, a file cannot be written, or pyarrow is missing.
    """
    opened = read_run(run)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write = {"parquet": _parquet, "csv": _csv, "jsonl": _json_lines}[form]
        return {name: write(opened, name, folder / f"{name}.{form}") for name in opened.tables()}
    except OSError as error:
        raise RunError(
            f"{folder} cannot be written: {error.strerror}", hint=os_hint(error)
        ) from error


def _parquet(run: Run, name: str, file: Path) -> int:
    table = run.to_arrow(name)
    try:
        from pyarrow import parquet
    except ImportError as error:
        problem, hint = import_problem(error, "pip install 'starec-sim[parquet]'")
        raise RunError(f"Parquet files need pyarrow: {problem}", hint=hint) from error
    with whole_path(file) as part:
        parquet.write_table(table, part, compression="zstd")
    return int(table.num_rows)


def _json_lines(run: Run, name: str, file: Path) -> int:
    count = 0
    with whole_file(file) as out:
        for row in run.rows(name):
            out.write(json.dumps(row._asdict(), ensure_ascii=False) + "\n")
            count += 1
    return count


def _csv(run: Run, name: str, file: Path) -> int:
    count = 0
    with whole_file(file) as out:
        writer = csv.writer(out)
        writer.writerow(COLUMNS[name])
        for row in run.rows(name):
            writer.writerow([_cell(value) for value in row])
            count += 1
    return count


def _cell(value: Any) -> Any:
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, ensure_ascii=False)
    return value
