"""Print the figures of each kind of users, and what a calibration found."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.text import Text

from starec_sim.cli.tables import grid, interval_text, number
from starec_sim.cli.visible_console import console
from starec_sim.glossary import UNREAD, metric_info, place
from starec_sim.visible_text import counted, visible

if TYPE_CHECKING:
    from starec_sim.metrics import Interval
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
    return Text.assemble((visible(kind), "bold"), (f" {counted(summary.users, 'user')}", "dim"))


def _print_calibration(report: RunReport, arm: str, where: str) -> None:
    found, out = report.calibrations[arm], console()
    cheap, costly = visible(found.cheap), visible(found.costly)
    out.print(
        f"\nCalibration{where}: {found.users:,} of {found.cheap_users:,} {cheap} users were also "
        f"played as {costly}, from the same memories and slates. Bias is {cheap} minus {costly}; "
        f"corrected is what all {found.cheap_users:,} would have as {costly}, each visit by itself."
        " 95 % intervals"
    )
    table = grid()
    table.add_row("", *(Text(title, "bold") for title in (cheap, "bias", "corrected", "users")))
    equal = False
    names = report.names()
    for name in sorted(found.metrics, key=place):
        metric = found.metrics[name]
        if name not in names and not (name in UNREAD and metric.bias.mean):
            continue
        equal = equal or (metric.bias.n > 1 and math.isnan(metric.bias.low))
        table.add_row(
            metric_info(name).label,
            number(metric.cheap),
            _cell(metric.bias, "+"),
            _cell(metric.corrected),
            str(metric.bias.n),
        )
    out.print()
    out.print(table)
    if equal:
        out.print(
            "\nNo interval: the differences of all these users are equal, which says nothing about "
            "the others; or there is one user only."
        )
    usd = f", {found.usd:,.2f} USD" if found.usd else ""
    out.print(
        f"\nThe calibration took {found.calls:,} calls and {found.tokens:,} tokens{usd}; the table "
        "of calls leaves them out.",
        style="dim",
    )


def _cell(interval: Interval | None, sign: str = "") -> Text:
    if interval is None or math.isnan(interval.mean):
        return Text("–", "dim")
    return Text.assemble(number(interval.mean, sign), interval_text(interval))
