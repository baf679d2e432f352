"""`starec runs`."""

from __future__ import annotations

from pathlib import Path

from starec_sim.cli.run import AsJson, RunsDir


def runs(runs_dir: RunsDir = Path("runs"), as_json: AsJson = False) -> None:
    """List all runs, oldest first."""
    from rich.console import Console
    from rich.table import Table

    from starec_sim.cli.tables import clean, print_json
    from starec_sim.errors import RunError
    from starec_sim.runs import folder

    rows = []
    for path in folder.listed(runs_dir):
        try:
            manifest = folder.read(path)
        except RunError as error:
            manifest = {"status": "damaged", "problem": error.message}
        keys = ("name", "status", "started", "seeds", "arms", "digest", "problem")
        rows.append({"run": str(path), **{key: manifest.get(key) for key in keys}})
    if as_json:
        print_json({"runs": rows})
        return
    console = Console()
    if not rows:
        console.print(f"There are no runs in {runs_dir}. Start one:\n", highlight=False)
        console.print("    starec run experiments/01_quickstart", highlight=False)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("run", "status", "started", "arms", "digest"):
        table.add_column(column, overflow="fold")
    colours = {"finished": "green", "running": "cyan", "failed": "red", "damaged": "red"}
    for row in rows:
        status = str(row["status"])
        table.add_row(
            clean(str(row["run"])),
            f"[{colours.get(status, 'yellow')}]{status}[/]",
            str(row["started"])[:19].replace("T", " "),
            clean(", ".join(row["arms"] or ())),
            str(row["digest"] or "")[:12],
        )
    console.print(table)
