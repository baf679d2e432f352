"""`starec plot`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from starec_sim.cli.options import Answer, AsJson, AsMarkdown, RunArgument, RunsDir


def plot(
    run: RunArgument,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", metavar="FORMAT", help="pdf, svg or png; all three otherwise."),
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FOLDER", help="Where the files are written.")
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    as_json: AsJson = False,
    as_md: AsMarkdown = False,
) -> Answer:
    """Plot a run, an evaluation or a training: vectors for papers, and pixels.

    The files plot.pdf, plot.svg and plot.png are written beside the record.

    For example: starec plot latest --format pdf --to figures
    """
    from starec_sim.errors import RunError, did_you_mean
    from starec_sim.plot_style import FORMATS
    from starec_sim.runs import folder

    wanted = list(dict.fromkeys(formats or FORMATS))
    for name in wanted:
        if name not in FORMATS:
            raise RunError(
                f'a plot cannot be written as "{name}"; {did_you_mean(name, FORMATS)}',
                hint="pass one of those to --format, several times for several files",
            )
    if to is not None and to.suffix.removeprefix(".") in FORMATS:
        raise RunError(
            f"--to names a folder, and {to} looks like a file",
            hint=f"starec plot {run} --format {to.suffix.removeprefix('.')} --to {to.parent}",
        )
    recorded = folder.find(run, runs_dir)
    where = to or recorded
    where.mkdir(parents=True, exist_ok=True)
    files = [where / f"plot.{name}" for name in wanted]
    for file in files:
        _plot(recorded, file)
    if as_json:
        return {"run": str(recorded), "files": [str(file) for file in files]}
    for file in files:
        print(f"![{recorded.name}]({file})" if as_md else file)
    return None


def _plot(recorded: Path, file: Path) -> None:
    from starec_sim.errors import RunError
    from starec_sim.runs.manifest import read_manifest

    kind = read_manifest(recorded).kind
    if kind == "audit":
        raise RunError(f"{recorded} is an audit, which is no plot", hint=f"starec show {recorded}")
    drawn = {"training": _training, "evaluation": _evaluation}.get(kind, _run)(recorded, file)
    if not drawn:
        raise RunError(
            f"nothing is measured in {recorded} yet", hint="wait until a round is committed"
        )


def _run(recorded: Path, file: Path) -> bool:
    from starec_sim.plot import plot_report
    from starec_sim.report import summarise
    from starec_sim.runs.run_tables import read_run

    settings: Any = read_run(recorded).configuration.get("report")
    settings = settings if isinstance(settings, Mapping) else {}
    report = summarise(recorded, settings.get("last_rounds"), settings.get("metrics") or ())
    return plot_report(report, recorded.name, file)


def _training(recorded: Path, file: Path) -> bool:
    from starec_sim.learning.checkpoints import CheckpointStore
    from starec_sim.learning.plots import plot_training

    logged = CheckpointStore(recorded).logged()
    if logged:
        plot_training(logged, recorded.name, file)
    return bool(logged)


def _evaluation(recorded: Path, file: Path) -> bool:
    from starec_sim.evaluation.folder import read_finished_table
    from starec_sim.evaluation.plot import plot_table

    return plot_table(read_finished_table(recorded), file)
