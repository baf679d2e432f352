"""`starec check-table`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from starec_sim.cli.options import Answer, AsJson


def check_table(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="JSON, CSV, Markdown, LaTeX or YAML; `paper` for the table of the STARec paper.",
        ),
    ],
    candidates: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Items of a candidate list, if the file does not say."
        ),
    ] = None,
    as_json: AsJson = False,
) -> Answer:
    """Find rows of a table that no ranking of one answer could have produced.

    For example: starec check-table paper
    """
    from starec_sim.cli.tables import console
    from starec_sim.evaluation.plausibility import impossible_rows, read_tables, shipped_tables

    tables = shipped_tables() if str(file) == "paper" else read_tables(file, candidates)
    findings = [
        {"table": name, **found._asdict()}
        for name, rows in tables.items()
        for found in impossible_rows(rows)
    ]
    count = sum(map(len, tables.values()))
    if as_json:
        status = "failed" if findings else "finished"
        return {"rows": count, "impossible": findings, "status": status}
    out = console()
    for finding in findings:
        where = f"{finding['table']}, {finding['row']}"
        out.print(f"{where}: impossible; {finding['problem']}", style="red")
    out.print(f"{count - len(findings)} of {count} rows are possible")
    if findings:
        raise typer.Exit(2)
    return None
