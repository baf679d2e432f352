"""`starec data`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

data = typer.Typer(help="Get and look at datasets.", no_args_is_help=True)


@data.command()
def get(
    name: Annotated[str, typer.Argument(help="ml-100k or ml-1m.")],
    into: Annotated[Path, typer.Option(help="The folder that will hold it.")] = Path("data"),
) -> None:
    """Download a dataset from GroupLens and check it."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    from starec_sim import plugins

    columns = (BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(name, total=None)
        folder = plugins.load("data", "fetch")(
            name,
            into,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    print(folder)


@data.command()
def describe(
    path: Annotated[str, typer.Argument(help="A folder or file, or the name of a dataset.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what a dataset holds."""
    from rich.console import Console

    from starec_sim import plugins
    from starec_sim.cli.run import data_spec
    from starec_sim.cli.tables import clean, print_json

    found, config = plugins.configure("datasets", data_spec(path), "data")
    loaded = found(config).load()
    attributes = sorted({name for item in loaded.items for name in item.attributes})
    cells = len(loaded.users) * len(loaded.items)
    facts = {
        "name": loaded.name,
        "users": len(loaded.users),
        "items": len(loaded.items),
        "interactions": len(loaded.log.users),
        "density": len(loaded.log.users) / cells if cells else None,
        "attributes": attributes,
        "example": loaded.items[0].title if loaded.items else None,
    }
    if as_json:
        print_json(facts)
        return
    for name, value in facts.items():
        text = ", ".join(value) if isinstance(value, list) else value
        Console().print(f"{name:>13}  {clean(str(text))}", markup=False, highlight=False)
