"""`starec run`."""

from __future__ import annotations

from starec_sim.cli.options import (
    Answer,
    AsJson,
    Changes,
    ExperimentFile,
    OtherData,
    Trust,
    read_experiment,
)


def run(
    experiment: ExperimentFile,
    changes: Changes = None,
    data: OtherData = None,
    trust: Trust = False,
    as_json: AsJson = False,
) -> Answer:
    """Run an experiment.

    For example: starec run experiments/01_quickstart --set rounds=5
    """
    from starec_sim import runner
    from starec_sim.cli.run_result import finish_run

    loaded = read_experiment(experiment, changes, data, trust=trust)
    return finish_run(lambda events: runner.run(loaded, events), as_json)
