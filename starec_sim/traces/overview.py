"""A run as a whole: its metrics over rounds, what its users did, what its calls cost."""

from __future__ import annotations

import math
import shlex
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starec_sim.glossary import metric_info
from starec_sim.learning.trials import is_validation
from starec_sim.report import MetricSummary
from starec_sim.runs import aggregates
from starec_sim.runs.aggregates import CallSums, ErrorCount, RoundCounts
from starec_sim.runs.manifest import Manifest, read_manifest
from starec_sim.runs.reader import Reader, RecordedTrial
from starec_sim.stored_summary import run_summary
from starec_sim.traces.played_rounds import played_rounds, read_configuration
from starec_sim.traces.values import StepAddress


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Name and state of a run."""

    name: str
    kind: str
    status: str
    started: str
    ended: str | None
    rounds_done: int
    """Rounds that are committed, of all trials together."""
    rounds: int | None
    """Rounds of all trials together when it is finished; None where no number is configured."""
    trials: int
    """Arms times seeds; where no number of rounds is configured, the trials that have begun."""
    experiment: str
    digest: str | None
    version: str
    """Of starec-sim."""
    seeds: tuple[int, ...]
    arms: tuple[str, ...]
    users: int
    """Of the first trial."""
    note: str | None
    """Why it paused or failed."""
    record: str
    """How much is on record: `everything`, `decisions` or `metrics`."""
    compacted: bool
    """Whether more was recorded, and the run compacted."""


@dataclass(frozen=True, slots=True)
class RoundValue:
    """A metric in one round, with its 95 % interval; None where there is none."""

    round: int
    mean: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class MetricSeries:
    """A metric of an arm over the rounds."""

    arm: str
    metric: str
    label: str
    direction: str
    """`higher` or `lower` is better; empty where it depends on the question."""
    rounds: tuple[RoundValue, ...]


@dataclass(frozen=True, slots=True)
class MetricTotal:
    """The mean of a metric of an arm over the last rounds, with its 95 % interval over users."""

    arm: str
    metric: str
    mean: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class VisitFunnel:
    """Counts over all visits of an arm."""

    arm: str
    shown: int
    chosen: int
    """Watched items of a feed; first items of rankings."""
    liked: int
    """Chosen items that turned out to be liked."""
    left: int
    """Visits that ended because the user left."""


@dataclass(frozen=True, slots=True)
class SlowShare:
    """The share of steps of each round after which the slow node was asked."""

    arm: str
    rounds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Calls:
    """The policy calls of one node and policy in an arm."""

    arm: str
    node: str
    policy: str
    calls: int
    tokens_in: int | None
    tokens_out: int | None
    seconds: float
    cost_usd: float | None
    cache_hits: int
    failed: int


@dataclass(frozen=True, slots=True)
class CallError:
    """Calls that went wrong for one cause."""

    cause: str
    text: str
    """The message of the first of them."""
    count: int
    example: StepAddress | None
    """The step of the first of them; None if its user is not on record."""


@dataclass(frozen=True, slots=True)
class Overview:
    """A run as a whole."""

    run: RunFacts
    metrics: tuple[MetricSeries, ...]
    totals: tuple[MetricTotal, ...]
    window: str
    """The rounds that the totals are means of; empty where no round is over."""
    funnel: tuple[VisitFunnel, ...]
    slow_share: tuple[SlowShare, ...]
    calls: tuple[Calls, ...]
    errors: tuple[CallError, ...]
    configuration: Mapping[str, Any]
    live: bool
    """Whether a process works on it."""
    command: str
    """The command that prints the same."""


def read_overview(folder: Path, reader: Reader) -> Overview:
    """Return a run as a whole. In a training, metrics are those of its validations.

    Args:
        folder: The run.
        reader: Of its record.

    Raises:
        RunError: The run is damaged.
    """
    manifest, trials = read_manifest(folder), reader.trials()
    config = read_configuration(folder, manifest)
    settings = config.get("report") or {}
    shown = None
    if manifest.kind == "training":
        shown = [trial.arm for trial in trials if is_validation(trial.number) and trial.rounds]
    last, wanted = settings.get("last_rounds"), settings.get("metrics") or ()
    summary = run_summary(folder, last, wanted, shown)
    metrics = [
        (arm, name, found)
        for arm, of_arm in summary.report.metrics.items()
        for name, found in of_arm.items()
    ]
    arms = {trial.number: trial.arm for trial in trials}
    counts = [found for found in aggregates.round_counts(reader.db) if found.trial in arms]
    return Overview(
        _run_facts(folder, reader, manifest, config, trials),
        tuple(_series(*each) for each in metrics),
        tuple(_total(*each) for each in metrics),
        summary.report.window() if summary.report.rounds else "",
        tuple(_funnels(counts, arms)),
        tuple(_slow_shares(counts, arms)),
        tuple(_calls(summary.calls, arms)),
        tuple(_errors(summary.errors, reader, trials)),
        config,
        manifest.status == "running",
        f"starec show {shlex.quote(str(folder))}",
    )


def _run_facts(
    folder: Path,
    reader: Reader,
    manifest: Manifest,
    config: Mapping[str, Any],
    trials: Sequence[RecordedTrial],
) -> RunFacts:
    rounds = played_rounds(manifest, config, trials)
    return RunFacts(
        name=folder.name,
        kind=manifest.kind,
        status=manifest.status,
        started=manifest.started,
        ended=manifest.finished,
        rounds_done=rounds.done,
        rounds=rounds.wanted,
        trials=rounds.trials,
        experiment=manifest.name,
        digest=manifest.digest,
        version=str(manifest.versions.get("starec-sim", "")),
        seeds=tuple(manifest.seeds),
        arms=tuple(dict.fromkeys(trial.arm for trial in trials)) or tuple(manifest.arms),
        users=reader.count_users(trials[0]) if trials else 0,
        note=manifest.problem,
        record=reader.level,
        compacted=reader.compacted,
    )


def _series(arm: str, name: str, summary: MetricSummary) -> MetricSeries:
    info = metric_info(name)
    least, greatest = info.bounds
    pairs = enumerate(zip(summary.series, summary.halves, strict=True), 1)
    return MetricSeries(
        arm,
        name,
        info.label,
        info.better,
        tuple(
            RoundValue(
                round,
                _known(mean),
                _known(max(mean - half, least)),
                _known(min(mean + half, greatest)),
            )
            for round, (mean, half) in pairs
        ),
    )


def _total(arm: str, name: str, summary: MetricSummary) -> MetricTotal:
    mean, low, high, _ = summary.interval
    return MetricTotal(arm, name, _known(mean), _known(low), _known(high))


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _funnels(counts: Sequence[RoundCounts], arms: Mapping[int, str]) -> list[VisitFunnel]:
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for each in counts:
        parts = (each.shown, each.chosen, each.liked, each.exits)
        sums[arms[each.trial]] = [a + b for a, b in zip(sums[arms[each.trial]], parts, strict=True)]
    return [VisitFunnel(arm, *of_arm) for arm, of_arm in sums.items()]


def _slow_shares(counts: Sequence[RoundCounts], arms: Mapping[int, str]) -> list[SlowShare]:
    slow: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    steps: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for each in counts:
        slow[arms[each.trial]][each.round] += each.slow
        steps[arms[each.trial]][each.round] += each.steps
    return [
        SlowShare(arm, tuple(slow[arm][round] / rounds[round] for round in sorted(rounds)))
        for arm, rounds in steps.items()
    ]


def _calls(sums: Sequence[CallSums], arms: Mapping[int, str]) -> list[Calls]:
    merged: dict[tuple[str, str, str], list[float | None]] = {}
    for trial, node, policy, *values in sums:
        key = arms[trial], node, policy
        before = merged.get(key, [None] * len(values))
        merged[key] = [_sum(a, b) for a, b in zip(before, values, strict=True)]
    return [Calls(*key, *values) for key, values in sorted(merged.items())]  # type: ignore[arg-type]


def _sum(a: float | None, b: float | None) -> float | None:
    return b if a is None else a if b is None else a + b


def _errors(
    errors: Sequence[ErrorCount], reader: Reader, trials: Sequence[RecordedTrial]
) -> list[CallError]:
    by_number = {trial.number: trial for trial in trials}
    found = []
    for error in errors:
        trial = by_number.get(error.trial)
        at = None
        if trial is not None:
            user = reader.user_at(trial, error.user)
            at = StepAddress(trial.arm, trial.seed, user, error.round + 1, error.step + 1)
        found.append(CallError(error.cause, error.text, error.calls, at))
    return found
