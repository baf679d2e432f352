"""The list of runs: what each one is, how far it got, and its first figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from starec_sim import yaml_files
from starec_sim.errors import StarecError
from starec_sim.glossary import metric_info
from starec_sim.learning.trials import is_validation
from starec_sim.runs import queries
from starec_sim.runs.folder import CONFIG, configuration
from starec_sim.runs.manifest import Manifest, read_manifest
from starec_sim.runs.reader import Reader, RecordedTrial, reading

_FIRST = ("reward", "ndcg@10", "hit@1", "satisfaction", "click_through")
_HEADLINE = 2
"""Metrics of a run that are in the list: the first of `_FIRST` that it has."""


@dataclass(frozen=True, slots=True)
class Headline:
    """A metric of the first trial, as the mean over its rounds."""

    metric: str
    value: float | None


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run of the list."""

    name: str
    kind: str
    status: str
    """As in the manifest; `damaged` for a run whose manifest cannot be read."""
    started: str
    experiment: str
    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    users: int | None
    rounds_done: int
    rounds: int | None
    """Rounds of a trial in the configuration; None where it names none."""
    headline: tuple[Headline, ...]
    cost_usd: float | None
    folder: str
    problem: str | None
    """Why it paused or failed, or cannot be read."""


def read_run_row(folder: Path) -> RunRow:
    """Return a run as it stands in the list, also a damaged one."""
    try:
        manifest = read_manifest(folder)
    except StarecError as error:
        nothing = ((), (), None, 0, None, (), None)
        return RunRow(folder.name, "run", "damaged", "", "", *nothing, str(folder), error.message)
    try:
        with reading(folder) as reader:
            return _row(folder, manifest, reader, reader.trials(), manifest.problem)
    except StarecError as error:
        return _row(folder, manifest, None, (), manifest.problem or error.message)


def _row(
    folder: Path,
    manifest: Manifest,
    reader: Reader | None,
    trials: Sequence[RecordedTrial],
    problem: str | None,
) -> RunRow:
    users = trials[0].facts.get("users") if trials else None
    return RunRow(
        name=folder.name,
        kind=manifest.kind,
        status=manifest.status,
        started=manifest.started,
        experiment=manifest.name,
        arms=tuple(dict.fromkeys(trial.arm for trial in trials)) or tuple(manifest.arms),
        seeds=tuple(dict.fromkeys(trial.seed for trial in trials)) or tuple(manifest.seeds),
        users=users if isinstance(users, int) else None,
        rounds_done=max((trial.rounds for trial in trials), default=0),
        rounds=_rounds(folder, manifest),
        headline=_headline(reader, _shown(trials)) if reader and trials else (),
        cost_usd=_cost(reader, trials) if reader else None,
        folder=str(folder),
        problem=problem,
    )


def _rounds(folder: Path, manifest: Manifest) -> int | None:
    if manifest.kind != "run" or not manifest.config_sha256:
        return None
    try:
        rounds = yaml_files.parse(configuration(folder), str(folder / CONFIG)).get("rounds")
    except StarecError:
        return None  # the page of the run says what is wrong with its configuration
    return rounds if isinstance(rounds, int) else None


def _shown(trials: Sequence[RecordedTrial]) -> RecordedTrial:
    """Return the trial whose metrics stand in the list: the last validation, else the first."""
    validations = [each for each in trials if is_validation(each.number) and each.rounds]
    return validations[-1] if validations else trials[0]


def _headline(reader: Reader, trial: RecordedTrial) -> tuple[Headline, ...]:
    values: dict[str, list[float]] = defaultdict(list)
    for found in queries.round_metrics(reader.db, [trial.number]):
        if found.name in _FIRST and found.value is not None:
            values[found.name].append(found.value)
    names = [name for name in _FIRST if values[name]][:_HEADLINE]
    return tuple(
        Headline(metric_info(name).label, sum(values[name]) / len(values[name])) for name in names
    )


def _cost(reader: Reader, trials: Sequence[RecordedTrial]) -> float | None:
    costs = [queries.call_costs(reader.db, each.number, range(each.rounds)).usd for each in trials]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known else None
