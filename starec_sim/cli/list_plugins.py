"""`starec plugins`."""

from __future__ import annotations

from typing import Annotated

import typer


def list_plugins(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List what an experiment can use, and whether it loads."""
    from rich.console import Console
    from rich.table import Table

    from starec_sim import plugins
    from starec_sim.cli.tables import print_json
    from starec_sim.errors import PluginError

    rows = []
    for kind in ("agents", "environments", "datasets", "recommenders", "policies"):
        for name, point in sorted(plugins.registered(kind).items()):
            problem = ""
            try:
                plugins.load(kind, name)
            except PluginError as error:
                problem = error.message
            distribution = point.dist.name if point.dist else ""
            rows.append(
                {
                    "kind": kind,
                    "name": name,
                    "class": point.value,
                    "from": distribution,
                    "problem": problem,
                }
            )
    if as_json:
        print_json({"plugins": rows})
        return
    table = Table(box=None, header_style="bold")
    for column in ("kind", "name", "class", "from"):
        table.add_column(column)
    for row in rows:
        table.add_row(row["kind"], row["name"], row["problem"] or row["class"], row["from"])
    Console().print(table)
