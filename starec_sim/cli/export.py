"""`starec export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from starec_sim.cli.options import Answer, AsJson, RunArgument, RunsDir


def export(
    run: RunArgument,
    turns: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Turns with their token ids, to train on: .parquet or .jsonl."
        ),
    ] = None,
    impressions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Every item shown with the action on it: .csv, .parquet or .jsonl."
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
) -> Answer:
    """Write a run's record as tables, for trainers and notebooks.

    For example: starec export latest --turns turns.parquet --impressions impressions.csv
    """
    from starec_sim.errors import RunError
    from starec_sim.runs import export as exports
    from starec_sim.runs import folder

    if turns is None and impressions is None:
        raise RunError("there is nothing to export", hint="add --turns FILE or --impressions FILE")
    if reward is not None and turns is None:
        raise RunError("--reward names the reward of turns", hint="add --turns FILE")
    recorded = folder.find(run, runs_dir)
    answer: dict[str, Any] = {"run": str(recorded)}
    if turns is not None:
        written = exports.export_turns(recorded, turns, arm=arm, seed=seed, reward=reward)
        answer["turns"] = written._asdict() | {"file": str(written.file)}
        if not as_json:
            out = f", {written.left_out:,} without tokens left out" if written.left_out else ""
            print(f"{written.file}: {written.rows:,} turns in {written.groups:,} groups{out}")
    if impressions is not None:
        written = exports.export_impressions(recorded, impressions, arm=arm, seed=seed)
        answer["impressions"] = {"file": str(written.file), "rows": written.rows}
        if not as_json:
            print(f"{written.file}: {written.rows:,} impressions")
    return answer if as_json else None
