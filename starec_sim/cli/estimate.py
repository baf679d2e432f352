"""`starec estimate`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from starec_sim.cli.options import (
    Answer,
    AsJson,
    Changes,
    ExperimentFile,
    OtherData,
    Trust,
    read_experiment,
    takes_options,
)

if TYPE_CHECKING:
    from starec_sim.experiment import Experiment

_PLAYED, _PLAYED_OF_MANY = 8, 64
"""Visitors of the dry run, when nothing is said: for an estimate, and for a plan."""


@dataclass(frozen=True)
class EstimateOptions:
    """The options of `starec estimate`."""

    experiment: ExperimentFile
    users: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="With --executor: the users to plan for, e.g. 1_000_000. Without: as --play.",
        ),
    ] = None
    executor: Annotated[
        Literal["per_user", "cohort", "processes", "ray"] | None,
        typer.Option(help="Plan a run of --users users with this executor."),
    ] = None
    play: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Users who visit in each round of the dry run."),
    ] = None
    rounds: Annotated[int, typer.Option(min=1, metavar="N", help="Rounds of the dry run.")] = 3
    tokens_per_second: Annotated[
        float | None,
        typer.Option(
            min=1,
            metavar="N",
            help="With executor.gpus: tokens of answers that one graphics card makes in a second.",
        ),
    ] = None
    changes: Changes = None
    data: OtherData = None
    trust: Trust = False
    as_json: AsJson = False


@takes_options
def estimate(options: EstimateOptions) -> Answer:
    """Estimate calls, tokens, money and time of an experiment from a dry run with a few users.

    The dry run asks the policies of the experiment, so it costs a little itself. With --executor
    and --users, it is a plan for so many users: also CPU time, memory and bytes of the record.
    """
    from starec_sim.cli.ledger_view import print_estimate
    from starec_sim.cli.scale_view import print_plan
    from starec_sim.errors import ConfigError
    from starec_sim.estimate import estimate as estimate_experiment
    from starec_sim.scale_plan import plan_scale

    users, play, executor = options.users, options.play, options.executor
    if executor is None:
        if options.tokens_per_second is not None:
            raise ConfigError(
                "--tokens-per-second is for a plan, and no --executor is given",
                hint="add --users 1_000_000 --executor ray --set executor.gpus=1",
            )
        if users is not None and play is not None:
            raise ConfigError(
                f"--users {users} and --play {play} are given, and no --executor",
                hint="add --executor ray to plan for --users users, or give --play alone",
            )
        loaded = _read(options)
        result = estimate_experiment(loaded, play or users or _PLAYED, options.rounds)
        if options.as_json:
            return result.as_json()
        print_estimate(loaded, result)
        return None
    if users is None:
        raise ConfigError(
            "--executor plans for a number of users, and none is given",
            hint=f"add --users 1_000_000; or, for the users of the experiment, leave out "
            f"--executor and give --set executor.use={executor}",
        )
    loaded = _read(options, f"executor.use={executor}")
    speed = options.tokens_per_second
    plan = plan_scale(loaded, users, play or _PLAYED_OF_MANY, options.rounds, speed)
    if options.as_json:
        return plan.as_json()
    print_plan(loaded, plan)
    return None


def _read(options: EstimateOptions, *changes: str) -> Experiment:
    """Return the experiment that the options name, with more changes."""
    changed = [*(options.changes or ()), *changes]
    return read_experiment(options.experiment, changed, options.data, trust=options.trust)
