"""`starec runs`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from starec_sim.cli.options import Answer, AsJson, RunsDir

_COLOURS = {"finished": "green", "running": "cyan", "failed": "red", "damaged": "red"}


def runs(
    runs_dir: RunsDir = Path("runs"),
    remove_leftovers: Annotated[
        bool,
        typer.Option("--remove-leftovers", help="Remove what is left of runs that never began."),
    ] = False,
    as_json: AsJson = False,
) -> Answer:
    """List all runs, newest first."""
    import shutil

    from starec_sim.errors import RunError
    from starec_sim.runs import folder
    from starec_sim.runs.manifest import read_manifest

    if runs_dir.exists() and not runs_dir.is_dir():
        raise RunError(f"{runs_dir} is not a folder", hint="--runs-dir names the folder of runs")
    rows = []
    for path in reversed(folder.listed(runs_dir)):
        try:
            about = read_manifest(path).as_json()
        except RunError as error:
            about = {"status": "damaged", "problem": error.message}
        keys = ("name", "kind", "status", "started", "seeds", "arms", "digest", "problem")
        rows.append({"run": str(path), **{key: about.get(key) for key in keys}})
    leftovers = folder.leftovers(runs_dir)
    if remove_leftovers:
        for path in leftovers:
            shutil.rmtree(path)
    if as_json:
        left = list(map(str, leftovers))
        return {"runs": rows, "removed" if remove_leftovers else "leftovers": left}
    _print(rows, runs_dir)
    _print_leftovers(leftovers, runs_dir, remove_leftovers)
    return None


def _print(rows: list[dict[str, Any]], runs_dir: Path) -> None:
    from rich.text import Text

    from starec_sim.cli.text import program
    from starec_sim.cli.visible_console import console
    from starec_sim.visible_text import visible_line

    out = console()
    if not rows:
        out.print(f"There are no runs in {visible_line(str(runs_dir))}. Start one:\n")
        out.print(f"    {program()} run experiments/01_quickstart")
        return
    width = max(len("run"), *(Text(visible_line(row["run"])).cell_len for row in rows))
    # One line each, whatever the width: a name that is broken cannot be copied.
    head = f"{'run':<{width}}  {'kind':<10}  {'status':<11}  {'started':<16}  arms"
    out.print(head, style="bold", soft_wrap=True)
    for row in rows:
        name = Text(visible_line(row["run"]))
        name.pad_right(width - name.cell_len)
        started = visible_line(row["started"] or "")[:16].replace("T", " ")
        about = visible_line(", ".join(row["arms"] or ()))
        line = Text.assemble(
            name,
            f"  {row['kind'] or '':<10}",
            (f"  {row['status']:<11}", _COLOURS.get(row["status"], "yellow")),
            f"  {started:<16}  {about}",
        )
        out.print(line, soft_wrap=True)


def _print_leftovers(leftovers: list[Path], runs_dir: Path, removed: bool) -> None:
    """Print the folders of runs that were killed before they began, and how they are removed."""
    from starec_sim.cli.text import program
    from starec_sim.cli.visible_console import console
    from starec_sim.visible_text import visible_line

    if not leftovers:
        return
    out = console()
    if removed:
        out.print("\nRemoved, from runs that were killed before they began:\n")
    else:
        out.print("\nLeft over from runs that were killed before they began; nothing is in them:\n")
    for path in leftovers:
        out.print(f"    {visible_line(str(path))}", soft_wrap=True)
    if not removed:
        where = shlex.quote(visible_line(str(runs_dir)))
        out.print("\nRemove them with\n")
        out.print(f"    {program()} runs --runs-dir {where} --remove-leftovers", soft_wrap=True)
