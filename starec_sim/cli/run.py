"""`starec run`, `starec resume` and `starec replay`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from starec_sim.cli.options import Allowed, AsJson, Changes, ExperimentFile, OtherData, Run, RunsDir

if TYPE_CHECKING:
    from starec_sim.events import RunEvents
    from starec_sim.experiment import Experiment
    from starec_sim.runner import RunResult


class UnfinishedError(Exception):
    """A run that did not come to its end."""

    def __init__(
        self, run: str | None, cause: BaseException, say_how_to_go_on: Callable[[], None]
    ) -> None:
        super().__init__(str(cause))
        self.run = run
        """Its folder; None while nothing of it was kept."""
        self.cause = cause
        self.say_how_to_go_on = say_how_to_go_on
        """Called once the cause is told: what is kept, and the next command."""


class _Follows(Protocol):
    """A live display, as far as it tells what is left of a run without its end."""

    kept: str | None

    def say_how_to_go_on(self, error: BaseException) -> None: ...


@contextmanager
def unfinished_told(display: _Follows) -> Iterator[None]:
    """Turn whatever ends a run early into an `UnfinishedError`."""
    try:
        yield
    except BaseException as error:
        cause = error  # Python forgets `error` at the end of this block
        raise UnfinishedError(
            display.kept, cause, lambda: display.say_how_to_go_on(cause)
        ) from error


def run(
    experiment: ExperimentFile,
    changes: Changes = None,
    data: OtherData = None,
    as_json: AsJson = False,
) -> dict[str, Any] | None:
    """Run an experiment.

    For example: starec run experiments/01_quickstart --set rounds=5
    """
    from starec_sim import runner

    loaded = read_experiment(experiment, changes, data)
    return _finish(lambda events: runner.run(loaded, events), as_json)


def resume(
    run: Run,
    concurrency: Annotated[
        int | None,
        typer.Option(min=1, max=4096, metavar="N", help="Visits in flight, if it should change."),
    ] = None,
    budget: Allowed = None,
    runs_dir: RunsDir = Path("runs"),
    as_json: AsJson = False,
) -> dict[str, Any] | None:
    """Go on with a run or a training that was paused, stopped or killed, or that failed."""
    from starec_sim import runner
    from starec_sim.cli.evaluation import finish
    from starec_sim.runs import folder
    from starec_sim.runs.manifest import read_manifest

    found, allowed = folder.find(run, runs_dir), dict(map(allowance, budget or ()))
    kind = read_manifest(found).kind
    if kind == "evaluation":
        return finish(None, found, False, None, None, as_json, concurrency, allowed)
    if kind == "training":
        return _resume_training(found, allowed, concurrency, as_json)
    return _finish(
        lambda events: runner.resume(found, events, concurrency=concurrency, budget=allowed),
        as_json,
    )


def _resume_training(
    folder: Path, budget: Mapping[str, float | None], concurrency: int | None, as_json: bool
) -> dict[str, Any] | None:
    """Go on with a training."""
    from starec_sim.cli.train import finish
    from starec_sim.learning.train import resume_training

    return finish(
        lambda events: resume_training(folder, events, concurrency=concurrency, budget=budget),
        as_json,
    )


def replay(
    run: Run, runs_dir: RunsDir = Path("runs"), as_json: AsJson = False
) -> dict[str, Any] | None:
    """Run a recorded run again with its own answers, without any model, in a new folder.

    The digest tells whether everything was as before.
    """
    from starec_sim import runner
    from starec_sim.runs import folder

    found = folder.find(run, runs_dir)
    return _finish(lambda events: runner.replay(found, events), as_json)


def allowance(text: str) -> tuple[str, float | None]:
    """Read one `--budget`."""
    from starec_sim.errors import ConfigError, did_you_mean
    from starec_sim.policies.settings import Budget
    from starec_sim.yaml_files import key_value

    key, value = key_value(text, "--budget", "e.g. --budget calls=5000 or --budget usd=none")
    if key not in Budget.model_fields:
        raise ConfigError(
            f'--budget "{text}": there is no such key; {did_you_mean(key, Budget.model_fields)}',
            hint="e.g. --budget calls=5000 or --budget usd=none",
        )
    if value == "none":
        return key, None
    try:
        return key, float(str(value))
    except ValueError:
        raise ConfigError(
            f'--budget "{text}": expected a number', hint="e.g. --budget calls=5000"
        ) from None


def _finish(execute: Callable[[RunEvents], RunResult], as_json: bool) -> dict[str, Any] | None:
    """Execute with a live display, then show what came of it."""
    from starec_sim.cli.ledger_view import print_error, print_ledger
    from starec_sim.cli.run_progress import RunProgress
    from starec_sim.cli.tables import print_report
    from starec_sim.runs.reader import reading

    display = RunProgress()
    with unfinished_told(display), display:
        result = execute(display)
    plot = _plot(result, display)
    if as_json:
        return {**result.as_json(), "plot": str(plot) if plot else None}
    print_report(result.report)
    print_ledger(result.ledger)
    print_error(result)
    with reading(result.folder) as reader:
        busiest = reader.busiest(reader.trials()[0], 1)
    someone = busiest[0][0] if busiest else "ID"
    if result.replayed is not None:
        display.say_whether_it_is_the_same(result.digest, result.replayed)
    display.say_what_is_next(result.folder, result.digest, plot, someone)
    return None


def _plot(result: RunResult, display: Any) -> Path | None:
    from starec_sim.plot import plot_report

    path = result.folder / "plot.png"
    try:
        return path if plot_report(result.report, result.folder.name, path) else None
    except OSError as error:  # the run is done, and its figures are safe
        display.message(f"\nNo plot was written: {error}")
        return None


def read_experiment(path: Path, changes: list[str] | None, data: str | None) -> Experiment:
    """Read the experiment that a command names, with its `--set` and `--data`."""
    from starec_sim import experiment as experiments

    if path.is_dir() and (path / "config.yaml").is_file():
        path = path / "config.yaml"
    replaced = {} if data is None else {"data": data_spec(data)}
    return experiments.read(path, changes or (), replaced)


def data_spec(data: str) -> dict[str, Any]:
    """Return the dataset spec that `--data` stands for."""
    from starec_sim import plugins
    from starec_sim.errors import DataError, did_you_mean

    known = plugins.registered("datasets")
    if data in known or (":" in data and not Path(data).exists()):
        return {"use": data}
    if not data.strip() or not Path(data).exists():
        raise DataError(
            f'"{data}" is neither a file or folder nor a dataset; {did_you_mean(data, known)}',
            hint="`starec plugins` lists the datasets, `starec data get ml-100k` fetches one",
        )
    use, settings = plugins.load("data", "detect")(Path(data))
    return {"use": use, **settings}
