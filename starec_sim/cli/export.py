"""`starec export`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from starec_sim.cli.options import Answer, AsJson, RunArgument, RunsDir, takes_options


@dataclass(frozen=True)
class ExportOptions:
    """What `starec export` takes."""

    run: RunArgument
    turns: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Turns with their token ids, to train on: .parquet or .jsonl."
        ),
    ] = None
    impressions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Every item shown with the action on it: .csv, .parquet or .jsonl."
        ),
    ] = None
    arm: Annotated[str | None, typer.Option(metavar="ARM", help="Only this arm.")] = None
    seed: Annotated[int | None, typer.Option(metavar="N", help="Only this seed.")] = None
    reward: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="With --turns: the component that is the reward."),
    ] = None
    to: Annotated[
        str | None,
        typer.Option(
            metavar="FORMAT",
            help="The whole run: tables in a folder (parquet, csv, jsonl), or a file (md, otel, "
            "atif).",
        ),
    ] = None
    out: Annotated[
        Path | None, typer.Option(metavar="PATH", help="With --to: the folder or file.")
    ] = None
    endpoint: Annotated[
        str | None,
        typer.Option(metavar="URL", help="With --to otel: the collector to send the spans to."),
    ] = None
    runs_dir: RunsDir = Path("runs")
    as_json: AsJson = False


@takes_options
def export(options: ExportOptions) -> Answer:
    """Write a run's record for other tools.

    For example: starec export latest --turns turns.parquet --impressions impressions.csv
    """
    from starec_sim.errors import RunError
    from starec_sim.runs import folder

    parts = (options.turns, options.impressions, options.arm, options.seed, options.reward)
    if options.to is not None:
        if parts != (None,) * len(parts):
            raise RunError(
                "--to exports a whole run", hint="leave out the other options, or leave out --to"
            )
        run = folder.find(options.run, options.runs_dir)
        return _whole(run, options.to, options.out, options.endpoint, options.as_json)
    if options.out is not None or options.endpoint is not None:
        raise RunError("--out and --endpoint belong to --to", hint="add --to FORMAT")
    if options.turns is None and options.impressions is None:
        raise RunError(
            "there is nothing to export",
            hint="add --turns FILE, --impressions FILE or --to FORMAT",
        )
    if options.reward is not None and options.turns is None:
        raise RunError("--reward names the reward of turns", hint="add --turns FILE")
    return _parts(folder.find(options.run, options.runs_dir), options)


def _parts(run: Path, options: ExportOptions) -> Answer:
    """Export the turns of a run, its impressions, or both."""
    from starec_sim.runs import export as exports

    answer: dict[str, Any] = {"run": str(run)}
    arm, seed = options.arm, options.seed
    if options.turns is not None:
        written = exports.export_turns(
            run, options.turns, arm=arm, seed=seed, reward=options.reward
        )
        answer["turns"] = written._asdict() | {"file": str(written.file)}
        if not options.as_json:
            left = f", {written.left_out:,} without tokens left out" if written.left_out else ""
            print(f"{written.file}: {written.rows:,} turns in {written.groups:,} groups{left}")
    if options.impressions is not None:
        shown = exports.export_impressions(run, options.impressions, arm=arm, seed=seed)
        answer["impressions"] = {"file": str(shown.file), "rows": shown.rows}
        if not options.as_json:
            print(f"{shown.file}: {shown.rows:,} impressions")
    return answer if options.as_json else None


def _whole(run: Path, to: str, out: Path | None, endpoint: str | None, as_json: bool) -> Answer:
    """Export a whole run in one format."""
    from starec_sim.errors import RunError, did_you_mean
    from starec_sim.exports.markdown import write_markdown
    from starec_sim.exports.otel import send_otel, write_otel
    from starec_sim.exports.tables import write_tables
    from starec_sim.exports.trajectories import write_atif

    tables, files = ("parquet", "csv", "jsonl"), {"md": "md", "otel": "jsonl", "atif": "jsonl"}
    if to not in (*tables, *files):
        raise RunError(
            f'--to: there is no format "{to}"; {did_you_mean(to, [*tables, *files])}',
            hint="pass parquet, csv, jsonl, md, otel or atif",
        )
    if endpoint is not None:
        if to != "otel" or out is not None:
            raise RunError(
                "--endpoint takes OpenTelemetry spans, and writes no file",
                hint="pass --to otel --endpoint URL, without --out",
            )
        what = {"spans": send_otel(run, endpoint)}
        where = endpoint
    elif to in tables:
        target = out or Path(f"{run.name}-{to}")
        what, where = write_tables(run, target, to), str(target)  # type: ignore[arg-type]
    else:
        target = out or Path(f"{run.name}.{to}" if to == "md" else f"{run.name}.{to}.{files[to]}")
        write = {"md": write_markdown, "otel": write_otel, "atif": write_atif}[to]
        unit = {"md": "visits", "otel": "spans", "atif": "trajectories"}[to]
        what, where = {unit: write(run, target)}, str(target)
    if as_json:
        return {"run": str(run), "format": to, "written_to": where, "rows": what}
    print(f"{where}: " + ", ".join(f"{count:,} {name}" for name, count in what.items()))
    return None
