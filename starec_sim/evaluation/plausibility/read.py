"""Read published tables from JSON, YAML, CSV, Markdown and LaTeX."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from pydantic import Field

from starec_sim import yaml_files
from starec_sim.errors import ConfigError, DataError
from starec_sim.evaluation.plausibility.check import PublishedRow
from starec_sim.settings import Settings, validate

_METRIC = re.compile(r"(?:(ndcg|n|hr|hit|recall|h)@(\d{1,5})|(mrr))", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?\d+(?:\.(\d+))?")
_ROUNDED = 0.5000001
"""Half a unit of the last decimal, and a little more for rounding errors of floats."""


class _Table(Settings):
    """One table of a YAML file."""

    name: str
    candidates: int = Field(ge=1)
    scale: float = Field(default=1.0, gt=0)
    decimals: int = Field(ge=0, le=15)
    metrics: list[str] = Field(min_length=1)
    rows: dict[str, list[float]]


class _File(Settings):
    """A YAML file of published tables."""

    title: str = ""
    source: str = ""
    tables: list[_Table] = Field(min_length=1)


def metric_name(text: str) -> str | None:
    """Return the name of a metric as this project writes it; None for anything else.

    >>> [metric_name(text) for text in ("NDCG@10", "Recall@5", "MRR", "users")]
    ['ndcg@10', 'hr@5', 'mrr', None]
    """
    match = _METRIC.fullmatch(text.strip())
    if match is None:
        return None
    if match[3]:
        return "mrr"
    return f"{'ndcg' if match[1].lower() in ('ndcg', 'n') else 'hr'}@{int(match[2])}"


def shipped_tables(name: str = "starec") -> dict[str, list[PublishedRow]]:
    """Return the tables of a paper that ship with this package, by dataset."""
    folder = files("starec_sim.evaluation.plausibility") / "published"
    return parse_yaml((folder / f"{name}.yaml").read_text("utf-8"), name)


def read_tables(path: Path, candidates: int | None = None) -> dict[str, list[PublishedRow]]:
    """Return the rows of a file, by table.

    Args:
        path: JSON as `starec eval --json` prints it, YAML as the published tables that ship, CSV,
            Markdown with pipes, or LaTeX with ampersands.
        candidates: Items that a ranking holds, where the file does not say; the greatest k when
            None.

    Raises:
        DataError: The file cannot be read, or holds no table with metrics.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}", hint="name a table's file") from None
    suffix = path.suffix.lower()
    if suffix in (".yaml", ".yml"):
        tables = parse_yaml(text, str(path))
    elif suffix == ".json":
        tables = {path.stem: _from_json(text, path)}
    elif suffix in (".csv", ".tsv"):
        lines = csv.reader(io.StringIO(text), delimiter="\t" if suffix == ".tsv" else ",")
        tables = _from_cells([list(line) for line in lines], path, candidates)
    elif suffix == ".tex":
        tables = _from_cells(
            [re.split(r"(?<!\\)&", line) for line in text.splitlines()], path, candidates
        )
    else:
        cells = [line.strip().strip("|").split("|") for line in text.splitlines()]
        tables = _from_cells(cells, path, candidates)
    if not any(tables.values()):
        raise DataError(
            f"{path} holds no table with NDCG@k, HR@k or MRR in its header",
            hint="name the columns after the metrics, e.g. ndcg@10",
        )
    return tables


def parse_yaml(text: str, at: str) -> dict[str, list[PublishedRow]]:
    """Return the rows of a published table, by dataset.

    Raises:
        ConfigError: A key or value is wrong.
    """
    values = yaml_files.parse(text, at, hint="it needs `tables`")
    found: dict[str, list[PublishedRow]] = {}
    for table in validate(_File, values, at).tables:
        names = [metric_name(name) for name in table.metrics]
        if None in names:
            wrong = table.metrics[names.index(None)]
            raise ConfigError(f'{at}: "{wrong}" is no metric', hint="e.g. ndcg@10, hr@5, mrr")
        tolerance = _ROUNDED * 10.0**-table.decimals / table.scale
        found[table.name] = []
        for name, row in table.rows.items():
            if len(row) != len(names):
                raise ConfigError(
                    f"{at}: {name} has {len(row)} values for {len(names)} metrics",
                    hint="mend the row",
                )
            scaled = [value / table.scale for value in row]
            metrics = dict(zip(map(str, names), scaled, strict=True))
            off = dict.fromkeys(metrics, tolerance)
            found[table.name].append(PublishedRow(name, metrics, off, table.candidates))
    return found


def _from_json(text: str, path: Path) -> list[PublishedRow]:
    """Return the rows of a table as `starec eval --json` prints it."""
    try:
        values = json.loads(text)
        rows = values["rows"] if isinstance(values, dict) else values
        about = values.get("about", {}) if isinstance(values, dict) else {}
        candidates = about.get("protocol", {}).get("candidates")
        published = []
        for row in rows:
            metrics = {
                str(metric_name(name)): float(found["mean"])
                for name, found in row["metrics"].items()
                if metric_name(name)
            }
            published.append(
                PublishedRow(row["name"], metrics, candidates=candidates or _greatest_k(metrics))
            )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} is no table of an evaluation: {type(error).__name__} {error}",
            hint="write one with: starec eval POLICY --data DATA --json > table.json",
        ) from None
    return published


def _from_cells(
    lines: Sequence[Sequence[str]], path: Path, candidates: int | None
) -> dict[str, list[PublishedRow]]:
    """Return the rows below each header: a line whose cells name metrics."""
    found: dict[str, list[PublishedRow]] = {}
    header: list[str | None] = []
    table = path.stem
    for line in lines:
        cells = [re.sub(r"\\(textbf|multicolumn)|[*{}$\\]|\\\\", "", cell).strip() for cell in line]
        names = [metric_name(cell) for cell in cells]
        if not any(cells):
            header = []  # a table ends where a line is empty
        if any(names):
            header, table = names, f"{path.stem} {len(found) + 1}" if found else path.stem
            found[table] = []
            continue
        numbers = {
            name: number
            for name, cell in zip(header, cells, strict=False)
            if name and (number := _NUMBER.match(cell))
        }
        if not numbers:
            continue
        percent = any(float(number[0]) > 1 for number in numbers.values())
        scale = 100.0 if percent else 1.0
        metrics = {name: float(number[0]) / scale for name, number in numbers.items()}
        off = {
            name: _ROUNDED * 10 ** -len(number[1] or "") / scale for name, number in numbers.items()
        }
        found[table].append(
            PublishedRow(cells[0], metrics, off, candidates or _greatest_k(metrics))
        )
    return found


def _greatest_k(metrics: dict[str, float]) -> int:
    """Return the greatest k of the metrics; 20 where there is none."""
    return max((int(name.partition("@")[2]) for name in metrics if "@" in name), default=20)
