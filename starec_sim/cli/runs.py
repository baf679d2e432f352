"""`starec runs`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starec_sim.cli.options import Answer, AsJson, RunsDir

_COLOURS = {"finished": "green", "running": "cyan", "failed": "red", "damaged": "red"}


def runs(runs_dir: RunsDir = Path("runs"), as_json: AsJson = False) -> Answer:
    """List all runs, evaluations, audits and trainings, oldest first."""
    from starec_sim.errors import RunError
    from starec_sim.runs import folder
    from starec_sim.runs.manifest import read_manifest

    if runs_dir.exists() and not runs_dir.is_dir():
        raise RunError(f"{runs_dir} is not a folder", hint="--runs-dir names the folder of runs")
    rows = []
    for path in folder.listed(runs_dir):
        try:
            about = read_manifest(path).as_json()
        except RunError as error:
            about = {"status": "damaged", "problem": error.message}
        keys = ("name", "kind", "status", "started", "seeds", "arms", "digest", "problem")
        rows.append({"run": str(path), **{key: about.get(key) for key in keys}})
    if as_json:
        return {"runs": rows}
    _print(rows, runs_dir)
    return None


def _print(rows: list[dict[str, Any]], runs_dir: Path) -> None:
    from rich.text import Text

    from starec_sim.cli.tables import console
    from starec_sim.cli.text import clean, program

    out = console()
    if not rows:
        out.print(f"There are no runs in {clean(str(runs_dir))}. Start one:\n")
        out.print(f"    {program()} run experiments/01_quickstart")
        return
    width = max(len("run"), *(Text(clean(row["run"])).cell_len for row in rows))
    # One line each, whatever the width: a name that is broken cannot be copied.
    head = f"{'run':<{width}}  {'kind':<10}  {'status':<11}  {'started':<16}  arms"
    out.print(head, style="bold", soft_wrap=True)
    for row in rows:
        name = Text(clean(row["run"]))
        name.pad_right(width - name.cell_len)
        started = str(row["started"] or "")[:16].replace("T", " ")
        about = clean(", ".join(row["arms"] or ()))
        line = Text.assemble(
            name,
            f"  {row['kind'] or '':<10}",
            (f"  {row['status']:<11}", _COLOURS.get(row["status"], "yellow")),
            f"  {started:<16}  {about}",
        )
        out.print(line, soft_wrap=True)
