"""What came of a run: figures by arm with intervals, and differences between arms on the same users.

A figure that every visit has a value of is averaged for each user first; its interval is a
bootstrap over users. A figure of a round as a whole (coverage, Gini) has one value a trial; its
interval is Student's over the replicates, and there is none with a single one.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from starec_sim.glossary import place
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
    halves: tuple[float, ...]
    """Half the width of each round's 95 % interval; NaN where there is none."""


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
    halves: tuple[float, ...]
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
        trials: dict[str, dict[int, int]] = defaultdict(dict)
        for trial, arm, seed in db.execute("SELECT trial, arm, seed FROM trials ORDER BY trial"):
            trials[arm][trial] = seed
        rounds = db.execute("SELECT COALESCE(MAX(round), -1) + 1 FROM rounds").fetchone()[0]
        window = min(last_rounds or rounds, rounds)
        samples = {arm: _read(db, rows, rounds, rounds - window) for arm, rows in trials.items()}
    figures: dict[str, dict[str, Figure]] = {}
    differences: dict[str, dict[str, Difference]] = {}
    first = next(iter(samples), None)
    for arm, metrics in samples.items():
        names = [name for name in wanted if name in metrics] or list(metrics)
        figures[arm] = {
            name: Figure(_interval(metrics[name]), metrics[name].series, metrics[name].halves)
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
    db: sqlite3.Connection, seeds: Mapping[int, int], rounds: int, start: int
) -> dict[str, _Samples]:
    """Return the metrics of one arm over the rounds from `start`.

    Args:
        db: The run's record.
        seeds: The arm's trials, and the seed of each.
        rounds: Rounds committed.
        start: The first round that counts.
    """
    trials = list(seeds)
    marks = ",".join("?" * len(trials))
    by_user: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    by_seed: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    of_visits: dict[str, list[list[float]]] = defaultdict(lambda: [[] for _ in range(rounds)])
    of_rounds: dict[str, list[list[float]]] = defaultdict(lambda: [[] for _ in range(rounds)])
    for user, round, text in db.execute(
        f"SELECT u.id, v.round, v.figures FROM visits v JOIN users u USING (trial, user) "
        f"WHERE v.trial IN ({marks}) ORDER BY v.trial, v.round, v.user",
        trials,
    ):
        for name, value in json.loads(text).items():
            of_visits[name][round].append(value)
            if round >= start:
                by_user[name][user].append(value)
    for trial, round, name, value in db.execute(
        f"SELECT trial, round, name, value FROM metrics WHERE trial IN ({marks})", trials
    ):
        of_rounds[name][round].append(math.nan if value is None else value)
        if round >= start and value is not None:
            by_seed[name][str(seeds[trial])].append(value)
    found = {}
    for name in sorted(of_rounds, key=place):
        means = of_rounds[name]
        units = by_user[name] if name in by_user else by_seed[name]
        found[name] = _Samples(
            {unit: float(np.mean(values)) for unit, values in units.items()},
            tuple(_student(_known(values)).mean for values in means),
            tuple(
                interval.high - interval.mean
                for interval in map(_student, map(_known, of_visits.get(name, means)))
            ),
            name in by_user,
        )
    return found


def _known(values: Sequence[float]) -> FloatArray:
    x = np.array(values)
    return np.asarray(x[~np.isnan(x)])


def _interval(samples: _Samples) -> Interval:
    x = np.array([samples.values[unit] for unit in sorted(samples.values)])
    return bootstrap_interval(x, seed=_SEED) if samples.by_user else _student(x)


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
