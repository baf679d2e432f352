"""`starec run` and `starec resume`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from starec_sim.laboratory import Result

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
RunsDir = Annotated[Path, typer.Option("--runs-dir", help="Where runs are kept.")]


def run(
    experiment: Annotated[Path, typer.Argument(help="A YAML file, or the folder it lies in.")],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a key; dots reach into others."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Use other data: a folder or file, or the name of a dataset."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run an experiment."""
    from starec_sim import experiment as experiments
    from starec_sim import laboratory

    if experiment.is_dir() and (experiment / "config.yaml").is_file():
        experiment = experiment / "config.yaml"
    replaced = {"data": data_spec(data)} if data else {}
    loaded = experiments.read(experiment, changes or (), replaced)
    _finish(lambda onlooker: laboratory.start(loaded, onlooker), as_json)


def resume(
    run: Annotated[
        str, typer.Argument(help="A run's folder, its name or the start of it; `latest`.")
    ],
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Visits in flight, if it should change.")
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Go on with a run that was stopped, killed or failed."""
    from starec_sim import laboratory
    from starec_sim.runs import folder

    found = folder.find(run, runs_dir)
    _finish(lambda onlooker: laboratory.resume(found, onlooker, concurrency=concurrency), as_json)


def _finish(execute: Any, as_json: bool) -> None:
    """Execute with a live display, then print the result."""
    from starec_sim.cli.display import Display
    from starec_sim.cli.tables import print_json, print_report

    display = Display()
    try:
        with display:
            result: Result = execute(display)
    except BaseException as error:
        display.say_how_to_go_on(error)
        raise
    plot = _plot(result)
    if as_json:
        print_json({**result.as_json(), "plot": str(plot) if plot else None})
    else:
        print_report(result.report)
        display.say_what_is_next(result.folder, result.digest, plot)


def _plot(result: Result) -> Path | None:
    from starec_sim.plot import plot_report

    path = result.folder / "plot.png"
    return path if plot_report(result.report, result.folder.name, path) else None


def data_spec(data: str) -> dict[str, Any]:
    """Return the dataset spec that `--data` stands for."""
    from starec_sim import plugins
    from starec_sim.errors import DataError, did_you_mean

    known = plugins.registered("datasets")
    if data in known or ":" in data:
        return {"use": data}
    if not Path(data).exists():
        raise DataError(
            f'"{data}" is neither a file or folder nor a dataset; {did_you_mean(data, known)}',
            hint="`starec plugins` lists the datasets, `starec data get ml-100k` fetches one",
        )
    use, settings = plugins.load("data", "detect")(Path(data))
    return {"use": use, **settings}
