"""`starec data`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from starec_sim.cli.run import AsJson

data = typer.Typer(help="Get and look at datasets.")


@data.command()
def get(
    name: Annotated[str, typer.Argument(metavar="NAME", help="ml-100k or ml-1m.")],
    into: Annotated[
        Path, typer.Option(metavar="FOLDER", help="The folder that will hold it.")
    ] = Path("data"),
    as_json: AsJson = False,
) -> dict[str, Any] | None:
    """Download a dataset from GroupLens and check it."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    from starec_sim import plugins

    columns = (BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(name, total=None)
        folder = plugins.load("data", "fetch")(
            name,
            into,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    if as_json:
        return {"name": name, "folder": str(folder)}
    print(folder)
    return None


@data.command()
def describe(
    path: Annotated[
        str, typer.Argument(metavar="DATA", help="A folder or file, or the name of a dataset.")
    ],
    as_json: AsJson = False,
) -> dict[str, Any] | None:
    """Say what a dataset holds."""
    from starec_sim import plugins
    from starec_sim.cli.run import data_spec
    from starec_sim.cli.tables import console
    from starec_sim.cli.text import clean

    spec = data_spec(path)
    found, config = plugins.configure("datasets", spec, "data")
    loaded = found(config).load()
    cells = len(loaded.users) * len(loaded.items)
    facts: dict[str, Any] = {
        "name": loaded.name,
        "reader": spec["use"],
        "users": len(loaded.users),
        "items": len(loaded.items),
        "interactions": len(loaded.log.users),
        "density": len(loaded.log.users) / cells if cells else None,
        "attributes": sorted({name for item in loaded.items for name in item.attributes}),
        "example": loaded.items[0].title if loaded.items else None,
    }
    if as_json:
        return facts
    shown = facts | {
        **{key: f"{facts[key]:,}" for key in ("users", "items", "interactions")},
        "density": f"{facts['density']:.2%}" if cells else "–",
        "attributes": ", ".join(facts["attributes"]) or "–",
    }
    for name, value in shown.items():
        console().print(f"{name:>13}  {clean(str(value))}")
    return None
