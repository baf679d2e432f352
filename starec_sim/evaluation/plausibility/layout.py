"""Find the rows of metrics in a table: its header, its direction, its sections, its scale.

Whatever is not read is counted and named, so that nobody takes half a table for all of it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from starec_sim.errors import DataError
from starec_sim.evaluation.plausibility.check import PublishedRow
from starec_sim.evaluation.plausibility.grid import Cell, Grid, Number
from starec_sim.evaluation.plausibility.header import Column, columns, is_header

ROUNDED = 0.5000001
"""Half a unit of the last decimal, and a little more for rounding errors of floats."""
_CHANGES = re.compile(
    r"\b(?:%\s*)?impr(?:ov\w*|\.|\b)|\bimp\.|^imp\b|^(?:rel\w*\.?\s+|abs\w*\.?\s+)?gains?\b|Δ"
    r"|\bp[- ]?values?\b|^std\b|^(?:relative|absolute)\b|^\(?%\)?$",
    re.IGNORECASE,
)

_LIKE_A_VALUE = re.compile(r"[-+−]?\.?\d")


class Unread(NamedTuple):
    """Cells of a table that were not read, and why."""

    table: str
    what: str
    cells: int


@dataclass
class PublishedTables:
    """The rows of a file, by table, and what of it was not read."""

    tables: dict[str, list[PublishedRow]] = field(default_factory=dict)
    unread: list[Unread] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    """Columns that may mix fractions with percentages."""

    @property
    def count(self) -> int:
        """The number of rows."""
        return sum(map(len, self.tables.values()))


class _Figure(NamedTuple):
    line: int
    row: str
    group: str
    metric: str
    number: Number
    percent: bool


def read_grid(
    grid: Grid, name: str, found: PublishedTables, candidates: int | None, percent: bool | None
) -> None:
    """Add the rows of one table, and what of it was not read.

    Args:
        grid: The cells.
        name: The name of the table.
        found: Is added to.
        candidates: Items that a ranking holds; from the greatest k if None.
        percent: Whether numbers without a sign are percentages; None decides by their size.

    Raises:
        DataError: It is not clear whether the numbers are percentages.
    """
    grid = _with_sections(grid)
    if _is_transposed(grid):
        grid = [list(row) for row in zip(*grid, strict=True)]
    for header, body in _blocks(grid):
        heads = columns(header) if header else []
        if not any(heads):
            cells = sum(_filled(row) for row in body)
            if cells:
                found.unread.append(Unread(name, "rows without NDCG@k, HR@k or MRR above", cells))
            continue
        figures = _figures(header, _groups(heads), body, name, found)
        _add(figures, name, found, candidates, percent)


def greatest_k(names: Sequence[str]) -> int:
    """Return how many ranks decide the metrics: the greatest k, and one more for an MRR.

    What an answer beyond the greatest k adds to MRR lies between nothing and what it adds at the
    next rank, so a mixture of both gives every value.
    """
    k = max((int(name.partition("@")[2]) for name in names if "@" in name), default=20)
    return k + ("mrr" in names)


def _filled(row: Sequence[Cell]) -> int:
    return len({cell for cell in row if not cell.blank})


def _with_sections(grid: Grid) -> Grid:
    """Return the table with a first column for its sections, and without their rows.

    A section is a row with a single text, such as the name of a dataset across all columns.
    """
    section, rows = Cell("", 0, -1), []
    for row in grid:
        texts = {cell for cell in row if not cell.blank}
        if len(texts) == 1:
            text = next(iter(texts))
            if not (text.number or is_header([text], ())):
                section = text
                continue
        if texts:
            rows.append([section, *row])
    return rows


def _is_transposed(grid: Grid) -> bool:
    """Return whether the values of a metric stand beside its name, and not below it."""
    beside = below = 0
    for y, row in enumerate(grid):
        for x, cell in enumerate(row):
            if is_header([cell], ()):
                beside += x + 1 < len(row) and row[x + 1].number is not None
                below += y + 1 < len(grid) and grid[y + 1][x].number is not None
    return beside > below


def _blocks(grid: Grid) -> Iterator[tuple[list[list[Cell]], list[list[Cell]]]]:
    """Yield each header with the rows below it. Rows before any header come with an empty one."""
    header: list[list[Cell]] = []
    body: list[list[Cell]] = []
    waiting: list[list[Cell]] = []
    """Rows of text, which belong to the header if one follows."""
    for row in grid:
        top = [*header, *waiting] if not body else waiting
        if is_header(row, top):
            if body:
                yield header, body
                header, body = [], []
            header, waiting = [*header, *waiting, row], []
        elif any(cell.number for cell in row):
            # Below the metrics, a header can go on with the names of datasets.
            while header and not body and waiting and _names_only(waiting[0]):
                header.append(waiting.pop(0))
            body, waiting = [*body, *waiting, row], []
        else:
            waiting.append(row)
    if header or body or waiting:
        yield header, [*body, *waiting]


def _names_only(row: Sequence[Cell]) -> bool:
    """Return whether no cell of a row looks like a value, not even like one that is not read."""
    return not any(_LIKE_A_VALUE.match(cell.text) for cell in row)


def _groups(heads: Sequence[Column | None]) -> list[Column | None]:
    """Return the columns with a label for each table side by side, also where headers repeat."""
    seen: Counter[tuple[str, str]] = Counter()
    repeated: list[Column | None] = []
    for head in heads:
        if head is None:
            repeated.append(None)
            continue
        seen[head.label, head.metric] += 1
        n = seen[head.label, head.metric]
        again = f"{head.label}, part {n}".removeprefix(", ") if n > 1 else head.label
        repeated.append(head._replace(label=again))
    return repeated


def _figures(
    header: Sequence[Sequence[Cell]],
    heads: Sequence[Column | None],
    body: Sequence[Sequence[Cell]],
    name: str,
    found: PublishedTables,
) -> list[_Figure]:
    """Return the numbers of a block; what is no number of a metric is noted as not read."""
    first = next(index for index, head in enumerate(heads) if head)
    labels = [index for index in range(first) if not index or _is_text(body, index)]
    figures: list[_Figure] = []
    elsewhere: Counter[str] = Counter()
    for line, row in enumerate(body):
        names = [row[index] for index in labels]
        label = ", ".join(dict.fromkeys(c.text for c in names if not c.blank)) or "(no name)"
        if any(_CHANGES.search(cell.text) for cell in names):
            what = f'the row "{label}": changes and tests are no metrics'
            found.unread.append(Unread(name, what, _filled(row) - _filled(names)))
            continue
        for index, (cell, head) in enumerate(zip(row, heads, strict=True)):
            if cell.blank or index in labels:
                continue
            number = cell.number
            if head is None:
                titles = dict.fromkeys(top[index].text for top in header if top[index].text)
                elsewhere[", ".join(titles) or f"number {index}"] += 1
            elif number is None or number.change or (index and row[index - 1] == cell):
                found.unread.append(
                    Unread(name, f'"{label}", {head.metric}: "{cell.text}" is no value', 1)
                )
            else:
                percent = head.percent or number.percent
                figures.append(_Figure(line, label, head.label, head.metric, number, percent))
    for title, cells in elsewhere.items():
        found.unread.append(Unread(name, f'the column "{title}", which is no metric', cells))
    return figures


def _is_text(body: Sequence[Sequence[Cell]], index: int) -> bool:
    """Return whether a column holds names, and not numbers."""
    cells = [row[index] for row in body if not row[index].blank]
    return 2 * sum(cell.number is not None for cell in cells) <= len(cells)


def _add(
    figures: Sequence[_Figure],
    name: str,
    found: PublishedTables,
    candidates: int | None,
    percent: bool | None,
) -> None:
    """Add the rows that the numbers of a block make."""
    for group in dict.fromkeys(figure.group for figure in figures):
        of_group = [figure for figure in figures if figure.group == group]
        table = _free(f"{name}, {group}" if group else name, found)
        unsigned = [figure for figure in of_group if not figure.percent]
        scale = 100.0 if _are_percentages(unsigned, table, percent) else 1.0
        if percent is None and scale > 1:
            found.doubts += _small_percentages(unsigned, table)
        rows: dict[int, list[_Figure]] = {}
        for figure in of_group:
            rows.setdefault(figure.line, []).append(figure)
        found.tables[table] = [_published(row, scale, candidates) for row in rows.values()]


def _published(row: Sequence[_Figure], scale: float, candidates: int | None) -> PublishedRow:
    metrics, off = {}, {}
    for figure in row:
        by = 100.0 if figure.percent else scale
        metrics[figure.metric] = figure.number.value / by
        off[figure.metric] = ROUNDED * 10.0**-figure.number.decimals / by
    return PublishedRow(row[0].row, metrics, off, candidates or greatest_k(list(metrics)))


def _are_percentages(figures: Sequence[_Figure], table: str, percent: bool | None) -> bool:
    if percent is not None or not figures:
        return bool(percent)
    above = [figure for figure in figures if figure.number.value > 1]
    if not above or 2 * len(above) >= len(figures):
        return bool(above)
    greatest = max(above, key=lambda figure: figure.number.value)
    metric = greatest.metric
    below = [figure for figure in figures if figure.metric == metric and figure.number.value <= 1]
    mixed = f'{metric} is {greatest.number.value:g} in the row "{greatest.row}"'
    if below:
        mixed = (
            f'the column {metric} mixes {below[0].number.value:g} ("{below[0].row}") with '
            f'{greatest.number.value:g} ("{greatest.row}")'
        )
    raise DataError(
        f"{table}: {len(above)} of {len(figures)} numbers are above 1, too few for percentages and "
        f"too many for fractions: {mixed}",
        hint="say what they are: --percent or --fractions",
    )


def _small_percentages(figures: Sequence[_Figure], table: str) -> Iterator[str]:
    """Yield what to say of columns of percentages that hold numbers up to 1.

    A weak method has such percentages, so they are no error; they may as well be fractions.
    """
    for metric in dict.fromkeys(figure.metric for figure in figures):
        column = [figure for figure in figures if figure.metric == metric]
        small = [figure for figure in column if 0 < figure.number.value <= 1]
        if small:
            first = small[0]
            yield (
                f"{table}, {metric}: {len(small)} of {len(column)} numbers are at most 1, and were "
                f'read as percentages, as most numbers are: {first.number.value:g} ("{first.row}") '
                f"as {first.number.value / 100:.4g}; if they are fractions, write all numbers alike"
            )


def _free(name: str, found: PublishedTables) -> str:
    """Return a name that no table has yet."""
    free, n = name, 1
    while free in found.tables:
        n += 1
        free = f"{name} {n}"
    return free
