"""`starec replay`."""

from __future__ import annotations

from starec_sim.cli.options import (
    RUNS_DIR,
    AllowChangedCode,
    Answer,
    AsJson,
    NewRunsDir,
    RunArgument,
    Trust,
)


def replay(
    run: RunArgument,
    runs_dir: NewRunsDir = None,
    trust: Trust = False,
    allow_changed_code: AllowChangedCode = False,
    as_json: AsJson = False,
) -> Answer:
    """Run a recorded run again in a new folder, with its recorded answers: no model is asked.

    If the digest is the same, all results are.
    """
    from starec_sim import runner
    from starec_sim.cli.run_result import finish_run
    from starec_sim.runs import folder
    from starec_sim.runs.code import CodeRules

    recorded = folder.find(run, runs_dir or RUNS_DIR)
    code = CodeRules(trust, allow_changed_code)
    return finish_run(
        lambda events: runner.replay(recorded, events, code, runs_dir=runs_dir), as_json
    )
