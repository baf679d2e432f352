"""Print the figures of each kind of users, and what a calibration found."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.text import Text

from starec_sim.cli.calibration_notes import calibration_notes
from starec_sim.cli.tables import grid, interval_text, number
from starec_sim.cli.visible_console import console
from starec_sim.glossary import UNREAD, metric_info, place
from starec_sim.visible_text import counted, visible

if TYPE_CHECKING:
    from starec_sim.metrics import Interval
    from starec_sim.population.estimators import CalibratedMetric
    from starec_sim.population.summaries import KindSummary
    from starec_sim.report import RunReport


def print_kinds(report: RunReport) -> None:
    """Print a table for each arm whose users are of several kinds, and one for its calibration."""
    out = console()
    for arm, kinds in report.kinds.items():
        where = f" in {visible(arm)}" if len(report.metrics) > 1 else ""
        names = [name for name in report.names() if any(name in k.metrics for k in kinds.values())]
        table = grid()
        table.add_row("", *(_heading(kind, each) for kind, each in kinds.items()))
        for name in names:
            cells = [_cell(kind.metrics.get(name)) for kind in kinds.values()]
            table.add_row(metric_info(name).label, *cells)
        out.print(f"\nBy kind of user{where}, means over users")
        out.print()
        out.print(table)
        if arm in report.calibrations:
            _print_calibration(report, arm, where)


def _heading(kind: str, summary: KindSummary) -> Text:
    users = counted(summary.users, "user")
    if summary.visitors != summary.users:
        users += f", {summary.visitors:,} visited"
    return Text.assemble((visible(kind), "bold"), (f" {users}", "dim"))


def _print_calibration(report: RunReport, arm: str, where: str) -> None:
    found, out = report.calibrations[arm], console()
    cheap, costly = visible(found.cheap), visible(found.costly)
    out.print(
        f"\nCalibration{where}: {found.users:,} of the {found.cheap_users:,} {cheap} users who "
        f"visited were also played as {costly}, from the same memories and slates. Bias is {cheap} "
        f"minus {costly}; corrected is what all {found.cheap_users:,} would have as {costly}, each "
        "visit by itself. 95 % intervals"
    )
    table = grid()
    table.add_row("", *(Text(title, "bold") for title in (cheap, "bias", "corrected", "users")))
    names = report.names()
    shown = {
        name: metric
        for name, metric in sorted(found.metrics.items(), key=lambda each: place(each[0]))
        if name in names or (name in UNREAD and metric.bias.mean)
    }
    for name, metric in shown.items():
        table.add_row(
            metric_info(name).label,
            number(metric.cheap),
            _marked(_cell(metric.bias, "+"), "bias", metric),
            _marked(_cell(metric.corrected), "corrected", metric),
            str(metric.bias.n),
        )
    out.print()
    out.print(table)
    for note in calibration_notes({metric_info(name).label: m for name, m in shown.items()}):
        out.print(f"\n{note}")
    if found.users == found.cheap_users:
        out.print(
            "\nBoth kinds played all of these users, so the figures are exact for them and these "
            "random numbers. ±0.000 says nothing about other users or seeds; fewer users in the "
            "calibration give intervals."
            if found.users > 1
            else "\nBoth kinds played one user only."
        )
    usd = f", {found.usd:,.2f} USD" if found.usd else ""
    out.print(
        f"\nThe calibration took {found.calls:,} calls and {found.tokens:,} tokens{usd}; the table "
        "of calls leaves them out.",
        style="dim",
    )


def _marked(cell: Text, column: str, metric: CalibratedMetric) -> Text:
    """Return a cell with a star where something of it was clipped."""
    clipped = any(name.startswith(f"{column}.") for name in metric.clipped)
    return Text.assemble(cell, ("*", "dim")) if clipped else cell


def _cell(interval: Interval | None, sign: str = "") -> Text:
    if interval is None or math.isnan(interval.mean):
        return Text("–", "dim")
    return Text.assemble(number(interval.mean, sign), interval_text(interval))
