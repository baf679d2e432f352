"""`starec export`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from starec_sim.cli.options import Answer, AsJson, AsMarkdown, RunArgument, RunsDir, takes_options


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
    as_md: AsMarkdown = False


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
        return _whole(folder.find(options.run, options.runs_dir), options.to, options)
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
    lines: list[tuple[str, str]] = []
    arm, seed = options.arm, options.seed
    if options.turns is not None:
        written = exports.export_turns(
            run, options.turns, arm=arm, seed=seed, reward=options.reward
        )
        answer["turns"] = written._asdict() | {"file": str(written.file)}
        left = f", {written.left_out:,} without tokens left out" if written.left_out else ""
        said = f"{written.rows:,} turns in {written.groups:,} groups{left}"
        lines.append((str(written.file), said))
    if options.impressions is not None:
        shown = exports.export_impressions(run, options.impressions, arm=arm, seed=seed)
        answer["impressions"] = {"file": str(shown.file), "rows": shown.rows}
        lines.append((str(shown.file), f"{shown.rows:,} impressions"))
    if options.as_json:
        return answer
    _print_written(lines, options.as_md)
    return None


def _print_written(lines: Sequence[tuple[str, str]], as_md: bool) -> None:
    """Print what was written, and where."""
    from starec_sim.cli.as_markdown import markdown_table

    if as_md:
        print(markdown_table(["written to", "what"], lines))
    else:
        for where, what in lines:
            print(f"{where}: {what}")


def _whole(run: Path, to: str, options: ExportOptions) -> Answer:
    """Export a whole run in one format."""
    from starec_sim.errors import RunError, did_you_mean
    from starec_sim.exports.markdown import write_markdown
    from starec_sim.exports.otel import send_otel, write_otel
    from starec_sim.exports.tables import write_tables
    from starec_sim.exports.trajectories import write_atif

    out, endpoint = options.out, options.endpoint
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
    if options.as_json:
        return {"run": str(run), "format": to, "written_to": where, "rows": what}
    said = ", ".join(f"{count:,} {name}" for name, count in what.items())
    _print_written([(where, said)], options.as_md)
    return None
