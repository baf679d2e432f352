"""Print results: tables, sparklines and rounded numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from starec_sim.cli.visible_console import console
from starec_sim.glossary import UNREAD, metric_info, verdict_word
from starec_sim.visible_text import visible, visible_line

if TYPE_CHECKING:
    from starec_sim.metrics import Interval
    from starec_sim.report import ArmDifference, RunReport

_BLOCKS = "▁▂▃▄▅▆▇█"
_GAP = 2
"""Spaces between columns."""
_MIN_LINE = 3
"""Shorter sparklines are left out."""
_MAX_LINE = 12


def one_line(text: str, width: int, style: str = "") -> Text:
    """Return text without control characters on one line, cut with an ellipsis at `width`."""
    longest = 50 * max(1, width)  # a text of megabytes would take seconds
    if len(text) > longest:
        text = text[:longest] + "…"
    line = Text(visible(" ".join(text.split())), style)
    line.truncate(max(1, width), overflow="ellipsis")
    return line


def grid() -> Table:
    """Return an empty table without borders."""
    return Table(box=None, show_header=False, pad_edge=False, padding=(0, _GAP, 0, 0))


def rows_fit(out: Console, rows: Sequence[Sequence[Text]]) -> bool:
    """Return whether each row has a line of its own: in a pipe, or in a terminal that is wide."""
    return not out.is_terminal or sum(_widths(rows)) + _GAP * (len(rows[0]) - 1) <= out.width


def print_rows(out: Console, rows: Sequence[Sequence[Text]]) -> None:
    """Print rows in columns, with nothing cut; a terminal that is too narrow has wrapped cells."""
    widths = _widths(rows)
    if rows_fit(out, rows):
        for row in rows:
            padded = [cell.copy() for cell in row]
            for cell, width in zip(padded[:-1], widths, strict=False):
                cell.pad_right(width - cell.cell_len + _GAP)
            out.print(Text.assemble(*padded), soft_wrap=True)
        return
    table = grid()
    for _ in widths:
        table.add_column(overflow="fold")
    for row in rows:
        table.add_row(*row)
    out.print(table)


def _widths(rows: Sequence[Sequence[Text]]) -> list[int]:
    return [max(cell.cell_len for cell in column) for column in zip(*rows, strict=True)]


def sparkline(values: Sequence[float], low: float, high: float, width: int = _MAX_LINE) -> str:
    """Return values as blocks of eight heights between two bounds.

    A series longer than `width` is thinned; its first and last value stay.

    >>> sparkline([0, 1, 2, 3], 0, 3), sparkline(range(100), 0, 99, width=4)
    ('▁▃▆█', '▁▃▆█')
    """
    count, span = min(len(values), max(2, width)), high - low
    chosen = [values[round(n * (len(values) - 1) / max(1, count - 1))] for n in range(count)]
    return "".join(
        " " if math.isnan(v) else _BLOCKS[round((v - low) / span * 7) if span > 0 else 3]
        for v in chosen
    )


def number(value: float, sign: str = "") -> str:
    """Return a number with three decimals, fewer for large and more for small ones.

    >>> number(0.12345), number(-0.5, "+"), number(12.34), number(12345.6), number(0.00012)
    ('0.123', '-0.500', '12.3', '12,346', '0.00012')
    """
    if math.isnan(value):
        return "–"
    size = abs(value)
    if 0 < size < 0.001:
        return f"{value:{sign}.2g}"
    return f"{value:{sign}.3f}" if size < 10 else f"{value:{sign},.{1 if size < 1000 else 0}f}"


def print_report(report: RunReport, explain: bool = False) -> None:
    """Print the metrics of all arms, and the differences of the others from the first.

    Args:
        report: The report.
        explain: Whether to print what each metric means.
    """
    out, names = console(), report.names()
    if not names:
        out.print("\nNo round is over yet.")
        return
    over = visible(report.window())
    out.print(f"\nMeans over {over}; ± half of the 95 % interval, [low, high] a lopsided one")
    means = {arm: _means(report, arm, names) for arm in report.metrics}
    for block in _blocks(names, means, out.width):
        out.print()
        out.print(block)
    if report.differences:
        first = next(iter(report.metrics))
        out.print(f"\nAgainst {first}, same users and seeds; unsure: the 95 % interval holds zero")
        cells = {arm: _differences(report, arm, names) for arm in report.differences}
        for block in _blocks(names, cells, out.width):
            out.print()
            out.print(block)
        if any(
            found.sure is None and not math.isnan(found.interval.mean)
            for of_arm in report.differences.values()
            for found in of_arm.values()
        ):
            out.print(
                "\none seed: a difference without an interval holds for this seed only; several "
                "seeds give intervals, e.g. --set replicates=5"
            )
        if any(
            found.sure is False and found.interval.excludes_zero
            for of_arm in report.differences.values()
            for found in of_arm.values()
        ):
            out.print(
                "\nunsure beside an interval without zero: that is over users; the one over seeds "
                "holds zero"
            )
    for arm, of_arm in report.metrics.items():
        for name in UNREAD:
            if name in of_arm and of_arm[name].interval.mean > 0:
                out.print(
                    f"\nWarning: in {arm}, {metric_info(name).meaning}: "
                    f"{of_arm[name].interval.mean:.1%}. Such metrics say little about people; "
                    "`show --user` prints what is wrong with each answer.",
                    style="bold red",
                )
    if explain:
        print_meanings(out, names)
    for name in report.unknown:
        out.print(f'\nThere is no metric "{name}" (report.metrics) in this run.', style="yellow")


def print_meanings(out: Console, names: Sequence[str]) -> None:
    """Print the meaning of each metric."""
    table = grid()
    for name in names:
        info = metric_info(name)
        better = f" ({info.better} is better)" if info.better else ""
        table.add_row(info.label, Text(f"{info.meaning or 'a metric of its own'}{better}", "dim"))
    out.print()
    out.print(table)


class _Cell(NamedTuple):
    """A cell of the table: one arm and one metric."""

    text: Text
    series: tuple[float, ...] = ()
    """Drawn before the text if there is room."""
    bounds: tuple[float, float] = (0.0, 0.0)
    """The least and greatest value in the series of all arms."""


def _means(report: RunReport, arm: str, names: Sequence[str]) -> Mapping[str, _Cell]:
    cells = {}
    for name in names:
        if name not in report.metrics[arm]:
            continue
        summary = report.metrics[arm][name]
        known = [
            value
            for summaries in report.metrics.values()
            if name in summaries
            for value in summaries[name].series
            if not math.isnan(value)
        ]
        bounds = (min(known, default=0.0), max(known, default=0.0))
        text = Text.assemble(
            (number(summary.interval.mean), "bold"), interval_text(summary.interval)
        )
        cells[name] = _Cell(text, summary.series, bounds)
    return cells


def _differences(report: RunReport, arm: str, names: Sequence[str]) -> Mapping[str, _Cell]:
    cells = {}
    for name in names:
        if name in report.differences[arm]:
            difference = report.differences[arm][name]
            word, style = verdict(difference, metric_info(name).better)
            text = Text.assemble(
                (number(difference.interval.mean, "+"), style),
                interval_text(difference.interval, "+"),
            )
            text.pad_right(max(1, 15 - text.cell_len))
            cells[name] = _Cell(Text.assemble(text, (word, style)))
    return cells


WORD_STYLES = {
    "better": "bold green",
    "worse": "bold red",
    "higher": "bold",
    "lower": "bold",
}
"""Styles of the words for differences; the others are dim."""


def verdict(difference: ArmDifference, better: str) -> tuple[str, str]:
    """Return one word for a difference, and the style in which it is printed."""
    if math.isnan(difference.interval.mean):
        return "", "dim"
    word = verdict_word(difference.verdict, better)
    return word, WORD_STYLES.get(word, "dim")


def interval_text(interval: Interval, sign: str = "") -> Text:
    """Return an interval as text: ± half of its width, or both ends if it is lopsided.

    >>> from starec_sim.metrics import Interval
    >>> str(interval_text(Interval(0.5, 0.4, 0.6, n=9)))
    ' ±0.100'
    >>> str(interval_text(Interval(-0.661, -1.86, -0.03, n=9)))
    ' [-1.860, -0.030]'
    """
    from starec_sim.metrics import lopsided

    if math.isnan(interval.low):
        return Text("")
    if lopsided(interval):
        return Text(f" [{number(interval.low, sign)}, {number(interval.high, sign)}]", "dim")
    return Text(f" ±{number((interval.high - interval.low) / 2)}", "dim")


def _blocks(
    names: Sequence[str], columns: Mapping[str, Mapping[str, _Cell]], width: int
) -> Iterator[Table]:
    """Yield tables with a column for each arm, as many beside each other as fit."""
    labels = max(len(metric_info(name).label) for name in names)
    texts = max(
        (cell.text.cell_len for cells in columns.values() for cell in cells.values()), default=1
    )
    series = max(
        (len(cell.series) for cells in columns.values() for cell in cells.values()), default=0
    )
    arms = list(columns)
    room = width - labels
    fitting = max(1, min(len(arms), room // (texts + _GAP)))
    line = min(_MAX_LINE, series, room // fitting - texts - _GAP - 1)
    for start in range(0, len(arms), fitting):
        block = arms[start : start + fitting]
        table = grid()
        table.add_row("", *(Text(visible_line(arm), "bold", overflow="fold") for arm in block))
        for name in names:
            row = [_drawn(columns[arm].get(name), line) for arm in block]
            table.add_row(metric_info(name).label, *row)
        yield table


def _drawn(cell: _Cell | None, line: int) -> Text:
    if cell is None:
        return Text("–", "dim")
    if line < _MIN_LINE or not cell.series:
        return cell.text
    drawn = sparkline(cell.series, *cell.bounds, line)
    return Text.assemble((f"{drawn:<{line}} ", "cyan"), cell.text)
