"""`starec sql`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from starec_sim.cli.options import Answer, AsJson, AsMarkdown, RunArgument, RunsDir, takes_options

if TYPE_CHECKING:
    from starec_sim.runs.sql_console import SqlResult


@dataclass(frozen=True)
class SqlOptions:
    """What `starec sql` takes."""

    run: RunArgument
    sql: Annotated[
        str | None, typer.Argument(metavar="QUERY", help="One SELECT on the views of the run.")
    ] = None
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the views and what their columns mean.")
    ] = False
    limit: Annotated[
        int, typer.Option(min=1, max=1_000_000, metavar="N", help="Rows that are returned at most.")
    ] = 1_000
    seconds: Annotated[
        float, typer.Option(min=0.1, metavar="S", help="The longest that the query may take.")
    ] = 30.0
    runs_dir: RunsDir = Path("runs")
    as_json: AsJson = False
    as_md: AsMarkdown = False


@takes_options
def sql(options: SqlOptions) -> Answer:
    """Ask a run with SQL: read-only, on views with names and ids.

    For example: starec sql latest "select arm, avg(slow) from steps group by arm"
    """
    from starec_sim.errors import RunError
    from starec_sim.runs import folder
    from starec_sim.runs.sql_console import QueryLimits, query
    from starec_sim.visible_text import counted

    run = folder.find(options.run, options.runs_dir)
    if options.schema:
        return _schema(options)
    if options.sql is None:
        raise RunError(
            "there is no query", hint='e.g. starec sql latest "select * from metrics limit 5"'
        )
    found = query(run, options.sql, QueryLimits(options.limit, options.seconds))
    if options.as_json:
        return {"columns": found.columns, "rows": found.rows, "cut": found.cut}
    if options.as_md:
        from starec_sim.cli.as_markdown import markdown_table

        print(markdown_table(found.columns, found.rows))
    else:
        _print(found)
    if found.cut:
        typer.echo(
            f"note: only the first {counted(len(found.rows), 'row')}; --limit allows more", err=True
        )
    return None


def _print(found: SqlResult) -> None:
    from rich.text import Text

    from starec_sim.cli.tables import print_rows, rows_fit
    from starec_sim.cli.visible_console import console
    from starec_sim.visible_text import visible_line

    out = console()
    heads = [Text(visible_line(column), "bold") for column in found.columns]
    cells = [[Text(visible_line(_cell(value))) for value in row] for row in found.rows]
    if rows_fit(out, [heads, *cells]):
        print_rows(out, [heads, *cells])
        return
    for number, row in enumerate(cells, 1):
        out.print(f"row {number:,}", style="dim")
        for head, cell in zip(heads, row, strict=True):
            out.print(Text.assemble("  ", head, ": ", cell), soft_wrap=True)


def _cell(value: str | float | bytes | None) -> str:
    return "–" if value is None else str(value)


def _schema(options: SqlOptions) -> Answer:
    from starec_sim.runs.sql_views import VIEWS

    if options.as_json:
        return {
            "views": {
                name: {"about": view.about, "columns": dict(view.columns)}
                for name, view in VIEWS.items()
            }
        }
    if options.as_md:
        from starec_sim.cli.as_markdown import markdown_table

        for name, view in VIEWS.items():
            print(f"### {name}\n\n{view.about}\n")
            print(markdown_table(["column", "meaning"], view.columns.items()) + "\n")
        return None
    from rich.text import Text

    from starec_sim.cli.tables import grid
    from starec_sim.cli.visible_console import console

    out = console()
    for name, view in VIEWS.items():
        out.print(Text.assemble("\n", (name, "bold"), f"  {view.about}"))
        table = grid()
        for column, meaning in view.columns.items():
            table.add_row(f"  {column}", Text(meaning, "dim"))
        out.print(table)
    return None
