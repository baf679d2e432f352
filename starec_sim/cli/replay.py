"""`starec replay`."""

from __future__ import annotations

from pathlib import Path

from starec_sim.cli.options import Answer, AsJson, RunArgument, RunsDir


def replay(run: RunArgument, runs_dir: RunsDir = Path("runs"), as_json: AsJson = False) -> Answer:
    """Run a recorded run again in a new folder, with its recorded answers: no model is asked.

    If the digest is the same, all results are.
    """
    from starec_sim import runner
    from starec_sim.cli.run_result import finish_run
    from starec_sim.runs import folder

    recorded = folder.find(run, runs_dir)
    return finish_run(lambda events: runner.replay(recorded, events), as_json)
