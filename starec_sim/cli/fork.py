"""`starec fork`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from starec_sim.cli.options import (
    RUNS_DIR,
    AllowChangedCode,
    Answer,
    AsJson,
    NewRunsDir,
    RunArgument,
    Trust,
    takes_options,
)


@dataclass(frozen=True)
class ForkOptions:
    """What `starec fork` takes."""

    run: RunArgument
    at_round: Annotated[
        int, typer.Option("--at-round", metavar="N", help="The last round that stays as it was.")
    ]
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change a key of environment, agent or policies after that round, e.g. "
            "environment.recommender.use=random. rounds=N: how many rounds the fork has in all. "
            "memory.USER=TEXT: the summary that replaces the user's. slate.USER=ITEM,ITEM: the "
            "items that she sees on the first page of the round after.",
        ),
    ] = None
    event: Annotated[
        list[str] | None,
        typer.Option(
            metavar="EVENT",
            help="Something happens after that round, with settings after commas, e.g. "
            "remove,attribute=genre,value=Drama.",
        ),
    ] = None
    arm: Annotated[str | None, typer.Option(metavar="ARM", help="Fork this arm alone.")] = None
    runs_dir: NewRunsDir = None
    trust: Trust = False
    allow_changed_code: AllowChangedCode = False
    as_json: AsJson = False


@takes_options
def fork(options: ForkOptions) -> Answer:
    """Play a recorded run on from one of its rounds with something changed, and print the effect.

    The rounds before are replayed, so no model is asked for them. The rounds after have the same
    random numbers as those of the run.

    For example: starec fork latest --at-round 5 --set environment.recommender.use=random
    """
    from starec_sim import forks
    from starec_sim.cli.run_result import finish_run
    from starec_sim.events import RunEvents
    from starec_sim.runner import RunResult
    from starec_sim.runs import folder

    recorded = folder.find(options.run, options.runs_dir or RUNS_DIR)
    changes = options.changes or []
    if options.runs_dir is not None:
        changes = [*changes, f"runs_dir={options.runs_dir}"]

    def execute(events: RunEvents) -> RunResult:
        return forks.fork(
            recorded,
            options.at_round,
            changes,
            scheduled=options.event or (),
            arm=options.arm,
            events=events,
            trust=options.trust,
            allow_changed_code=options.allow_changed_code,
        ).run

    return finish_run(execute, options.as_json)
