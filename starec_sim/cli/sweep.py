"""`starec sweep`."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from starec_sim.cli.options import (
    Answer,
    AsJson,
    Changes,
    ExperimentFile,
    OtherData,
    Trust,
    read_experiment,
    takes_options,
)

if TYPE_CHECKING:
    from starec_sim.experiment import Experiment

_OVER = "e.g. --over environment.recommender.use=als,random --over environment.pages=1,2"
_SEEDS = "e.g. --seeds 1..5 or --seeds 1,2,7"


@dataclass(frozen=True)
class SweepOptions:
    """What `starec sweep` takes."""

    experiment: ExperimentFile
    over: Annotated[
        list[str],
        typer.Option("--over", metavar="KEY=A,B", help="The values of a key; several keys."),
    ]
    seeds: Annotated[
        str | None,
        typer.Option(metavar="1..5", help="First and last seed, or seeds with commas."),
    ] = None
    processes: Annotated[
        int, typer.Option(min=1, max=256, metavar="N", help="Runs played at once.")
    ] = 1
    changes: Changes = None
    data: OtherData = None
    trust: Trust = False
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all metrics as CSV as well.")
    ] = None
    as_json: AsJson = False


@takes_options
def sweep(options: SweepOptions) -> Answer:
    """Run an experiment with every combination of some values, and compare them.

    Each combination with each seed is a run of its own. What is recorded already is not played
    again, so a sweep that was stopped goes on with the same command.

    For example: starec sweep experiments/00_demo --over environment.pages=1,2 --seeds 1..3
    """
    from starec_sim.cli.sweep_view import print_progress, print_sweep, write_csv
    from starec_sim.errors import ConfigError
    from starec_sim.sweeps import plan_sweep
    from starec_sim.sweeps import sweep as play_sweep
    from starec_sim.yaml_files import key_values

    experiment = read_experiment(
        options.experiment, options.changes, options.data, trust=options.trust
    )
    pairs = [key_values(text, "--over", _OVER) for text in options.over]
    over = dict(pairs)
    if len(over) < len(pairs):
        raise ConfigError("--over names a key twice", hint="name all of its values at once")
    if options.csv is not None and not options.csv.parent.is_dir():
        raise ConfigError(f"--csv {options.csv}: there is no such folder", hint="make it first")
    runs = plan_sweep(experiment, over, _seeds(options.seeds, experiment))
    try:
        result = play_sweep(runs, options.processes, print_progress)
    except KeyboardInterrupt:
        print("\nThe sweep stopped; the same command goes on from here.", file=sys.stderr)
        raise
    if options.csv is not None:
        write_csv(result, options.csv)
    if options.as_json:
        return result.as_json()
    print_sweep(result)
    return None


def _seeds(text: str | None, experiment: Experiment) -> list[int]:
    """Return the seeds of a text such as `1..5` or `1,2,7`; those of the experiment when None.

    Raises:
        ConfigError: It is none of these, or a seed is there twice.
    """
    from starec_sim.errors import ConfigError

    if text is None:
        return [experiment.seed + number for number in range(experiment.replicates)]
    if found := re.fullmatch(r"(\d{1,18})\.\.(\d{1,18})", text.strip()):
        first, last = int(found[1]), int(found[2])
        if last - first > 9_999:
            raise ConfigError(f"--seeds {text}: more than 10,000 seeds", hint=_SEEDS)
        seeds = list(range(first, last + 1))
    elif re.fullmatch(r"\d{1,18}(,\d{1,18})*", text.strip()):
        seeds = [int(part) for part in text.split(",")]
    else:
        raise ConfigError(f'--seeds "{text}" are no seeds', hint=_SEEDS)
    if not seeds or len(set(seeds)) < len(seeds):
        raise ConfigError(f'--seeds "{text}" names no seed, or one twice', hint=_SEEDS)
    return seeds
