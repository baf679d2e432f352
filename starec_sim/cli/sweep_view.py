"""Print the progress and the table of a sweep, and write it as CSV."""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from starec_sim.cli.ledger_view import duration
from starec_sim.cli.tables import grid, interval_text, number
from starec_sim.cli.visible_console import console
from starec_sim.glossary import eventful, metric_info, place
from starec_sim.runs.whole_file import whole_file

if TYPE_CHECKING:
    from starec_sim.metrics import Interval
    from starec_sim.sweeps import SweepProgress, SweepResult, SweepRow

_COLUMNS = 3
"""Metrics that stand beside each other."""


def print_progress(over: SweepProgress) -> None:
    """Print that a run is over, and about how long the others take."""
    line = f"run {over.done}/{over.runs}: {over.name} → {over.folder}"
    if not over.played:
        line += " (was there)"
    if over.done < over.runs and not math.isnan(over.seconds_left):
        line += f"; about {duration(over.seconds_left)} left"
    print(line, file=sys.stderr, flush=True)


def print_sweep(result: SweepResult) -> None:
    """Print the means of each combination, and the differences from the first one."""
    out = console()
    rows = result.rows
    recorded = sorted({name for row in rows for name in row.metrics}, key=place)
    seeds = len({seed for row in rows for of in row.by_seed.values() for seed in of})
    means = {
        name: [row.metrics[name].mean for row in rows if name in row.metrics] for name in recorded
    }
    names = eventful(means)
    bounds = ", ± half of the 95 % interval" if seeds > 1 else "; intervals need more seeds"
    out.print(f"\nMeans over {seeds} seed{'s' * (seeds > 1)}{bounds}", style="bold")
    _print(rows, names, "", [row.metrics for row in rows])
    if len(rows) > 1:
        out.print("\nDifference from the first row, over the same seeds", style="bold")
        _print(rows[1:], names, "+", [row.differences for row in rows[1:]])


def _print(
    rows: Sequence[SweepRow],
    names: Sequence[str],
    sign: str,
    found: Sequence[Mapping[str, Interval]],
) -> None:
    out = console()
    for start in range(0, len(names), _COLUMNS):
        block = names[start : start + _COLUMNS]
        table = grid()
        table.add_row("", *(Text(metric_info(name).label, "dim") for name in block))
        for row, of in zip(rows, found, strict=True):
            table.add_row(f"  {_label(row)}", *(_cell(of.get(name), sign) for name in block))
        out.print(table)


def _label(row: SweepRow) -> str:
    values = [f"{_short(key, list(row.values))}={value}" for key, value in row.values.items()]
    return " ".join([*values, *([] if row.arm == "main" else [row.arm])])


def _short(key: str, keys: Sequence[str]) -> str:
    """Return the last parts of a dotted key that no other key ends with.

    >>> _short("environment.recommender.use", ["environment.recommender.use", "agent.use"])
    'recommender.use'
    """
    parts = key.split(".")
    for count in range(1, len(parts)):
        short = ".".join(parts[-count:])
        if sum(f".{each}".endswith(f".{short}") for each in keys) == 1:
            return short
    return key


def _cell(interval: Interval | None, sign: str) -> Text:
    if interval is None or math.isnan(interval.mean):
        return Text("–", "dim")
    sure = bool(sign) and interval.excludes_zero
    return Text.assemble(
        (number(interval.mean, sign), "bold" if sure or not sign else ""),
        interval_text(interval, sign),
    )


def write_csv(result: SweepResult, path: Path) -> None:
    """Write one line for each combination, arm and metric.

    Raises:
        RunError: The file cannot be written.
    """
    keys = list(result.rows[0].values)
    bounds = ["mean", "low", "high"]
    heads = [*keys, "arm", "metric", "seeds", *bounds, *(f"difference_{each}" for each in bounds)]
    with whole_file(path) as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(heads)
        for row in result.rows:
            for name, interval in row.metrics.items():
                difference = row.differences.get(name)
                figures = [*interval[:3], *(difference[:3] if difference else [math.nan] * 3)]
                known = ["" if math.isnan(figure) else figure for figure in figures]
                writer.writerow([*row.values.values(), row.arm, name, interval.n, *known])
