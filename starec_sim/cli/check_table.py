"""`starec check-table`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from starec_sim.cli.options import Answer, AsJson

if TYPE_CHECKING:
    from starec_sim.evaluation.plausibility import PublishedTables

_MOST_UNREAD = 10
"""Lines about what was not read; further ones are counted."""


def check_table(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="LaTeX, Markdown, HTML, CSV, JSON or YAML; `paper` for STARec's."
        ),
    ],
    candidates: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Items of a candidate list, if the file does not say."
        ),
    ] = None,
    percent: Annotated[
        bool | None,
        typer.Option("--percent/--fractions", help="What its numbers are, if that is not clear."),
    ] = None,
    as_json: AsJson = False,
) -> Answer:
    """Find rows of a table that no ranking of one answer could have produced.

    For example: starec check-table paper
    """
    from starec_sim.evaluation.plausibility import (
        PublishedTables,
        impossible_rows,
        read_tables,
        shipped_tables,
    )

    if str(file) == "paper":
        found = PublishedTables(shipped_tables())
    else:
        found = read_tables(file, candidates, percent)
    findings = [
        {"table": name, **finding._asdict()}
        for name, rows in found.tables.items()
        for finding in impossible_rows(rows)
    ]
    if as_json:
        return {
            "rows": found.count,
            "impossible": findings,
            "unread": [each._asdict() for each in found.unread],
            "doubts": found.doubts,
            "status": "failed" if findings else "finished",
        }
    _print_findings(findings, found)
    if findings:
        raise typer.Exit(2)
    return None


def _print_findings(findings: Sequence[Mapping[str, Any]], found: PublishedTables) -> None:
    """Print the impossible rows, what was not read, and how many rows are possible."""
    from starec_sim.cli.visible_console import console
    from starec_sim.visible_text import visible

    out = console()
    for finding in findings:
        where = f"{finding['table']}, {finding['row']}"
        out.print(
            visible(f"{where}: impossible; {finding['problem']}"), style="red", soft_wrap=True
        )
    for doubt in found.doubts:
        out.print(visible(doubt), style="yellow", soft_wrap=True)
    for each in found.unread[:_MOST_UNREAD]:
        out.print(visible(f"{each.table}: not read: {each.what}"), style="yellow", soft_wrap=True)
    if len(found.unread) > _MOST_UNREAD:
        out.print(f"... and {len(found.unread) - _MOST_UNREAD} more (--json has all)")
    cells = sum(each.cells for each in found.unread)
    limit = f", as far as they were read; cells not read: {cells}" if cells else ""
    possible = found.count - len(findings)
    out.print(f"{possible} of {found.count} rows are possible{limit}")
