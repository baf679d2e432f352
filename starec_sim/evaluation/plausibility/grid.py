"""The cells of a table in a file, whatever its format: spans laid out, numbers read strictly."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from starec_sim.errors import DataError

_MOST_COLUMNS, _MOST_ROWS = 200, 5000
"""Greatest size of a table; a longer one is refused, and a longer span is cut."""
_LONGEST = 200
"""Characters of a cell that can still be a number."""

_PLUS_MINUS = r"(?:±|\+/?-)\s*[\d.]+\s*%?"
_NUMBER = re.compile(
    r"(?P<sign>[-+]?)(?P<number>\d*\.?\d+)(?:[eE](?P<exponent>[-+]?\d{1,2}))?\s*(?P<percent>%?)"
    # Then an error, a rank in brackets, an arrow with a change, marks of significance.
    rf"(?:\s*(?:[_^]?\s*\(?\s*{_PLUS_MINUS}\s*\)?|\(\s*[-+]?[\d.]+\s*%?\s*\)"
    r"|[↑↓▲▼]\s*[\d.]*\s*%?|\^\(?[\w*†‡§¶,]{1,5}\)?|[*†‡§¶_]))*"
)
_DASHES = frozenset({"", "-", "--", "---", "–", "—", "/", "n/a", "na", "nan", "none", "oom", "."})


class Cell(NamedTuple):
    """A cell. All cells that one text spans are equal."""

    text: str
    row: int
    """Where it begins."""
    column: int

    @property
    def blank(self) -> bool:
        """Whether it holds nothing, or a dash."""
        return self.text.casefold() in _DASHES

    @property
    def number(self) -> Number | None:
        """The number in the cell; None if it holds anything else."""
        text = self.text.replace("−", "-").lstrip("*_ ").rstrip()
        match = _NUMBER.fullmatch(text) if len(text) <= _LONGEST else None
        if match is None:
            return None
        digits = match["number"]
        change = match["sign"] == "+" or (match["sign"] == "-" and bool(match["percent"]))
        exponent = int(match["exponent"] or 0)
        value = float(f"{match['sign']}{digits}e{exponent}")
        decimals = len(digits.partition(".")[2]) - exponent
        return Number(value, decimals, bool(match["percent"]), change)


class Number(NamedTuple):
    """A number as it is printed."""

    value: float
    decimals: int
    percent: bool
    """Whether a percent sign follows."""
    change: bool
    """Whether it is written as a change, such as +3.1 %, and not as a value."""


class Span(NamedTuple):
    """A text and the cells that it covers."""

    text: str
    columns: int = 1
    rows: int = 1
    """Negative if it covers cells above, as LaTeX allows."""


Grid = list[list[Cell]]


def lay_out(lines: Sequence[Sequence[Span]], *, covered_are_written: bool) -> Grid:
    """Return the cells of a table as a rectangle.

    Args:
        lines: The spans of each row.
        covered_are_written: Whether a cell that a span from above covers is still written, empty,
            as in LaTeX; in HTML it is left out.

    Raises:
        DataError: There are too many cells.

    >>> lines = [[Span("a", rows=2), Span("b", columns=2)], [Span("c"), Span("d")]]
    >>> [[cell.text for cell in row] for row in lay_out(lines, covered_are_written=False)]
    [['a', 'b', 'b'], ['a', 'c', 'd']]
    """
    wide = max(map(len, lines), default=0)
    if len(lines) > _MOST_ROWS or wide > _MOST_COLUMNS:
        raise DataError(
            f"a table has {len(lines):,} rows and {wide:,} columns; at most {_MOST_ROWS:,} and "
            f"{_MOST_COLUMNS} are read",
            hint="split it into several",
        )
    placed: dict[tuple[int, int], Cell] = {}
    for row, spans in enumerate(lines):
        column = 0
        for span in spans:
            while not covered_are_written and (row, column) in placed:
                column += 1
            first, last = sorted((row, row + (span.rows - 1 if span.rows > 0 else span.rows + 1)))
            cell = Cell(" ".join(span.text.split()), row, column)
            for x in range(column, min(column + span.columns, _MOST_COLUMNS)):
                for y in range(max(first, 0), min(last + 1, len(lines))):
                    if cell.text or (y, x) not in placed:
                        placed[y, x] = cell
            column += span.columns
    width = 1 + max((column for _, column in placed), default=-1)
    return [
        [placed.get((row, column), Cell("", row, column)) for column in range(width)]
        for row in range(len(lines))
    ]
