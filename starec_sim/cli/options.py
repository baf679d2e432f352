"""Arguments and options that commands share, so that they are called and explained alike."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ExperimentFile = Annotated[
    Path, typer.Argument(metavar="EXPERIMENT", help="A YAML file, or the folder it lies in.")
]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a key; dots reach into others."),
]
OtherData = Annotated[
    str | None,
    typer.Option(
        "--data", metavar="DATA", help="Use other data: a folder or file, or the name of a dataset."
    ),
]
