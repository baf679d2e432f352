"""The report of a run: the metrics of each arm with intervals, and differences between arms.

A metric of visits is first averaged for each user; its interval is a bootstrap over users. A metric
of whole rounds (coverage, Gini) has one value for each trial; its interval is Student's over the
replicates, and a single replicate has no interval.
"""

from __future__ import annotations

import math
from array import array
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np

from starec_sim.common_rounds import ArmRounds, arm_rounds, name_common_rounds
from starec_sim.glossary import UNREAD, MetricInfo, eventful, metric_info, place
from starec_sim.metrics import (
    Interval,
    bootstrap_interval,
    differences,
    paired_interval,
    permutation_test,
    student_interval,
)
from starec_sim.population.summaries import (
    CalibrationSummary,
    KindSummary,
    kinds_as_json,
    read_kinds,
)
from starec_sim.runs import queries
from starec_sim.runs.reader import Reader, reading
from starec_sim.types import FloatArray

_SEED = 0
"""Seed of the bootstrap: the same record gives the same report."""
Verdict = Literal["higher", "lower", "unsure", "equal", "one seed"]
"""`equal`: every user has the same value on both sides. `unsure`: the 95 % interval holds zero.
`one seed`: there is no interval, because a metric of whole rounds needs more seeds."""


class MetricSummary(NamedTuple):
    """One metric in one arm."""

    interval: Interval
    series: tuple[float, ...]
    """The mean of each round over all trials; NaN where no visit has a value."""
    halves: tuple[float, ...]
    """Half the width of each round's 95 % interval; NaN without an interval."""


class ArmDifference(NamedTuple):
    """One metric of an arm minus that of the first arm, on the same users (or seeds)."""

    interval: Interval
    p: float | None
    """Two-sided, from a permutation test over users; None where it is not computed, as for a metric
    of whole rounds."""
    over_seeds: Interval | None = None
    """For a metric of users: Student's interval over the mean differences of the seeds."""

    @property
    def sure(self) -> bool | None:
        """Whether the 95 % interval excludes zero; None without an interval.

        Users of one trial share a recommender, so they are not independent, and their interval
        is valid for its seed only. With three seeds or more, the interval over seeds must exclude
        zero as well.
        """
        if math.isnan(self.interval.low):
            return None
        seeds = self.over_seeds
        intervals = [self.interval] + ([seeds] if seeds is not None and seeds.n >= 3 else [])
        return all(interval.excludes_zero for interval in intervals)

    @property
    def verdict(self) -> Verdict:
        """The difference in a word."""
        if self.interval.is_zero:
            return "equal"
        if self.sure is None:
            return "one seed"
        if not self.sure:
            return "unsure"
        return "higher" if self.interval.mean > 0 else "lower"


class RunReport(NamedTuple):
    """The metrics of all arms of a run, and the differences between arms."""

    metrics: Mapping[str, Mapping[str, MetricSummary]]
    """By arm and metric, in the order of the experiment."""
    differences: Mapping[str, Mapping[str, ArmDifference]]
    """By arm (all but the first) and metric."""
    rounds: int
    """Rounds that are committed in every trial that has begun."""
    last_rounds: int
    """Number of last rounds over which the means are taken."""
    unknown: tuple[str, ...] = ()
    """Requested metrics that no arm has."""
    kinds: Mapping[str, Mapping[str, KindSummary]] = MappingProxyType({})
    """By arm, the figures of each kind of users; empty where all users are alike."""
    calibrations: Mapping[str, CalibrationSummary] = MappingProxyType({})
    """By arm, the error of the cheap kind; of arms with a calibration."""
    played: tuple[ArmRounds, ...] = ()
    """Of each arm that has begun."""

    def window(self) -> str:
        """Return which rounds the means are of, and why only these."""
        return name_common_rounds(self.rounds, self.last_rounds, self.played)

    def names(self) -> list[str]:
        """Return the metrics that a report shows, in order."""
        series: dict[str, list[float]] = {}
        for summaries in self.metrics.values():
            for name, summary in summaries.items():
                series.setdefault(name, []).extend(summary.series)
        return eventful(series)

    def as_json(self) -> dict[str, Any]:
        """Return metrics and differences as JSON values; a missing value is null."""
        return {
            "metrics": {
                arm: {name: summary.interval.as_json() for name, summary in summaries.items()}
                for arm, summaries in self.metrics.items()
            },
            "differences": {
                arm: {
                    name: {
                        **found.interval.as_json(),
                        "p": none_for_nan(found.p),
                        "sure": found.sure,
                    }
                    for name, found in differences.items()
                }
                for arm, differences in self.differences.items()
            },
            "by_round": {
                arm: {
                    name: [none_for_nan(value) for value in summary.series]
                    for name, summary in summaries.items()
                }
                for arm, summaries in self.metrics.items()
            },
            "rounds": self.rounds,
            "last_rounds": self.last_rounds,
            **kinds_as_json(self.kinds, self.calibrations),
        }


class MetricSamples(NamedTuple):
    """One metric in one arm: a value for each unit (user or seed)."""

    values: Mapping[str, float]
    seeds: Mapping[str, float]
    """The mean of each seed; for a metric of whole rounds the same as `values`."""
    series: tuple[float, ...]
    halves: tuple[float, ...]
    by_user: bool


def summarise(
    folder: Path,
    last_rounds: int | None,
    wanted: Sequence[str] = (),
    arms: Collection[str] | None = None,
) -> RunReport:
    """Return the report of a run, from its committed rounds.

    Arms are compared over the same rounds. While a run is in progress, these are the rounds that
    all started trials have committed.

    Args:
        folder: The folder of the run.
        last_rounds: Number of last rounds over which the means are taken; all when None.
        wanted: Metrics to report, in order; all if empty, or if no arm has any of them.
        arms: The arms that are reported; all when None.

    Raises:
        RunError: The run has no record, or one that cannot be read.
    """
    with reading(folder) as reader:
        begun = [
            trial
            for trial in reader.trials()
            if trial.rounds and (arms is None or trial.arm in arms)
        ]
        seeds: dict[str, dict[int, int]] = defaultdict(dict)
        for trial in begun:
            seeds[trial.arm][trial.number] = trial.seed
        common = min((trial.rounds for trial in begun), default=0)
        window = _window(last_rounds, common)
        samples = {arm: _read_samples(reader, of_arm, window) for arm, of_arm in seeds.items()}
        kinds = read_kinds(reader, begun, window)
    present = {name for metrics in samples.values() for name in metrics}
    chosen = [name for name in wanted if name in present] or sorted(present, key=place)
    chosen += [name for name in _unread(samples) if name not in chosen]
    summaries: dict[str, dict[str, MetricSummary]] = {}
    of_arms: dict[str, dict[str, ArmDifference]] = {}
    for arm, metrics in samples.items():
        infos = {name: metric_info(name) for name in chosen if name in metrics}
        summaries[arm] = {
            name: MetricSummary(
                interval_of(metrics[name], info), metrics[name].series, metrics[name].halves
            )
            for name, info in infos.items()
        }
        first = samples[next(iter(samples))]
        if metrics is not first:
            of_arms[arm] = {
                name: difference_of(metrics[name], first[name], info)
                for name, info in infos.items()
                if name in first
            }
    unknown = tuple(name for name in wanted if name not in present) if present else ()
    return RunReport(summaries, of_arms, common, len(window), unknown, *kinds, arm_rounds(begun))


def report_window(configuration: Mapping[str, Any], rounds: int) -> range:
    """Return the rounds, from 0, over which the reports of a run take means.

    Args:
        configuration: Of the run.
        rounds: Rounds that are committed in all trials.
    """
    report = configuration.get("report")
    last = report.get("last_rounds") if isinstance(report, Mapping) else None
    return _window(last if isinstance(last, int) and last > 0 else None, rounds)


def _window(last_rounds: int | None, rounds: int) -> range:
    return range(max(0, rounds - (last_rounds or rounds)), rounds)


def _read_samples(
    reader: Reader, seeds: Mapping[int, int], window: range
) -> dict[str, MetricSamples]:
    """Return the metrics of one arm.

    Args:
        reader: The record of the run.
        seeds: The seed of each trial of the arm, by number of the trial.
        window: The rounds over which means are taken.
    """
    trials = list(seeds)
    visits = _VisitValues(reader, trials)
    by_seed: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    of_rounds: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    rounds = 0
    for trial, round, name, mean in queries.round_metrics(reader.db, trials):
        rounds = max(rounds, round + 1)
        means_of_trials = of_rounds[name][round]
        if mean is not None:
            means_of_trials.append(mean)
            if round in window:
                by_seed[name][str(seeds[trial])].append(mean)
    samples = {}
    for name, means in of_rounds.items():
        per_user = name in visits.names
        of_seeds = {seed: float(np.mean(values)) for seed, values in by_seed[name].items()}
        # A user who visits in several seeds counts once.
        spreads = [
            student_interval(
                list(visits.means(name, range(round, round + 1)).values())
                if per_user
                else means[round]
            )
            for round in range(rounds)
        ]
        samples[name] = MetricSamples(
            visits.means(name, window) if per_user else of_seeds,
            of_seeds,
            tuple(student_interval(means[round]).mean for round in range(rounds)),
            tuple(spread.high - spread.mean for spread in spreads),
            per_user,
        )
    return samples


class _VisitValues:
    """The metrics of all visits of one arm, 12 bytes a value: a record has millions of them."""

    def __init__(self, reader: Reader, trials: Sequence[int]) -> None:
        self._rows: dict[str, int] = {}
        self._values: dict[str, dict[tuple[int, int], _RoundValues]] = defaultdict(
            lambda: defaultdict(lambda: _RoundValues(array("i"), array("d")))
        )
        for trial, round, _, user, metrics in queries.visit_metrics(reader.db, trials):
            row = self._rows.setdefault(user, len(self._rows))
            for name, value in metrics.items():
                users, values = self._values[name][trial, round]
                users.append(row)
                values.append(value)

    @property
    def names(self) -> Collection[str]:
        return self._values.keys()

    def means(self, name: str, rounds: range) -> dict[str, float]:
        """Return the mean of a metric for each user who has a value in some rounds."""
        of_rows: dict[int, array[float]] = {}
        for (_, round), (users, values) in self._values[name].items():
            if round in rounds:
                for row, value in zip(users, values, strict=True):
                    of_rows.setdefault(row, array("d")).append(value)
        ids = list(self._rows)
        return {
            ids[row]: values[0] if len(values) == 1 else float(np.mean(values))
            for row, values in of_rows.items()
        }


class _RoundValues(NamedTuple):
    """A metric in one round of a trial: rows of users, and what each of them has."""

    users: array[int]
    values: array[float]


def _unread(samples: Mapping[str, Mapping[str, MetricSamples]]) -> list[str]:
    """Return the metrics of unreadable answers that are above 0 in an arm: always reported."""
    return [
        name
        for name in UNREAD
        if any(
            name in of_arm and any(value > 0 for value in of_arm[name].values.values())
            for of_arm in samples.values()
        )
    ]


def interval_of(samples: MetricSamples, info: MetricInfo) -> Interval:
    """Return the mean of a metric over its units, with its 95 % interval."""
    x = np.array([samples.values[unit] for unit in sorted(samples.values)])
    if samples.by_user:
        return bootstrap_interval(x, seed=_SEED)
    return student_interval(x, info.bounds)


def difference_of(
    arm: MetricSamples, first: MetricSamples, info: MetricInfo, most_tested: int | None = None
) -> ArmDifference:
    """Return a metric of an arm minus that of another one, over the users that both have.

    Args:
        arm: The metric in the arm.
        first: The metric in the other one.
        info: What the metric is.
        most_tested: Of more users than these no p is computed, which takes long; None is no limit.
    """
    a, b = _paired(arm.values, first.values)
    one, other = _paired(arm.seeds, first.seeds)
    over_seeds = student_interval(differences(one, other), info.difference_bounds)
    if not arm.by_user:
        return ArmDifference(over_seeds, None)
    tested = most_tested is None or len(a) <= most_tested
    p = permutation_test(a, b, seed=_SEED) if tested else None
    return ArmDifference(paired_interval(a, b, seed=_SEED), p, over_seeds)


def _paired(a: Mapping[str, float], b: Mapping[str, float]) -> tuple[FloatArray, FloatArray]:
    """Return the values of the units that both have, in the same order."""
    units = sorted(set(a) & set(b))
    return np.array([a[unit] for unit in units]), np.array([b[unit] for unit in units])


def none_for_nan(value: float | None) -> float | None:
    """Return None for a NaN, which JSON does not have."""
    return None if value is None or math.isnan(value) else value
