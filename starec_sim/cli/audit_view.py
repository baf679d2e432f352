"""How a recorded audit is shown: how far it is, its verdict, its calls, what to look at next."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from starec_sim.cli.audit_result import print_audit
from starec_sim.cli.ledger_view import print_ledger
from starec_sim.cli.options import Answer
from starec_sim.cli.text import program, resume_command
from starec_sim.cli.visible_console import console
from starec_sim.evaluation.audits import folder as files
from starec_sim.runs.ledger import read_ledger
from starec_sim.runs.manifest import read_manifest
from starec_sim.runs.reader import Reader
from starec_sim.visible_text import visible


def show_audit(folder: Path, reader: Reader, as_json: bool) -> Answer:
    """Show an audit.

    Args:
        folder: The audit.
        reader: Of its record.
        as_json: Whether to return the answer in place of printing it.
    """
    manifest, ledger, trials = read_manifest(folder), read_ledger(reader.db), reader.trials()
    finished = manifest.status == "finished"
    report = files.read_report(folder) if finished else None
    if as_json:
        answer: dict[str, Any] = {
            "run": str(folder),
            **manifest.as_json(),
            "trials": [trial._asdict() for trial in trials],
            "ledger": ledger.as_json(),
        }
        return {**answer, **report.as_json()} if report else answer
    out = console()
    out.print(f"{visible(folder.name)}: {manifest.status}", style="bold")
    if manifest.problem:
        out.print(visible(manifest.problem), style="red")
    for trial in trials:
        out.print(f"  seed {trial.seed}  {trial.rounds} choices of each user are replayed")
    if report:
        print_audit(report)
        out.print(f"\nThe page, with plots: {folder / files.PAGE}", soft_wrap=True)
    print_ledger(ledger)
    here = shlex.quote(str(folder))
    for user, _, _ in reader.most_slow_steps(trials[0], 1) if trials else ():
        out.print("\nThe replayed choices of a user, and what the agent wrote into her memory:\n")
        command = f"{program()} show {here} --user {shlex.quote(visible(user))}"
        out.print(f"    {command}", soft_wrap=True)
    if not finished and manifest.status != "running":
        command = resume_command(folder, manifest.go_on)
        out.print(f"\nGo on with\n\n    {command}", soft_wrap=True)
    return None
