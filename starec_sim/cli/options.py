"""Arguments and options that several commands have, and options as one object.

A command with many options takes one dataclass, in which each field is an option:

    @dataclass(frozen=True)
    class Options:
        name: Annotated[str, typer.Argument(metavar="NAME")]
        as_json: AsJson = False

    @takes_options
    def command(options: Options) -> None: ...
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

if TYPE_CHECKING:
    from starec_sim.experiment import Experiment

_DATA_EXAMPLE = "e.g. --set data.encoding=latin-1"

Answer = dict[str, Any] | None
"""What a command returns: its JSON object with `--json`, else None."""

RunArgument = Annotated[
    str,
    typer.Argument(metavar="RUN", help="A run's folder, its name or the start of it; `latest`."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
AsMarkdown = Annotated[bool, typer.Option("--md", help="Print Markdown.")]
RUNS_DIR = Path("runs")
RunsDir = Annotated[Path, typer.Option("--runs-dir", metavar="FOLDER", help="Where runs are kept.")]
NewRunsDir = Annotated[
    Path | None,
    typer.Option(
        "--runs-dir",
        metavar="FOLDER",
        help="Where runs are kept and the new one is written; without it, the new one is written "
        "beside RUN.",
    ),
]
BudgetChanges = Annotated[
    list[str] | None,
    typer.Option(
        "--budget",
        metavar="KEY=N",
        help="Limit what the run may spend in total: calls, tokens, usd or hours; none lifts "
        "a limit.",
    ),
]
ExperimentFile = Annotated[
    Path, typer.Argument(metavar="EXPERIMENT", help="A YAML file, or a folder with a config.yaml.")
]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change a key, e.g. rounds=5 or environment.pages=2."
    ),
]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust",
        help="Run the code, and use the servers and keys, that the folder of a run names, "
        "though it was not made here.",
    ),
]
AllowChangedCode = Annotated[
    bool,
    typer.Option(
        "--allow-changed-code", help="Go on though the code of a plug-in was changed since."
    ),
]
OtherData = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="DATA",
        help="Use other data: a folder or file, the name of a dataset, each with settings after "
        "commas (csv,path=x.csv), or a YAML file.",
    ),
]
Data = Annotated[
    str,
    typer.Option(
        metavar="DATA",
        help="A folder or file, the name of a dataset, each with settings after commas "
        "(csv,path=x.csv), or a YAML file.",
    ),
]
DataChanges = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="data.KEY=VALUE",
        help="Change a setting of the data, e.g. data.encoding=latin-1.",
    ),
]
Against = Annotated[
    str | None,
    typer.Option(
        "--against", metavar="ROW", help="Compare with this row; by default the first agent."
    ),
]


def takes_options(command: Callable[[Any], Answer]) -> Callable[..., Answer]:
    """Return a command with an option for each field of the dataclass that the function takes.

    Args:
        command: A function of one argument, annotated with a dataclass. The fields are annotated
            as the parameters of a Typer command.
    """
    (parameter,) = inspect.signature(command).parameters
    options = get_type_hints(command)[parameter]
    annotations = get_type_hints(options, include_extras=True)
    fields = inspect.signature(options).parameters.values()

    @functools.wraps(command)
    def with_options(**values: Any) -> Answer:
        return command(options(**values))

    signature = inspect.Signature([f.replace(annotation=annotations[f.name]) for f in fields])
    with_options.__signature__ = signature  # type: ignore[attr-defined]
    with_options.__annotations__ = annotations
    return with_options


def read_experiment(
    path: Path, changes: list[str] | None, data: str | None, *, trust: bool = False
) -> Experiment:
    """Return the experiment that a command names, with its `--set` and `--data`.

    Raises:
        ConfigError: The file cannot be read, or a key or value is wrong.
        DataError: There is no such data.
        PluginError: There is no such plug-in.
    """
    from starec_sim import experiment
    from starec_sim.data_specs import data_spec
    from starec_sim.yaml_files import key_value_pairs

    replaced = {}
    if data is not None:
        pairs = key_value_pairs(changes or (), "--set", _DATA_EXAMPLE)
        of_data = [(key[5:], value) for key, value in pairs if key.startswith("data.")]
        replaced = {"data": data_spec(data, of_data)}
    return experiment.read_experiment(path, changes or (), replaced, trust=trust)


def read_data(data: str, changes: list[str] | None) -> dict[str, Any]:
    """Return the spec of the dataset that a command names, with its `--set`, its settings checked.

    Raises:
        ConfigError: A setting is wrong, or is none of the data.
        DataError: There is no such data.
        PluginError: Its reader cannot be loaded.
    """
    from starec_sim import plugins
    from starec_sim.data_specs import data_spec
    from starec_sim.errors import ConfigError
    from starec_sim.settings import HINT
    from starec_sim.yaml_files import key_value_pairs

    pairs = key_value_pairs(changes or (), "--set", _DATA_EXAMPLE)
    for key, _ in pairs:
        if not key.startswith("data."):
            raise ConfigError(
                f"--set {key}: this command takes settings of the data only", hint=_DATA_EXAMPLE
            )
    spec = data_spec(data, [(key[5:], value) for key, value in pairs])
    try:
        plugins.configure("datasets", spec, "data")
    except ConfigError as error:
        given = [f"--set {change}" for change in changes or ()]
        has_settings = "," in data or Path(data).is_file() or not given
        places = [*([data] if has_settings else []), *given]
        hint = f"mend {' or '.join(places)}" if error.hint == HINT else error.hint
        raise ConfigError(error.message, hint=hint) from None
    return spec


def budget_changes(pairs: list[str] | None) -> dict[str, float | None]:
    """Return the limits that the pairs of `--budget` set, by key; None is no limit.

    Raises:
        ConfigError: A pair is not KEY=N, or there is no such key.
    """
    from starec_sim.errors import ConfigError, did_you_mean, in_digits
    from starec_sim.policies.settings import Budget
    from starec_sim.yaml_files import key_value_pairs

    example = "e.g. --budget calls=5000 or --budget usd=none"
    changes: dict[str, float | None] = {}
    for key, value in key_value_pairs(pairs or (), "--budget", example):
        pair = f'--budget "{key}={value}"'
        if key not in Budget.model_fields:
            near = did_you_mean(key, Budget.model_fields)
            raise ConfigError(f"{pair}: there is no such key; {near}", hint=example)
        try:
            changes[key] = None if value == "none" else float(str(value))
        except ValueError:
            digits = in_digits(str(value))
            more = f"; write {digits}" if digits else ""
            raise ConfigError(f"{pair}: expected a number{more}", hint=example) from None
    return changes
