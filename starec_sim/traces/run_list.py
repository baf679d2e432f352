"""The list of runs: what each one is, how far it got, and its first figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from starec_sim.errors import StarecError
from starec_sim.glossary import metric_info
from starec_sim.learning.trials import is_validation
from starec_sim.report import report_window
from starec_sim.runs import queries
from starec_sim.runs.manifest import Manifest, read_manifest
from starec_sim.runs.reader import Reader, RecordedTrial, reading
from starec_sim.traces.played_rounds import played_rounds, read_configuration

_FIRST = ("reward", "ndcg@10", "hit@1", "satisfaction", "click_through")
_HEADLINE = 2
"""Metrics of a run that are in the list: the first of `_FIRST` that it has."""


@dataclass(frozen=True, slots=True)
class Headline:
    """The mean of a metric over users, as the page of the run shows it."""

    metric: str
    value: float | None


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run of the list."""

    name: str
    kind: str
    status: str
    """As in the manifest; `damaged` if the manifest or a finished record cannot be read."""
    started: str
    experiment: str
    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    users: int | None
    rounds_done: int
    """Rounds that are committed, of all trials together."""
    rounds: int | None
    """Rounds of all trials together when it is finished; None where no number is configured."""
    headline: tuple[Headline, ...]
    headline_arm: str | None
    """The arm of the headline: the first, in a training the last validation; None without one."""
    cost_usd: float | None
    folder: str
    problem: str | None
    """Why it paused or failed, or cannot be read."""


def read_run_row(folder: Path) -> RunRow:
    """Return a run as it stands in the list, also a damaged one."""
    try:
        manifest = read_manifest(folder)
    except StarecError as error:
        nothing = ((), (), None, 0, None, (), None, None)
        return RunRow(folder.name, "run", "damaged", "", "", *nothing, str(folder), error.message)
    try:
        with reading(folder) as reader:
            return _row(folder, manifest, reader, reader.trials(), manifest.problem)
    except StarecError as error:
        row = _row(folder, manifest, None, (), manifest.problem or error.message)
        return replace(row, status="damaged") if manifest.status == "finished" else row


def _row(
    folder: Path,
    manifest: Manifest,
    reader: Reader | None,
    trials: Sequence[RecordedTrial],
    problem: str | None,
) -> RunRow:
    try:
        config = read_configuration(folder, manifest)
    except StarecError:
        config = {}  # the page of the run says what is wrong with its configuration
    rounds = played_rounds(manifest, config, trials)
    arm, headline = _headline(reader, config, trials) if reader else (None, ())
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
        rounds_done=rounds.done,
        rounds=rounds.wanted,
        headline=headline,
        headline_arm=arm if headline else None,
        cost_usd=_cost(reader, trials) if reader else None,
        folder=str(folder),
        problem=problem,
    )


def _headline(
    reader: Reader, config: Mapping[str, Any], trials: Sequence[RecordedTrial]
) -> tuple[str | None, tuple[Headline, ...]]:
    """Return an arm and its first metrics: means as in the report, without its intervals."""
    begun = [trial for trial in trials if trial.rounds]
    validations = [trial for trial in begun if is_validation(trial.number)]
    begun = validations or begun
    if not begun:
        return None, ()
    arm = begun[-1 if validations else 0].arm
    window = report_window(config, min(trial.rounds for trial in begun))
    means = queries.user_means(reader.db, [t.number for t in begun if t.arm == arm], window)
    names = [name for name in _FIRST if name in means][:_HEADLINE]
    return arm, tuple(
        Headline(metric_info(name).label, sum(means[name].values()) / len(means[name]))
        for name in names
    )


def _cost(reader: Reader, trials: Sequence[RecordedTrial]) -> float | None:
    costs = [queries.call_costs(reader.db, each.number, range(each.rounds)).usd for each in trials]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known else None
