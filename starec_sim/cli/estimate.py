"""`starec estimate`."""

from __future__ import annotations

from typing import Annotated

import typer

from starec_sim.cli.options import (
    Answer,
    AsJson,
    Changes,
    ExperimentFile,
    OtherData,
    Trust,
    read_experiment,
)


def estimate(
    experiment: ExperimentFile,
    users: Annotated[
        int, typer.Option(min=1, metavar="N", help="Users who visit in each round of the dry run.")
    ] = 8,
    rounds: Annotated[int, typer.Option(min=1, metavar="N", help="Rounds of the dry run.")] = 3,
    changes: Changes = None,
    data: OtherData = None,
    trust: Trust = False,
    as_json: AsJson = False,
) -> Answer:
    """Estimate calls, tokens, money and time of an experiment from a dry run with a few users.

    The dry run asks the policies of the experiment, so it costs a little itself.
    """
    from starec_sim.cli.ledger_view import print_estimate
    from starec_sim.estimate import estimate as estimate_experiment

    loaded = read_experiment(experiment, changes, data, trust=trust)
    result = estimate_experiment(loaded, users, rounds)
    if as_json:
        return result.as_json()
    print_estimate(loaded, result)
    return None
