"""Compute the metrics of a round and of each of its visits."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from starec_sim import metrics
from starec_sim.action_metrics import action_metrics
from starec_sim.environment import Environment, GrowingCatalogue
from starec_sim.types import Experience, FloatArray, IntArray, Item, Visit

_CUTS = (1, 5, 10, 20)
_CELLS = 2**18
"""Numbers in one array of (lists, items of a list, attribute values): 2 MiB."""
_MOST_VALUES = 500
"""Attributes with more different values (a cast, free tags) are not used: two items seldom share a
value, and the arrays become large."""


class RoundMetrics(NamedTuple):
    """The metrics of one round."""

    visits: Mapping[str, FloatArray]
    """One value for each visit; NaN for a visit without a value."""
    round: Mapping[str, float]
    """The means over visits, and metrics of the round as a whole."""


class Measure:
    """Computes the metrics of rounds in one environment.

    Diversity and drift use one attribute: the one with the most values for each item, which is the
    genre in catalogues of media. Without attributes there are no such metrics.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._prepare()

    def _prepare(self) -> None:
        environment = self._environment
        self.attribute, self._attributes = _attribute_matrix(environment.items)
        self._popularity = environment.popularity / max(1, environment.popularity.sum())
        self._n_items = len(environment.items)
        users = range(len(environment.users))
        self._taste = self._tastes(
            [e.item for e in environment.history(user) if e.liked] for user in users
        )
        self._level = self._popularities(
            [e.item for e in environment.history(user)] for user in users
        )

    def round(self, visits: Sequence[Visit]) -> RoundMetrics:
        """Return the metrics of the visits of a round."""
        if not visits:
            return RoundMetrics({}, {})
        if len(self._environment.items) != self._n_items:  # see `GrowingCatalogue`
            self._prepare()
        task = visits[0].steps[0].observation.task
        by_visit = {
            **(_ranking(visits) if task.ranks else self._pages(visits)),
            **_answer_metrics(visits),
        }
        if not task.ranks:
            by_visit |= action_metrics(visits)
        of_round = {name: _mean(values) for name, values in by_visit.items()}
        if not task.ranks:
            shown = [item for v in visits for step in v.steps for item in step.observation.slate]
            exposures = np.bincount(shown, minlength=self._n_items)
            if isinstance(self._environment, GrowingCatalogue):
                exposures = exposures[self._environment.live() | (exposures > 0)]
            of_round["coverage"] = metrics.coverage(exposures)
            of_round["gini"] = metrics.gini(exposures)
        return RoundMetrics(by_visit, of_round)

    def _pages(self, visits: Sequence[Visit]) -> dict[str, FloatArray]:
        users: IntArray = np.array([visit.user for visit in visits])
        consumed = [_experiences(visit) for visit in visits]
        slates = [
            [item for step in visit.steps for item in step.observation.slate] for visit in visits
        ]
        shown = np.array([len(slate) for slate in slates])
        chosen = np.array(
            [sum(len(step.decision.chosen) for step in visit.steps) for visit in visits]
        )
        rated = [[e.rating for e in each if e.rating is not None] for each in consumed]
        stars = np.array([sum(each) for each in rated])
        values = {
            "click_through": metrics.click_through(chosen, shown),
            "watch_rate": metrics.watch_rate(chosen, shown),
            "satisfaction": metrics.satisfaction(stars, np.array([len(each) for each in rated])),
            "exits": metrics.exit_rate([visit.steps[-1].feedback.ending for visit in visits]),
            "pages": np.array([float(len(visit.steps)) for visit in visits]),
            "popularity_lift": metrics.popularity_lift(
                self._popularities(slates), self._level[users]
            ),
        }
        if self.attribute:
            now = self._tastes([e.item for e in experiences] for experiences in consumed)
            diversity = partial(metrics.intra_list_diversity, self._attributes)
            values["diversity"] = _batched(diversity, slates, self._attributes.shape[1])
            values["taste_drift"] = metrics.taste_drift(now, self._taste[users])
        return values

    def _tastes(self, lists: Iterable[Sequence[int]]) -> FloatArray:
        distribution = partial(metrics.attribute_distribution, self._attributes)
        return _batched(distribution, lists, self._attributes.shape[1])

    def _popularities(self, lists: Iterable[Sequence[int]]) -> FloatArray:
        return _batched(partial(metrics.mean_popularity, self._popularity), lists, 1)


def _ranking(visits: Sequence[Visit]) -> dict[str, FloatArray]:
    """Return the ranking metrics of each visit; NaN for a visit without a true choice.

    A visit of several steps, each with a choice, has the mean over its steps.
    """
    asked = [
        (row, target, step.decision)
        for row, visit in enumerate(visits)
        for step in visit.steps
        if (target := step.feedback.target) is not None
    ]
    rows: IntArray = np.array([row for row, *_ in asked], np.int64)
    ranks: FloatArray = np.array(
        [decision.rank_of(target) or np.nan for _, target, decision in asked], np.float64
    )
    by_step = {
        **{f"ndcg@{k}": metrics.ndcg(ranks, k) for k in _CUTS},
        **{f"hit@{k}": metrics.hit_rate(ranks, k) for k in _CUTS[:3]},
        "mrr": metrics.reciprocal_rank(ranks),
    }
    counts = np.bincount(rows, minlength=len(visits)).astype(np.float64)
    counts[counts == 0] = np.nan
    return {
        name: np.bincount(rows, values, minlength=len(visits)) / counts
        for name, values in by_step.items()
    }


def _answer_metrics(visits: Sequence[Visit]) -> dict[str, FloatArray]:
    """Return the metrics of the agent's answers, which every task has."""

    def share(count: Sequence[int]) -> FloatArray:
        return np.asarray(np.array(count) / [len(visit.steps) for visit in visits], np.float64)

    return {
        "slow": share([sum(step.verdict.slow for step in visit.steps) for visit in visits]),
        "malformed": share(
            [sum(step.decision.malformed for step in visit.steps) for visit in visits]
        ),
        "slow_malformed": np.array([_unread_thoughts(visit) for visit in visits]),
        "repaired": share(
            [sum(step.decision.repaired for step in visit.steps) for visit in visits]
        ),
    }


def _unread_thoughts(visit: Visit) -> float:
    """Return the share of answers of the slow node that have a flaw; NaN without such answers."""
    ends = [step.turns[-1] for step in visit.steps if step.verdict.slow and step.turns]
    return sum(bool(turn.error) for turn in ends) / len(ends) if ends else float("nan")


def _experiences(visit: Visit) -> list[Experience]:
    """Return all experiences of a visit, in order."""
    return [experience for step in visit.steps for experience in step.feedback.experiences]


def _attribute_matrix(items: Sequence[Item]) -> tuple[str, FloatArray]:
    """Return the attribute with the most values for each item, and a matrix of (items, values)."""
    counts: Counter[str] = Counter()
    different: defaultdict[str, set[str]] = defaultdict(set)
    for item in items:
        for name, values in item.attributes.items():
            counts[name] += len(values)
            different[name].update(values)
    suitable = [name for name in counts if 1 <= len(different[name]) <= _MOST_VALUES]
    if not suitable:
        return "", np.zeros((len(items), 0))
    name = max(suitable, key=lambda attribute: counts[attribute])
    columns = {value: column for column, value in enumerate(sorted(different[name]))}
    matrix = np.zeros((len(items), len(columns)))
    for row, item in enumerate(items):
        for value in item.attributes.get(name, ()):
            matrix[row, columns[value]] = 1.0
    return name, matrix


def _batched(
    measure: Callable[[IntArray], FloatArray], lists: Iterable[Sequence[int]], width: int
) -> FloatArray:
    """Compute a metric of lists of items, in batches that need about `_CELLS` numbers.

    Args:
        measure: Takes lists that are padded with -1 and returns a row for each.
        lists: Items of each list.
        width: Numbers that `measure` needs for an item.
    """
    parts: list[FloatArray] = []
    batch: list[Sequence[int]] = []
    longest = 0
    for items in lists:
        batch.append(items)
        longest = max(longest, len(items))
        if len(batch) * longest * width >= _CELLS:
            parts.append(measure(_padded(batch, longest)))
            batch, longest = [], 0
    if batch or not parts:
        parts.append(measure(_padded(batch, longest)))
    return np.concatenate(parts)


def _padded(lists: Sequence[Sequence[int]], longest: int) -> IntArray:
    padded = np.full((len(lists), longest), -1, np.int64)
    for row, items in zip(padded, lists, strict=True):
        row[: len(items)] = items
    return padded


def _mean(values: FloatArray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
