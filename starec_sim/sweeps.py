"""A sweep: an experiment with every combination of some values, each with the same seeds.

Each combination with one seed is an ordinary run. A run that is there already, with the same
configuration, version and code of plug-ins, is not played again; one that was stopped is resumed.
So a sweep that was killed goes on when the same sweep is started again.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from hashlib import sha256
from itertools import product
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, NamedTuple

from starec_sim.errors import ConfigError, RunError, StarecError
from starec_sim.experiment import Experiment
from starec_sim.glossary import metric_info
from starec_sim.metrics import Interval, student_interval
from starec_sim.runner import config_text, resume, run
from starec_sim.runs import folder as run_folder
from starec_sim.runs.code import SAME_CODE, check_plugins
from starec_sim.runs.lifecycle import check_same_code
from starec_sim.runs.manifest import Manifest, read_manifest
from starec_sim.settings import HINT, current_key, validate
from starec_sim.stored_summary import run_summary
from starec_sim.yaml_files import put_all

_FIXED = ("seed", "replicates", "runs_dir", "name", "report")
"""Keys that a sweep cannot vary: it has seeds of its own, and all of its runs are compared."""
_MOST_RUNS = 10_000


class SweepRun(NamedTuple):
    """A combination with one seed."""

    values: Mapping[str, Any]
    """By dotted key."""
    experiment: Experiment

    @property
    def name(self) -> str:
        """The values and the seed, for people."""
        values = [f"{key}={value}" for key, value in self.values.items()]
        return ", ".join([*values, f"seed {self.experiment.seed}"])


class SweepRow(NamedTuple):
    """An arm of a combination."""

    values: Mapping[str, Any]
    arm: str
    by_seed: Mapping[str, Mapping[int, float]]
    """The mean over users by metric and seed."""
    metrics: Mapping[str, Interval]
    """The mean over seeds, with Student's 95 % interval; NaN bounds with one seed."""
    differences: Mapping[str, Interval]
    """The mean difference from the first row, over the same seeds; empty for the first row."""


class SweepProgress(NamedTuple):
    """A run of a sweep is over."""

    name: str
    folder: Path
    played: bool
    """False if it was there already."""
    done: int
    runs: int
    seconds_left: float
    """Estimated from the runs that were played; NaN before the first of them."""


class SweepResult(NamedTuple):
    """A finished sweep."""

    rows: tuple[SweepRow, ...]
    folders: Mapping[str, Path]
    """The folder of each run, by its name."""

    def as_json(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return {
            "rows": [
                {
                    "values": dict(row.values),
                    "arm": row.arm,
                    "metrics": {name: _as_json(found) for name, found in row.metrics.items()},
                    "differences": {n: _as_json(found) for n, found in row.differences.items()},
                    "by_seed": {
                        name: {str(seed): value for seed, value in values.items()}
                        for name, values in row.by_seed.items()
                    },
                }
                for row in self.rows
            ],
            "runs": {name: str(folder) for name, folder in self.folders.items()},
        }


def plan_sweep(
    experiment: Experiment, over: Mapping[str, Sequence[Any]], seeds: Sequence[int]
) -> list[SweepRun]:
    """Return the runs of a sweep, each checked, combination by combination.

    Args:
        experiment: What is varied.
        over: The values of each dotted key.
        seeds: The seeds that every combination is played with.

    Raises:
        ConfigError: A key or value is wrong, or there are too many runs.
        PluginError: There is no such plug-in.
    """
    over = {current_key(Experiment, key): values for key, values in over.items()}
    for key in over:
        if key.partition(".")[0] in _FIXED:
            raise ConfigError(
                f"--over {key}: a sweep cannot vary this key",
                hint="pass --seeds 1..5 for seeds, and set other keys with --set",
            )
    combinations = [dict(zip(over, values, strict=True)) for values in product(*over.values())]
    if len(combinations) * len(seeds) > _MOST_RUNS:
        raise ConfigError(
            f"{len(combinations):,} combinations with {len(seeds):,} seeds are more than "
            f"{_MOST_RUNS:,} runs",
            hint="name fewer values or seeds",
        )
    runs = []
    for values in combinations:
        changed = experiment.model_dump(mode="json")
        put_all(changed, [*values.items(), ("replicates", 1)], "--over ")
        for seed in seeds:
            try:
                one = validate(Experiment, {**changed, "seed": seed}, "")
                one.resolve()
            except ConfigError as error:
                hint = "mend --over, --seeds, --set or the file" if error.hint == HINT else None
                named = SweepRun(values, experiment.model_copy(update={"seed": seed}))
                raise ConfigError(
                    f"with {named.name}: {error.message}",
                    hint=hint or error.hint,
                ) from None
            runs.append(SweepRun(values, one))
    return runs


def sweep(
    runs: Sequence[SweepRun],
    processes: int = 1,
    progress: Callable[[SweepProgress], None] = lambda over: None,
) -> SweepResult:
    """Play what is not recorded yet of the runs of a sweep, and compare them.

    Args:
        runs: From `plan_sweep`.
        processes: Runs that are played at once, each in a process of its own.
        progress: Is called after each run.

    Raises:
        RunError: A run failed or paused; the others are kept.
    """
    start, played, folders = time.monotonic(), 0, dict[str, Path]()
    with _played(runs, processes) as results:
        for number, found in results:
            each = runs[number]
            if isinstance(found, _Failure):
                raise RunError(
                    f"the run with {each.name}: {found.message}",
                    hint=f"{found.hint}; then start the same sweep again, it goes on from here",
                )
            folders[each.name], played = found.folder, played + found.played
            left = len(runs) - len(folders)
            pace = (time.monotonic() - start) / played if played else float("nan")
            progress(
                SweepProgress(
                    each.name, found.folder, found.played, len(folders), len(runs), pace * left
                )
            )
    ordered = {each.name: folders[each.name] for each in runs}
    return SweepResult(_rows(runs, ordered), ordered)


class _Played(NamedTuple):
    folder: Path
    played: bool


class _Failure(NamedTuple):
    """What went wrong in another process; exceptions do not all survive being sent."""

    message: str
    hint: str


def _play(experiment: Experiment) -> _Played | _Failure:
    """Play or resume a run, unless it is recorded."""
    try:
        recorded = _recorded(experiment)
        if recorded is None:
            return _Played(run(experiment).folder, True)
        folder, manifest = recorded
        if manifest.status != "finished":
            resume(folder)
        return _Played(folder, manifest.status != "finished")
    except StarecError as error:
        recorded = _recorded(experiment)  # the run that it left, if it had begun
        where = f"; the run is {recorded[0]}" if recorded else ""
        return _Failure(error.message, f"{error.hint}{where}")


def _recorded(experiment: Experiment) -> tuple[Path, Manifest] | None:
    """Return the last run of this configuration that the same code made here, if any."""
    config = sha256(config_text(experiment).encode()).hexdigest()
    for folder in reversed(run_folder.listed(experiment.runs_dir)):
        try:
            manifest = read_manifest(folder)
            same = manifest.kind == "run" and manifest.config_sha256 == config
            if same and manifest.is_made_here:
                check_same_code(manifest, manifest.prompts)
                check_plugins(folder, manifest, SAME_CODE, noted=False)
                return folder, manifest
        except RunError:  # it is damaged, or was made by other code
            continue
    return None


@contextmanager
def _played(
    runs: Sequence[SweepRun], processes: int
) -> Iterator[Iterator[tuple[int, _Played | _Failure]]]:
    """Yield the number of each run and what came of it, as they end."""
    if processes == 1 or len(runs) == 1:
        yield ((number, _play(each.experiment)) for number, each in enumerate(runs))
        return
    # A fresh interpreter: threads of numeric libraries do not survive a fork.
    context, before = multiprocessing.get_context("spawn"), multiprocessing.active_children()
    with ProcessPoolExecutor(processes, context, _end_with_parent) as pool:
        waiting = {pool.submit(_play, each.experiment): number for number, each in enumerate(runs)}
        try:
            yield ((waiting[future], future.result()) for future in as_completed(waiting))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in multiprocessing.active_children():
                if child not in before:
                    child.kill()  # what it committed is kept, and resumed by the next sweep
            raise


def _end_with_parent() -> None:
    """End this process when the one that started it has ended, killed or not."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        sentinel = parent.sentinel
        threading.Thread(target=lambda: (wait([sentinel]), os._exit(1)), daemon=True).start()


def _rows(runs: Sequence[SweepRun], folders: Mapping[str, Path]) -> tuple[SweepRow, ...]:
    """Return a row for each arm of each combination."""
    found: dict[tuple[str, str], dict[str, dict[int, float]]] = {}
    values: dict[tuple[str, str], Mapping[str, Any]] = {}
    for each in runs:
        report = each.experiment.report
        summary = run_summary(folders[each.name], report.last_rounds, report.metrics).report
        for arm, metrics in summary.metrics.items():
            key = (repr(each.values), arm)
            values[key] = each.values
            by_seed = found.setdefault(key, defaultdict(dict))
            for name, metric in metrics.items():
                by_seed[name][each.experiment.seed] = metric.interval.mean
    rows: list[SweepRow] = []
    for key, by_seed in found.items():
        first = rows[0].by_seed if rows else {}
        differences = {
            name: student_interval(
                [of[seed] - first[name][seed] for seed in of], metric_info(name).difference_bounds
            )
            for name, of in by_seed.items()
            if name in first and of.keys() == first[name].keys()
        }
        means = {
            name: student_interval(list(of.values()), metric_info(name).bounds)
            for name, of in by_seed.items()
        }
        rows.append(SweepRow(values[key], key[1], by_seed, means, differences))
    return tuple(rows)


def _as_json(found: Interval) -> dict[str, float | int | None]:
    bounds = {"mean": found.mean, "low": found.low, "high": found.high}
    known = {name: None if value != value else value for name, value in bounds.items()}
    return {**known, "seeds": found.n}
