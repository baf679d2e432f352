"""Arguments and options that commands share, so that they are called and explained alike."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Run = Annotated[
    str,
    typer.Argument(metavar="RUN", help="A run's folder, its name or the start of it; `latest`."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
RunsDir = Annotated[Path, typer.Option("--runs-dir", metavar="FOLDER", help="Where runs are kept.")]
Allowed = Annotated[
    list[str] | None,
    typer.Option(
        "--budget",
        metavar="KEY=N",
        help="What the run may spend in all, from now on: calls, tokens, usd, hours; or none.",
    ),
]
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
