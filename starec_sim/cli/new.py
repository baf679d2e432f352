"""`starec new`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from starec_sim.cli.options import Answer, AsJson


def new(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND", help="environment, recommender, agent, policy, dataset or reward."
        ),
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name, e.g. coffee-shop.")],
    package: Annotated[
        bool,
        typer.Option("--package", help="Write a package that can be installed, with tests."),
    ] = False,
    into: Annotated[Path, typer.Option(metavar="FOLDER", help="Write it to this folder.")] = Path(),
    as_json: AsJson = False,
) -> Answer:
    """Write a plug-in of your own that runs at once, to be changed.

    For example: starec new environment coffee-shop
    """
    from starec_sim.new_plugin import write_new_plugin

    files, commands = write_new_plugin(kind, name, into, package=package)
    if as_json:
        return {"files": [str(file) for file in files], "commands": commands}
    from starec_sim.cli.visible_console import console

    out = console()
    for file in files:
        out.print(f"wrote {file}", soft_wrap=True)
    out.print("\nNext:")
    for command in commands:
        out.print(f"  {command}", soft_wrap=True)
    return None
