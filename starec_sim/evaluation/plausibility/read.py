"""Read published tables from JSON, YAML, CSV, Markdown and LaTeX."""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import itertools
import math
import re
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import Field

from starec_sim import yaml_files
from starec_sim.errors import ConfigError, DataError, did_you_mean
from starec_sim.evaluation.plausibility.check import PublishedRow
from starec_sim.evaluation.plausibility.grid import Grid, Span, lay_out
from starec_sim.evaluation.plausibility.header import metric_name
from starec_sim.evaluation.plausibility.layout import (
    ROUNDED,
    PublishedTables,
    Unread,
    greatest_k,
    read_grid,
)
from starec_sim.json_nesting import parse_json
from starec_sim.settings import Settings, validate

_MOST_BYTES = 2_000_000
_MAX_DEPTH = 20
"""Nesting of a JSON file; that of an evaluation has 6 levels."""
_FORMATS = {
    **{".yaml": "yaml", ".yml": "yaml", ".json": "json", ".csv": "csv", ".tsv": "csv"},
    **{".tex": "latex", ".html": "html", ".htm": "html", ".md": "markdown"},
    ".markdown": "markdown",
}
_NO_METRIC = "name the columns (or rows) after the metrics, e.g. NDCG@10"
_NO_TABLE = {
    "markdown": "a table has a line | --- | --- | below its header",
    "html": "the table must be in the page itself: <table>...</table>",
    "latex": "write the lines of the table between \\begin{tabular} and \\end{tabular}",
    "csv": "the first line names the columns, e.g. method,NDCG@10",
}


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


def shipped_tables(name: str = "starec") -> dict[str, list[PublishedRow]]:
    """Return the tables of a paper that ship with this package, by dataset."""
    folder = files("starec_sim.evaluation.plausibility") / "published"
    return parse_yaml((folder / f"{name}.yaml").read_text("utf-8"), name)


def read_tables(
    path: Path, candidates: int | None = None, percent: bool | None = None
) -> PublishedTables:
    """Return the rows of a file, by table, and what of it was not read.

    Args:
        path: JSON as `starec eval --json` prints it, YAML as the published tables that ship, CSV,
            TSV, Markdown, HTML, or LaTeX.
        candidates: Items that a ranking holds, where the file does not say; None if it does not
            matter beyond the greatest k.
        percent: Whether numbers without a sign are percentages; None decides by their size.

    Raises:
        DataError: The file cannot be read, or holds no table with metrics.
    """
    text = _text(path)
    form = _FORMATS.get(path.suffix.casefold()) or _format_of(text)
    if form == "yaml":
        return PublishedTables(parse_yaml(text, str(path)))
    if form == "json":
        return _from_json(text, path)
    found = PublishedTables()
    grids = [grid for grid in _grids(text, form, path) if grid]
    for number, grid in enumerate(grids, 1):
        name = f"{path.stem} {number}" if len(grids) > 1 else path.stem
        read_grid(grid, name, found, candidates, percent)
    if not found.count:
        left = "; ".join(f"{each.table}: {each.what}" for each in found.unread[:3])
        raise DataError(
            f"{path} holds no table with NDCG@k, HR@k or MRR in its header{left and f' ({left})'}",
            hint=_hint_of(found) if grids else _NO_TABLE[form],
        )
    return found


def _hint_of(found: PublishedTables) -> str:
    """Return what to do about tables of which nothing was read."""
    if any(re.search(r'"\d+,\d+" is no value', each.what) for each in found.unread):
        return "write decimal points in place of commas: 0.51, not 0,51"
    if any(each.what.endswith("is no value") for each in found.unread):
        return "write the values as numbers, e.g. 0.51 or 51 %"
    return _NO_METRIC


def _text(path: Path) -> str:
    """Return the text of a file, decoded by its byte-order mark, else as UTF-8."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(
                f"{path} has {path.stat().st_size:,} bytes; a table has at most {_MOST_BYTES:,}",
                hint="copy the table into a file of its own",
            )
        data = path.read_bytes()
        wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return data.decode("utf-16" if wide else "utf-8-sig")
    except FileNotFoundError:
        near = did_you_mean(path.name, _beside(path))
        raise DataError(f"there is no file {path}", hint=near) from None
    except IsADirectoryError:
        names = ", ".join(_beside(path / "x")) or "CSV, Markdown, HTML or LaTeX"
        raise DataError(f"{path} is a folder", hint=f"name a file: {names}") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is no text in UTF-8: {error.reason} at byte {error.start}",
            hint="save the table as CSV, Markdown, HTML or LaTeX in UTF-8",
        ) from None


def _beside(path: Path) -> list[str]:
    """Return the names of the first files in the folder of a path that can hold tables."""
    with contextlib.suppress(OSError):
        names = (each.name for each in path.parent.iterdir() if each.suffix in _FORMATS)
        return sorted(itertools.islice(names, 50))
    return []


def _format_of(text: str) -> str:
    """Return the format of a text whose name does not say it."""
    if "\\begin{tab" in text or "\\\\" in text:
        return "latex"
    return "html" if "<table" in text.casefold() else "markdown"


def _grids(text: str, form: str, path: Path) -> Iterable[Grid]:
    # The libraries for markup are imported for tables of others only.
    from starec_sim.evaluation.plausibility.latex import latex_grids
    from starec_sim.evaluation.plausibility.markup import html_grids, markdown_grids

    if form == "latex":
        return latex_grids(text, str(path))
    if form == "html":
        return html_grids(text)
    if form == "markdown":
        return markdown_grids(text)
    return _csv_grids(text, path)


def _csv_grids(text: str, path: Path) -> Iterable[Grid]:
    """Yield the tables of a CSV file; a blank line ends a table."""
    from starec_sim.evaluation.plausibility.latex import latex_text

    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max("\t;,", key=first.count)  # where equal, the first
    lines: list[list[Span]] = []
    try:
        for cells in csv.reader(io.StringIO(text), delimiter=delimiter, strict=True):
            if any(cell.strip() for cell in cells):
                lines.append([Span(latex_text(cell)) for cell in cells])
            else:
                yield lay_out(lines, covered_are_written=True)
                lines = []
    except csv.Error as error:
        raise DataError(
            f"{path} is not valid CSV: {error}",
            hint='a field that holds a quote is written "like ""this"""',
        ) from None
    yield lay_out(lines, covered_are_written=True)


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
        if len(set(names)) < len(names):
            raise ConfigError(f"{at}: {table.name} has a metric twice", hint="keep one of the two")
        tolerance = ROUNDED * 10.0**-table.decimals / table.scale
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


def _from_json(text: str, path: Path) -> PublishedTables:
    """Return the rows of a table as `starec eval --json` prints it."""
    found = PublishedTables({path.stem: []})
    try:
        values = parse_json(text, _MAX_DEPTH)
        rows = values["rows"] if isinstance(values, dict) else values
        about = values.get("about", {}) if isinstance(values, dict) else {}
        candidates = about.get("protocol", {}).get("candidates")
        for row in rows:
            metrics: dict[str, float] = {}
            for given, of_metric in row["metrics"].items():
                name = metric_name(given)
                if name is None or name in metrics:
                    what = f'"{row["name"]}": {given}'
                    found.unread.append(Unread(path.stem, what, 1))
                else:
                    metrics[name] = _mean(of_metric["mean"], f'"{row["name"]}", {given}')
            places = candidates or greatest_k(list(metrics))
            found.tables[path.stem].append(
                PublishedRow(str(row["name"]), metrics, candidates=places)
            )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        why = f"a row has no {error}" if isinstance(error, KeyError) else str(error)
        raise DataError(
            f"{path} is no table of an evaluation: {why}",
            hint="`starec eval POLICY --data DATA --json > table.json` writes one; write rows of "
            "your own as CSV",
        ) from None
    return found


def _mean(value: Any, at: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{at}: {value!r:.40} is no number")
    return value
