"""From visits to figures: the metrics of a round, and of each visit in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from starec_sim import metrics
from starec_sim.environment import Environment
from starec_sim.types import Experience, FloatArray, IntArray, Item, Task, Visit

_CUTS = (1, 5, 10, 20)
_CHUNK = 512
"""Visits measured at once: bounds the arrays of (visits, items shown, attribute values)."""


class Measured(NamedTuple):
    """The figures of one round."""

    visits: Mapping[str, FloatArray]
    """One value for each visit; NaN for a visit that says nothing about a figure."""
    round: Mapping[str, float]
    """The means of those, and figures of the round as a whole."""


class Measure:
    """Measures rounds of one environment.

    Diversity and drift are taken over one attribute: the one with the most values an item, which in
    catalogues of media is the genre.
    """

    def __init__(self, environment: Environment) -> None:
        self.attribute, self._attributes = _attribute_matrix(environment.items)
        self._popularity = environment.popularity / max(1, environment.popularity.sum())
        histories = [environment.history(user) for user in range(len(environment.users))]
        liked = _padded([[e.item for e in history if e.liked] for history in histories])
        lived = _padded([[e.item for e in history] for history in histories])
        self._taste = _chunked(metrics.attribute_distribution, self._attributes, liked)
        self._level = metrics.mean_popularity(self._popularity, lived)
        self._n_items = len(environment.items)

    def round(self, visits: Sequence[Visit]) -> Measured:
        """Return the figures of a round's visits."""
        if not visits:
            return Measured({}, {})
        task: Task = visits[0].steps[0].observation.task
        by_visit = {
            **(_ranking(visits) if task == "ranking" else self._feed(visits)),
            **_conduct(visits),
        }
        figures = {name: _mean(values) for name, values in by_visit.items()}
        if task == "feed":
            shown = [item for v in visits for step in v.steps for item in step.observation.slate]
            exposures = np.bincount(shown, minlength=self._n_items)
            figures["coverage"] = metrics.coverage(exposures)
            figures["gini"] = metrics.gini(exposures)
        return Measured(by_visit, figures)

    def _feed(self, visits: Sequence[Visit]) -> dict[str, FloatArray]:
        users: IntArray = np.array([visit.user for visit in visits])
        lived = [_lived(visit) for visit in visits]
        slates = [
            [item for step in visit.steps for item in step.observation.slate] for visit in visits
        ]
        shown = np.array([len(slate) for slate in slates])
        watched = np.array([len(experiences) for experiences in lived])
        stars = np.array([sum(e.rating for e in experiences) for experiences in lived])
        lists = _padded(slates)
        taste_now = _chunked(
            metrics.attribute_distribution,
            self._attributes,
            _padded([[e.item for e in experiences] for experiences in lived]),
        )
        return {
            "click_through": metrics.click_through(watched, shown),
            "watch_rate": metrics.watch_rate(watched, shown),
            "satisfaction": metrics.satisfaction(stars, watched),
            "exits": metrics.exit_rate([visit.steps[-1].feedback.ending for visit in visits]),
            "pages": np.array([float(len(visit.steps)) for visit in visits]),
            "diversity": _chunked(metrics.intra_list_diversity, self._attributes, lists),
            "popularity_lift": metrics.popularity_lift(
                metrics.mean_popularity(self._popularity, lists), self._level[users]
            ),
            "taste_drift": metrics.taste_drift(taste_now, self._taste[users]),
        }


def _ranking(visits: Sequence[Visit]) -> dict[str, FloatArray]:
    steps = [visit.steps[-1] for visit in visits]
    ranks: FloatArray = np.array(
        [
            np.nan
            if step.feedback.target is None
            else step.decision.rank_of(step.feedback.target) or np.nan
            for step in steps
        ],
        np.float64,
    )
    return {
        **{f"ndcg@{k}": metrics.ndcg(ranks, k) for k in _CUTS},
        **{f"hit@{k}": metrics.hit_rate(ranks, k) for k in _CUTS[:3]},
        "mrr": metrics.reciprocal_rank(ranks),
    }


def _conduct(visits: Sequence[Visit]) -> dict[str, FloatArray]:
    """How the agent behaved, whatever the task."""

    def share(count: Sequence[int]) -> FloatArray:
        return np.array(count) / np.array([len(visit.steps) for visit in visits])

    return {
        "slow": share([sum(step.verdict.slow for step in visit.steps) for visit in visits]),
        "malformed": share(
            [sum(step.decision.malformed for step in visit.steps) for visit in visits]
        ),
        "repaired": share(
            [sum(step.decision.repaired for step in visit.steps) for visit in visits]
        ),
    }


def _lived(visit: Visit) -> list[Experience]:
    return [experience for step in visit.steps for experience in step.feedback.experiences]


def _attribute_matrix(items: Sequence[Item]) -> tuple[str, FloatArray]:
    """Return the attribute with most values an item, and who has which value, (items, values)."""
    counts: dict[str, int] = {}
    for item in items:
        for name, values in item.attributes.items():
            counts[name] = counts.get(name, 0) + len(values)
    if not counts:
        return "", np.zeros((len(items), 1))
    name = max(counts, key=lambda attribute: counts[attribute])
    columns = {
        value: column
        for column, value in enumerate(
            sorted({value for item in items for value in item.attributes.get(name, ())})
        )
    }
    matrix = np.zeros((len(items), max(1, len(columns))))
    for row, item in enumerate(items):
        for value in item.attributes.get(name, ()):
            matrix[row, columns[value]] = 1.0
    return name, matrix


def _padded(lists: Sequence[Sequence[int]]) -> IntArray:
    padded = np.full((len(lists), max((len(row) for row in lists), default=0)), -1, np.int64)
    for row, items in zip(padded, lists, strict=True):
        row[: len(items)] = items
    return padded


def _chunked(measure, attributes: FloatArray, lists: IntArray) -> FloatArray:  # type: ignore[no-untyped-def]
    parts = [
        measure(attributes, lists[start : start + _CHUNK])
        for start in range(0, max(1, len(lists)), _CHUNK)
    ]
    return np.concatenate(parts)


def _mean(values: FloatArray) -> float:
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else float("nan")
