"""What a run did to everybody: outcomes by trait, exposure of items, drift of tastes, who left."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from starec_sim.metrics import gini
from starec_sim.runs import aggregates, queries
from starec_sim.runs.aggregates import PersonCounts
from starec_sim.runs.reader import Reader, RecordedTrial
from starec_sim.runs.record_errors import damaged
from starec_sim.traces.traits import OTHERS, trait_labels

_POINTS = 101
"""Points of a Lorenz curve: 0, 1, ... 100 % of the items."""


@dataclass(frozen=True, slots=True)
class TraitValue:
    """The users with one value of a trait, and how they fared on average."""

    value: str
    users: int
    """Those of them who visited."""
    outcomes: Mapping[str, float | None]
    """Means over these users: `visits`, `chosen` (a visit), `mean_rating`, `slow_share`, `left`
    (share of users who ever left). None where no user has a value."""


@dataclass(frozen=True, slots=True)
class Trait:
    """A trait with its values; many numbers are put into ranges."""

    trait: str
    values: tuple[TraitValue, ...]


@dataclass(frozen=True, slots=True)
class Lorenz:
    """How unequally the items were shown in the last round of an arm's first trial."""

    arm: str
    shares: tuple[float, ...]
    """The share of all places that the least shown 0, 1, ... 100 % of the items got."""
    gini: float | None
    """None if nothing was shown."""


@dataclass(frozen=True, slots=True)
class TasteDrift:
    """The mean distance of what users watch from their first likes, by round."""

    arm: str
    rounds: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Left:
    """How many left early in a round."""

    round: int
    visits: int
    """Visits that ended because the user left."""
    last: int
    """Users who left early in this round and in no later one."""


@dataclass(frozen=True, slots=True)
class Population:
    """What a run did to everybody."""

    traits: tuple[Trait, ...]
    lorenz: tuple[Lorenz, ...]
    drift: tuple[TasteDrift, ...]
    left: tuple[Left, ...]


def read_population(reader: Reader, trial: RecordedTrial) -> Population:
    """Return what a run did to everybody.

    Args:
        reader: The record.
        trial: Whose users' traits and exits are counted; curves are drawn for all arms.
    """
    first: dict[str, RecordedTrial] = {}
    reader.require("decisions", "the population")
    for each in reader.trials():
        first.setdefault(each.arm, each)
    people = {found.user: found for found in aggregates.person_counts(reader.db, trial.number)}
    last = Counter(each.left_round for each in people.values())
    return Population(
        tuple(_traits(reader, trial, people)),
        tuple(_lorenz(reader, each) for each in first.values() if each.rounds),
        tuple(_drifts(reader)),
        tuple(
            Left(found.round + 1, found.exits, last[found.round])
            for found in aggregates.round_counts(reader.db)
            if found.trial == trial.number
        ),
    )


def _traits(
    reader: Reader, trial: RecordedTrial, counts: Mapping[int, PersonCounts]
) -> Iterator[Trait]:
    users = dict(reader.users(trial))
    for trait in dict.fromkeys(name for user in users.values() for name in user.profile):
        groups: dict[str, list[PersonCounts]] = defaultdict(list)
        for row, label in trait_labels(users, trait).items():
            if row in counts:
                groups[label].append(counts[row])
        values = [
            TraitValue(label, len(people), _outcomes(people)) for label, people in groups.items()
        ]
        yield Trait(trait, tuple(sorted(values, key=lambda value: _order(value.value))))


def _outcomes(people: Sequence[PersonCounts]) -> dict[str, float | None]:
    return {
        "visits": _mean([each.visits for each in people]),
        "chosen": _mean([each.chosen / each.visits for each in people]),
        "mean_rating": _mean([each.stars / each.rated for each in people if each.rated]),
        "slow_share": _mean([each.slow / each.steps for each in people if each.steps]),
        "left": _mean([float(each.left_round is not None) for each in people]),
    }


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _order(label: str) -> tuple[bool, float, str]:
    """Sort values by the number that they begin with, then by letters; other values come last."""
    try:
        return False, float(label.partition(" to ")[0]), label
    except ValueError:
        return label == OTHERS, math.inf, label


def _lorenz(reader: Reader, trial: RecordedTrial) -> Lorenz:
    shown = np.zeros(reader.count_items(trial))
    for item, times in aggregates.exposures(reader.db, trial.number, trial.rounds - 1):
        if item >= len(shown):
            raise damaged(reader.path, f"a slate holds item {item} of {len(shown)}")
        shown[item] = times
    total = shown.sum()
    if not total:
        return Lorenz(trial.arm, (0.0,) * _POINTS, None)
    sums = np.concatenate([[0.0], np.cumsum(np.sort(shown)) / total])
    at = np.linspace(0, len(shown), _POINTS)
    shares = np.interp(at, np.arange(len(sums)), sums)
    return Lorenz(trial.arm, tuple(shares.tolist()), gini(shown))


def _drifts(reader: Reader) -> Iterator[TasteDrift]:
    trials = reader.trials()
    arms = {trial.number: trial.arm for trial in trials}
    values: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    rounds: dict[str, int] = defaultdict(int)
    for found in queries.round_metrics(reader.db, list(arms)):
        arm = arms[found.trial]
        if found.name == "taste_drift":
            rounds[arm] = max(rounds[arm], found.round + 1)
            if found.value is not None:
                values[arm][found.round].append(found.value)
    for arm, count in rounds.items():
        yield TasteDrift(arm, tuple(_mean(values[arm][round]) for round in range(count)))
