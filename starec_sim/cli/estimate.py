"""`starec estimate`: what an experiment will take, before it is run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from starec_sim.cli.run import AsJson


def estimate(
    experiment: Annotated[
        Path, typer.Argument(metavar="EXPERIMENT", help="A YAML file, or the folder it lies in.")
    ],
    users: Annotated[
        int, typer.Option(min=1, metavar="N", help="Visitors that are played in each round.")
    ] = 8,
    rounds: Annotated[int, typer.Option(min=1, metavar="N", help="Rounds that are played.")] = 3,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a key; dots reach into others."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="DATA", help="Use other data: a folder or file, or the name of a dataset."
        ),
    ] = None,
    as_json: AsJson = False,
) -> dict[str, Any] | None:
    """Tell calls, tokens, money and time of an experiment from a dry run with a few users.

    The dry run asks the policies of the experiment, so it costs a little itself.
    """
    from starec_sim.cli.run import read_experiment
    from starec_sim.estimate import estimate as told

    loaded = read_experiment(experiment, changes, data)
    found = told(loaded, users, rounds)
    if as_json:
        return found.as_json()
    from starec_sim.cli.books import print_estimate

    print_estimate(loaded, found)
    return None
