"""`starec export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from starec_sim.cli.options import AsJson, Run, RunsDir


def export(
    run: Run,
    turns: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Turns to the token, to train on: .parquet or .jsonl."),
    ] = None,
    impressions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Every item shown and what became of it: .csv, .parquet or .jsonl."
        ),
    ] = None,
    arm: Annotated[str | None, typer.Option(metavar="ARM", help="Only this arm.")] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Only this seed.")] = None,
    reward: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="With --turns: the component that is the reward."),
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    as_json: AsJson = False,
) -> dict[str, Any] | None:
    """Write a run's record as tables, for trainers and notebooks.

    For example: starec export latest --turns turns.parquet --impressions impressions.csv
    """
    from starec_sim.errors import RunError
    from starec_sim.runs import export as exports
    from starec_sim.runs import folder

    if turns is None and impressions is None:
        raise RunError(
            "nothing was named to be exported", hint="add --turns FILE or --impressions FILE"
        )
    if reward is not None and turns is None:
        raise RunError("--reward says what turns have earned", hint="add --turns FILE")
    found = folder.find(run, runs_dir)
    answer: dict[str, Any] = {"run": str(found)}
    if turns is not None:
        told = exports.export_turns(found, turns, arm=arm, seed=seed, reward=reward)
        answer["turns"] = told._asdict() | {"file": str(told.file)}
        if not as_json:
            out = f", {told.left_out:,} without tokens left out" if told.left_out else ""
            print(f"{told.file}: {told.rows:,} turns in {told.groups:,} groups{out}")
    if impressions is not None:
        told = exports.export_impressions(found, impressions, arm=arm, seed=seed)
        answer["impressions"] = {"file": str(told.file), "rows": told.rows}
        if not as_json:
            print(f"{told.file}: {told.rows:,} impressions")
    return answer if as_json else None
