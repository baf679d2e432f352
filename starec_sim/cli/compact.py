"""`starec compact`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from starec_sim.cli.options import Answer, AsJson, RunArgument, RunsDir


def compact(
    run: RunArgument,
    to: Annotated[
        Literal["decisions", "metrics"],
        typer.Option("--to", help="What is kept: as `record` in an experiment."),
    ] = "decisions",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before it deletes.")] = False,
    runs_dir: RunsDir = Path("runs"),
    as_json: AsJson = False,
) -> Answer:
    """Keep less of a finished run, to save space. What is left out is deleted.

    The digest stays as it is.
    """
    from starec_sim.errors import ConfigError
    from starec_sim.runs import folder
    from starec_sim.runs.compaction import compact as compact_run
    from starec_sim.runs.compaction import plan_compaction
    from starec_sim.visible_text import visible_line

    found = folder.find(run, runs_dir)
    plan = plan_compaction(found, to)
    name = visible_line(found.name)
    print(f"{name} keeps `{plan.before}`; to keep `{to}` deletes for good:", file=sys.stderr)
    for line in plan.lost:
        print(f"  {line}", file=sys.stderr)
    if not yes:
        if as_json or not sys.stdin.isatty():
            raise ConfigError("nothing was deleted: nobody could be asked", hint="add --yes")
        if not typer.confirm("Delete that?", err=True):
            print("nothing was deleted", file=sys.stderr)
            return {"run": str(found), "status": "unchanged"} if as_json else None
    done = compact_run(found, to)
    answer: dict[str, Any] = {
        "run": str(found),
        "record": {"before": done.before, "after": done.after},
        "bytes": {"before": done.bytes_before, "after": done.bytes_after},
        "digest": done.digest,
    }
    if as_json:
        return answer
    saved = 1 - (done.bytes_after or 0) / done.bytes_before
    print(
        f"record of {done.bytes_after:,} bytes, before {done.bytes_before:,}: {saved:.0%} saved\n"
        f"digest {done.digest}, as before"
    )
    return None
