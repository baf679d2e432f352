"""How results are printed: tables, sparklines, JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from starec_sim.glossary import entry
from starec_sim.metrics import Interval
from starec_sim.report import Report

_BLOCKS = "▁▂▃▄▅▆▇█"


def clean(text: str) -> str:
    """Return text from outside without control characters, which a terminal would obey.

    >>> clean("a\\x1b[31mb\\nc")
    'a[31mb\\nc'
    """
    return "".join(c for c in text if c == "\n" or (c.isprintable()))


def print_json(value: Any) -> None:
    """Print one JSON object on stdout; NaN becomes null."""
    print(json.dumps(_finite(value), ensure_ascii=False))


def sparkline(values: Sequence[float], low: float, high: float, width: int = 12) -> str:
    """Return a line of blocks between two bounds; a long series keeps its last value.

    >>> sparkline([0, 1, 2, 3], 0, 3)
    '▁▃▆█'
    """
    step = max(1, math.ceil(len(values) / width))
    chosen = list(values)[::-1][::step][::-1]
    span = high - low
    return "".join(
        " " if math.isnan(v) else _BLOCKS[round((v - low) / span * 7) if span > 0 else 3]
        for v in chosen
    )


def print_report(report: Report) -> None:
    """Print the figures of all arms, and the differences from the first."""
    console = Console()
    arms = list(report.figures)
    names = list(report.figures[arms[0]]) if arms else []
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("")
    for arm in arms:
        table.add_column(arm)
    for name in names:
        series = [v for arm in arms for v in report.figures[arm][name].series if not math.isnan(v)]
        low, high = min(series, default=0.0), max(series, default=0.0)
        cells = []
        for arm in arms:
            figure = report.figures[arm][name]
            line = sparkline(figure.series, low, high)
            cells.append(Text(f"{line} ", "cyan") + _interval(figure.interval))
        table.add_row(entry(name).label, *cells)
    rounds = f"the last {report.last_rounds} rounds" if report.last_rounds > 1 else "the last round"
    console.print(f"\nMeans over {rounds}, with 95 % intervals\n", highlight=False)
    console.print(table)
    if not report.differences:
        return
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("")
    for arm in report.differences:
        table.add_column(arm)
    for name in names:
        cells = [_difference(rows[name].interval) for rows in report.differences.values()]
        table.add_row(entry(name).label, *cells)
    console.print(f"\nDifferences from {arms[0]}, same users and seeds\n", highlight=False)
    console.print(table)


def number(value: float, sign: str = "") -> str:
    """Return a figure with three significant places, the way a table aligns best."""
    if math.isnan(value):
        return "–"
    return f"{value:{sign}.3f}" if abs(value) < 10 else f"{value:{sign}.1f}"


def _interval(interval: Interval) -> Text:
    text = Text(number(interval.mean), "bold")
    if not math.isnan(interval.low):
        text.append(f" [{number(interval.low)}, {number(interval.high)}]", "not bold dim")
    return text


def _difference(interval: Interval) -> Text:
    sure = not math.isnan(interval.low) and (interval.low > 0 or interval.high < 0)
    text = Text(number(interval.mean, "+"), "bold" if sure else "dim")
    if not math.isnan(interval.low):
        text.append(f" [{number(interval.low, '+')}, {number(interval.high, '+')}]", "dim")
    return text


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value
