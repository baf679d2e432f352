"""`starec data get`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from starec_sim.cli.options import Answer, AsJson


def get(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="movielens-100k, movielens-1m, or e.g. amazon-2018/CDs_and_Vinyl.",
        ),
    ],
    into: Annotated[
        Path, typer.Option(metavar="FOLDER", help="The folder that will hold it.")
    ] = Path("data"),
    as_json: AsJson = False,
) -> Answer:
    """Download a public dataset and check it.

    MovieLens comes from GroupLens. Of Amazon Reviews one category of an edition (amazon-2014,
    amazon-2018, amazon-2023): its ratings and its products, without the texts of the reviews.
    """
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    from starec_sim import plugins
    from starec_sim.cli.visible_console import console

    columns = (BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
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
