"""`starec fork`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from starec_sim.cli.options import AllowChangedCode, Answer, AsJson, RunArgument, RunsDir, Trust


def fork(
    run: RunArgument,
    at_round: Annotated[
        int, typer.Option("--at-round", metavar="N", help="The last round that stays as it was.")
    ],
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change a key of environment, agent or policies after that round, e.g. "
            "environment.recommender.use=random. rounds=N: how many rounds the fork has in all.",
        ),
    ] = None,
    event: Annotated[
        list[str] | None,
        typer.Option(
            metavar="EVENT",
            help="Something happens after that round, with settings after commas, e.g. "
            "remove,attribute=genre,value=Drama.",
        ),
    ] = None,
    arm: Annotated[str | None, typer.Option(metavar="ARM", help="Fork this arm alone.")] = None,
    runs_dir: RunsDir = Path("runs"),
    trust: Trust = False,
    allow_changed_code: AllowChangedCode = False,
    as_json: AsJson = False,
) -> Answer:
    """Play a recorded run on from one of its rounds with something changed, and print the effect.

    The rounds before are replayed, so no model is asked for them. The rounds after have the same
    random numbers as those of the run.

    For example: starec fork latest --at-round 5 --set environment.recommender.use=random
    """
    from starec_sim import forks
    from starec_sim.cli.run_result import finish_run
    from starec_sim.runs import folder

    recorded = folder.find(run, runs_dir)
    return finish_run(
        lambda events: (
            forks.fork(
                recorded,
                at_round,
                changes or (),
                scheduled=event or (),
                arm=arm,
                events=events,
                trust=trust,
                allow_changed_code=allow_changed_code,
            ).run
        ),
        as_json,
    )
