"""`starec table`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from starec_sim.cli.options import Against, Answer, AsJson, RunsDir

FORMATS = ("markdown", "csv", "latex")


def table(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN...", help="Evaluations on the same lists; `latest`."),
    ],
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option("--compare", metavar="ROW ROW", help="How two rows differ."),
    ] = None,
    against: Against = None,
    form: Annotated[
        str | None, typer.Option("--format", metavar="FORMAT", help="markdown, csv or latex.")
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    as_json: AsJson = False,
) -> Answer:
    """Show the table of an evaluation, or of several on the same lists."""
    from starec_sim.cli.table_view import print_differences, print_table, table_as_json
    from starec_sim.errors import ConfigError, did_you_mean
    from starec_sim.evaluation import merge_tables, read_table, render
    from starec_sim.runs import folder
    from starec_sim.visible_text import visible

    if form is not None and form not in FORMATS:
        raise ConfigError(
            f'there is no format "{form}"; {did_you_mean(form, FORMATS)}', hint="or pass --json"
        )
    merged = merge_tables([read_table(folder.find(run, runs_dir)) for run in runs])
    if compare is not None:
        differences = merged.compare(*compare)
        if as_json:
            by_metric = {name: found.as_json() for name, found in differences.items()}
            return {"rows": list(compare), "differences": by_metric}
        print_differences(compare, differences)
        return None
    if as_json:
        return table_as_json(merged, against)
    if form == "markdown":
        print(visible(render.markdown(merged, against)), end="")
    elif form == "csv":
        print(visible(render.comma_separated(merged)), end="")
    elif form == "latex":
        print(visible(render.latex(merged)), end="")
    else:
        print_table(merged, against)
    return None
