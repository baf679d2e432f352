"""Figures of each kind of users in a recorded run, and of its calibration."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from starec_sim.glossary import metric_info
from starec_sim.metrics import Interval, student_interval
from starec_sim.population.calibration import CALLS, SECOND, TOKENS, USD
from starec_sim.population.estimators import CalibratedMetric, CalibrationSample, calibrated
from starec_sim.population.kinds import KIND
from starec_sim.runs import queries
from starec_sim.runs.reader import Reader, RecordedTrial
from starec_sim.types import FloatArray


class KindSummary(NamedTuple):
    """The figures of one kind in one arm."""

    users: int
    """Of this kind in all trials of the arm; a user counts once in each trial."""
    visitors: int
    """Those of them who visited in the rounds that count."""
    metrics: Mapping[str, Interval]
    """Means over users, with Student's 95 % interval."""


class CalibrationSummary(NamedTuple):
    """What a calibration found in one arm."""

    cheap: str
    costly: str
    users: int
    """Whom both kinds played, in all trials."""
    cheap_users: int
    """Users of the cheap kind who visited, in all trials."""
    calls: int
    """Of the costly kind, for the calibration alone."""
    tokens: int
    usd: float
    metrics: Mapping[str, CalibratedMetric]


class _TrialValues(NamedTuple):
    """The values of one trial."""

    kinds: Mapping[str, str]
    """Of each user, by id."""
    means: Mapping[str, Mapping[str, float]]
    """Of each metric and each user's id, over her visits."""


def read_kinds(
    reader: Reader, trials: Sequence[RecordedTrial], window: range
) -> tuple[dict[str, dict[str, KindSummary]], dict[str, CalibrationSummary]]:
    """Return the figures of each kind, and what a calibration found, by arm.

    Both are empty where all users are alike, or visits are not recorded.

    Args:
        reader: The record.
        trials: That have begun.
        window: Rounds, from 0, whose visits count.
    """
    found: dict[str, dict[str, KindSummary]] = {}
    calibrations: dict[str, CalibrationSummary] = {}
    arms: dict[str, list[RecordedTrial]] = defaultdict(list)
    for trial in trials:
        if isinstance(trial.facts.get("population"), Mapping) and reader.level != "metrics":
            arms[trial.arm].append(trial)
    for arm, of_arm in arms.items():
        values = [_read_values(reader, trial, window) for trial in of_arm]
        found[arm] = _by_kind(values)
        if any(name.startswith(SECOND) for each in values for name in each.means):
            calibrations[arm] = _calibration(reader, of_arm, window)
    return found, calibrations


def kinds_as_json(
    kinds: Mapping[str, Mapping[str, KindSummary]], calibrations: Mapping[str, CalibrationSummary]
) -> dict[str, Any]:
    """Return the figures of kinds and calibrations as JSON values; nothing without kinds."""
    found: dict[str, Any] = {}
    if kinds:
        found["kinds"] = {
            arm: {
                kind: {
                    "users": each.users,
                    "visitors": each.visitors,
                    "metrics": {name: x.as_json() for name, x in each.metrics.items()},
                }
                for kind, each in of_arm.items()
            }
            for arm, of_arm in kinds.items()
        }
    if calibrations:
        found["calibrations"] = {
            arm: {
                **each._asdict(),
                "metrics": {
                    name: {
                        "cheap": metric.cheap,
                        "bias": metric.bias.as_json(),
                        "corrected": metric.corrected.as_json(),
                        "slope": metric.slope,
                        "clipped": list(metric.clipped),
                        "seeds": [seed._asdict() for seed in metric.seeds],
                    }
                    for name, metric in each.metrics.items()
                },
            }
            for arm, each in calibrations.items()
        }
    return found


def _by_kind(trials: Sequence[_TrialValues]) -> dict[str, KindSummary]:
    users = Counter(kind for trial in trials for kind in trial.kinds.values())
    visitors = Counter(
        trial.kinds[user] for trial in trials for user in set().union(*trial.means.values())
    )
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for trial in trials:
        for name, of_users in trial.means.items():
            if not name.startswith(SECOND):
                for user, mean in of_users.items():
                    values[trial.kinds[user]][name].append(mean)
    return {
        kind: KindSummary(
            users[kind],
            visitors[kind],
            {
                name: student_interval(each, metric_info(name).bounds)
                for name, each in values[kind].items()
            },
        )
        for kind in sorted(users)
    }


def _calibration(
    reader: Reader, trials: Sequence[RecordedTrial], window: range
) -> CalibrationSummary:
    """Return what the calibration of one arm found."""
    of_trials: list[_Played] = []
    spent: Counter[str] = Counter()
    users, cheap_users, cheap, costly = 0, 0, "", ""
    for trial in trials:
        paired = _read_pairs(reader, trial, window)
        spent.update(paired.spent)
        # Rounds that a fork replays have no second visits.
        kinds, means = _read_values(reader, trial, range(paired.start, window.stop))
        played = sorted(means.get(CALLS, ()))
        cheap = next((kinds[user] for user in played), cheap)
        visitors = sorted(user for user in set().union(*means.values()) if kinds[user] == cheap)
        users, cheap_users = users + len(played), cheap_users + len(visitors)
        of_trials.append(_Played(trial.seed, visitors, played, means, paired.means))
    seconds = {name for each in of_trials for name in each.means if name.startswith(SECOND)}
    found = {}
    for name in sorted(seconds - {CALLS, TOKENS, USD}):
        costly, _, metric = name.removeprefix(SECOND).partition(".")
        samples = [each.sample(name, metric) for each in of_trials if each.played]
        found[metric] = calibrated(samples, metric_info(metric).bounds)
    return CalibrationSummary(
        cheap,
        costly,
        users,
        cheap_users,
        round(spent[CALLS]),
        round(spent[TOKENS]),
        float(spent[USD]),
        {name: metric for name, metric in found.items() if metric is not None},
    )


class _Played(NamedTuple):
    """What one trial has for a calibration."""

    seed: int
    visitors: Sequence[str]
    """Ids of the users of the cheap kind who visited."""
    played: Sequence[str]
    """Of those whom both kinds played."""
    means: Mapping[str, Mapping[str, float]]
    """Of each metric and each user's id, second visits included."""
    paired: Mapping[str, Mapping[str, float]]
    """The same over the first visits of those whom both kinds played."""

    def sample(self, second: str, metric: str) -> CalibrationSample:
        """Return the sample of a metric, given its name and that of the second visits."""
        return CalibrationSample(
            _values_of(self.means.get(metric, {}), self.visitors),
            _values_of(self.paired.get(metric, {}), self.played),
            _values_of(self.means.get(second, {}), self.played),
            self.seed,
        )


def _values_of(means: Mapping[str, float], users: Sequence[str]) -> FloatArray:
    return np.array([means.get(user, np.nan) for user in users], np.float64)


def _read_values(reader: Reader, trial: RecordedTrial, window: range) -> _TrialValues:
    kinds = {user.id: str(user.profile.get(KIND, "")) for _, user in reader.users(trial)}
    return _TrialValues(kinds, queries.user_means(reader.db, [trial.number], window))


class _Pairs(NamedTuple):
    """The visits of a trial whose user was played again in the same round."""

    start: int
    """The round of the first of them; the end of the window if there is none."""
    means: Mapping[str, Mapping[str, float]]
    """Of each metric and each user's id, over the first visits. A second visit that failed is left
    out, and then its first visit does not count."""
    spent: Counter[str]
    """What the second visits took, by name of the metric."""


def _read_pairs(reader: Reader, trial: RecordedTrial, window: range) -> _Pairs:
    """Return the pairs of a trial in a window of rounds."""
    start, spent = window.stop, Counter[str]()
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for visit in queries.visit_metrics(reader.db, [trial.number]):
        if visit.round in window and CALLS in visit.metrics:
            start = min(start, visit.round)
            for name, value in visit.metrics.items():
                if name in (CALLS, TOKENS, USD):
                    spent[name] += value  # type: ignore[assignment]
                elif not name.startswith(SECOND):
                    values[name][visit.user_id].append(value)
    means = {
        name: {user: float(np.mean(each)) for user, each in of_users.items()}
        for name, of_users in values.items()
    }
    return _Pairs(start, means, spent)
