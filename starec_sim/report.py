"""What came of a run: figures by arm with intervals, and differences between arms on the same users.

A figure that every visit has a value of is averaged for each user first; its interval is a
bootstrap over users. A figure of a round as a whole (coverage, Gini) has one value a trial; its
interval is Student's over the replicates, and there is none with a single one.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from starec_sim.metrics import Interval, bootstrap_interval, permutation_test
from starec_sim.runs.store import FILE, check_schema
from starec_sim.types import FloatArray

_SEED = 0
"""Of the bootstrap: the same record gives the same report."""


class Figure(NamedTuple):
    """One metric in one arm."""

    interval: Interval
    series: tuple[float, ...]
    """The mean of each round, over all trials; NaN where nobody had a value."""


class Difference(NamedTuple):
    """One metric of an arm against the first arm, on the same users (or seeds)."""

    interval: Interval
    p: float | None
    """Two-sided, from a permutation test over users; None for a figure of whole rounds."""


class Report(NamedTuple):
    """The figures of a run."""

    figures: Mapping[str, Mapping[str, Figure]]
    """By arm and metric, in the order of the experiment."""
    differences: Mapping[str, Mapping[str, Difference]]
    """By arm (all but the first) and metric."""
    last_rounds: int
    """Over how many rounds at the end the figures are means."""

    def as_json(self) -> dict[str, Any]:
        """Return the figures and differences as JSON values."""
        return {
            "metrics": {
                arm: {name: _plain(figure.interval) for name, figure in figures.items()}
                for arm, figures in self.figures.items()
            },
            "differences": {
                arm: {
                    name: {**_plain(difference.interval), "p": difference.p}
                    for name, difference in differences.items()
                }
                for arm, differences in self.differences.items()
            },
            "last_rounds": self.last_rounds,
        }


class _Samples(NamedTuple):
    """One metric in one arm: a value for each unit (user or seed)."""

    values: Mapping[str, float]
    series: tuple[float, ...]
    by_user: bool


def summarise(folder: Path, last_rounds: int | None, wanted: Sequence[str] = ()) -> Report:
    """Read a run's figures, as far as its rounds are committed.

    Args:
        folder: The run.
        last_rounds: Take means over so many rounds at the end; all when None.
        wanted: Metrics to report, in order; all when empty.
    """
    path = folder / FILE
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        check_schema(db, path)
        trials: dict[str, list[int]] = defaultdict(list)
        for trial, arm in db.execute("SELECT trial, arm FROM trials ORDER BY trial"):
            trials[arm].append(trial)
        rounds = db.execute("SELECT COALESCE(MAX(round), -1) + 1 FROM rounds").fetchone()[0]
        window = min(last_rounds or rounds, rounds)
        samples = {arm: _read(db, rows, rounds, rounds - window) for arm, rows in trials.items()}
    figures: dict[str, dict[str, Figure]] = {}
    differences: dict[str, dict[str, Difference]] = {}
    first = next(iter(samples), None)
    for arm, metrics in samples.items():
        names = [name for name in wanted if name in metrics] or list(metrics)
        figures[arm] = {
            name: Figure(_interval(metrics[name].values, metrics[name].by_user), metrics[name].series)
            for name in names
        }
        if arm != first:
            differences[arm] = {
                name: _difference(metrics[name], samples[str(first)][name])
                for name in names
                if name in samples[str(first)]
            }
    return Report(figures, differences, window)


def _read(
    db: sqlite3.Connection, trials: Sequence[int], rounds: int, start: int
) -> dict[str, _Samples]:
    """Return the metrics of one arm from its trials, over the rounds from `start`."""
    marks = ",".join("?" * len(trials))
    sums: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for user, text in db.execute(
        f"SELECT u.id, v.figures FROM visits v JOIN users u USING (trial, user) "
        f"WHERE v.trial IN ({marks}) AND v.round >= ? ORDER BY v.trial, v.round, v.user",
        (*trials, start),
    ):
        for name, value in json.loads(text).items():
            sums[name][user].append(value)
    by_round: dict[str, list[list[float]]] = defaultdict(lambda: [[] for _ in range(rounds)])
    by_trial: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for trial, round, name, value in db.execute(
        f"SELECT trial, round, name, value FROM metrics WHERE trial IN ({marks})", trials
    ):
        if value is None:
            continue
        by_round[name][round].append(value)
        if round >= start:
            by_trial[name][str(trials.index(trial))].append(value)
    found = {}
    for name, values in by_round.items():
        series = tuple(float(np.mean(row)) if row else float("nan") for row in values)
        units = sums[name] if name in sums else by_trial[name]
        means = {unit: float(np.mean(row)) for unit, row in units.items()}
        found[name] = _Samples(means, series, name in sums)
    return found


def _interval(values: Mapping[str, float], by_user: bool) -> Interval:
    x = np.array([values[unit] for unit in sorted(values)])
    if by_user:
        return bootstrap_interval(x, seed=_SEED)
    return _student(x)


def _difference(arm: _Samples, first: _Samples) -> Difference:
    units = sorted(set(arm.values) & set(first.values))
    a = np.array([arm.values[unit] for unit in units])
    b = np.array([first.values[unit] for unit in units])
    if arm.by_user:
        return Difference(bootstrap_interval(a - b, seed=_SEED), permutation_test(a, b, seed=_SEED))
    return Difference(_student(a - b), None)


def _student(x: FloatArray) -> Interval:
    n = len(x)
    if n < 2:
        return Interval(float(x[0]) if n else float("nan"), float("nan"), float("nan"), n)
    spread = float(stats.t.ppf(0.975, n - 1) * x.std(ddof=1) / np.sqrt(n))
    return Interval(float(x.mean()), float(x.mean()) - spread, float(x.mean()) + spread, n)


def _plain(interval: Interval) -> dict[str, float | int | None]:
    return {
        name: None if isinstance(value, float) and np.isnan(value) else value
        for name, value in interval._asdict().items()
    }
