"""Check whether any set of rankings has the metrics of a row.

Each ranking has one relevant item. A row is then decided by the shares p_r of the rankings that put
this item at rank r. The shares are not negative and add up to at most 1 (to less where the item is
missing from some rankings). Every metric is linear in them,

    NDCG@k = sum of p_r / log2(1 + r) over r <= k,   HR@k = sum of p_r over r <= k,
    MRR = sum of p_r / r,

so a row is possible if and only if a linear programme has a solution. Means over users, draws or
seeds are linear too, so the check holds for them as well. Published values are rounded: the error
of each is at most half a unit of its last decimal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from starec_sim import metrics
from starec_sim.errors import DataError
from starec_sim.types import FloatArray

_EXACT = 1e-6
"""Tolerance of a value that is not rounded: the solver's own tolerance is a tenth of it."""


class PublishedRow(NamedTuple):
    """A row as a table shows it."""

    name: str
    metrics: Mapping[str, float]
    """By metric (`ndcg@10`, `hr@5`, `mrr`), between 0 and 1."""
    tolerance: Mapping[str, float] = {}
    """By metric, the greatest error: half a unit of the last decimal. Other metrics are exact."""
    candidates: int = 20
    """Items that a ranking holds."""

    def slack(self, name: str) -> float:
        """Return the greatest error of a metric."""
        return max(self.tolerance.get(name, 0.0), _EXACT)


class ImpossibleRow(NamedTuple):
    """A row that no rankings can produce, and the reason."""

    row: str
    problem: str


def impossible_rows(rows: Sequence[PublishedRow]) -> list[ImpossibleRow]:
    """Return the impossible rows of a table.

    Raises:
        DataError: A row has no metric that can be checked.
    """
    return [found for row in rows if (found := check_row(row)) is not None]


def check_row(row: PublishedRow) -> ImpossibleRow | None:
    """Return what makes a row impossible; None for a possible row.

    Raises:
        DataError: The row has no metric that can be checked.
    """
    if not row.metrics:
        raise DataError(
            f'the row "{row.name}" has no NDCG@k, HR@k or MRR to check',
            hint="name the columns after the metrics, e.g. ndcg@10",
        )
    for name, value in row.metrics.items():
        if not -row.slack(name) <= value <= 1 + row.slack(name):
            return ImpossibleRow(row.name, f"{name} is {value:.4f}, which is not between 0 and 1")
    share = least_share(row)
    if share is None:
        return ImpossibleRow(row.name, _reason(row))
    if share > 1 + 1e-5:
        return ImpossibleRow(
            row.name,
            f"it needs at least {share:.3f} of the rankings, more than there are{_sum_of(row)}",
        )
    return None


def least_share(row: PublishedRow) -> float | None:
    """Return the smallest sum of shares p_r that gives the metrics of a row; None if none does.

    A value above 1 means that the row needs more rankings than there are.
    """
    from scipy.optimize import linprog

    ranks = np.arange(1.0, row.candidates + 1)
    weights = np.stack([_weights(name, ranks) for name in row.metrics])
    values = np.array(list(row.metrics.values()))
    slack = np.array([row.slack(name) for name in row.metrics])
    solution = linprog(
        np.ones(len(ranks)),
        A_ub=np.concatenate([weights, -weights]),
        b_ub=np.concatenate([values + slack, slack - values]),
        bounds=(0, None),
        method="highs",
    )
    return None if solution.x is None else float(solution.x.sum())


def _weights(name: str, ranks: FloatArray) -> FloatArray:
    """Return the value of a metric for one ranking, by the rank of its relevant item."""
    kind, _, k = name.partition("@")
    if kind == "mrr":
        return metrics.reciprocal_rank(ranks) * (ranks <= int(k) if k else 1.0)
    return metrics.ndcg(ranks, int(k)) if kind == "ndcg" else metrics.hit_rate(ranks, int(k))


def _by_cut(row: PublishedRow, kind: str) -> list[tuple[int, float]]:
    """Return (k, value) of all metrics of one kind (`ndcg` or `hr`), smallest k first."""
    parts = [(name.partition("@"), value) for name, value in row.metrics.items()]
    return sorted((int(k), value) for (found, _, k), value in parts if found == kind)


def _reason(row: PublishedRow) -> str:
    """Return, in words, why no shares give the metrics."""
    for kind in ("ndcg", "hr"):
        steps = _by_cut(row, kind)
        for (k, value), (later, further) in pairwise(steps):
            if further < value - row.slack(f"{kind}@{k}") - row.slack(f"{kind}@{later}"):
                return (
                    f"{kind}@{later} ({further:.4f}) is below {kind}@{k} ({value:.4f}), "
                    "but more places cannot count less"
                )
    ndcg = dict(_by_cut(row, "ndcg"))
    for k, value in _by_cut(row, "hr"):
        slack = row.slack(f"ndcg@{k}") + row.slack(f"hr@{k}")
        if k in ndcg and not value / math.log2(1 + k) - slack <= ndcg[k] <= value + slack:
            return (
                f"ndcg@{k} ({ndcg[k]:.4f}) is not between hr@{k} / log2({k} + 1) "
                f"({value / math.log2(1 + k):.4f}) and hr@{k} ({value:.4f})"
            )
    return "no shares of rankings per rank give all of its metrics at once"


def _sum_of(row: PublishedRow) -> str:
    """Return the sum behind `least_share` of a row of NDCG only; nothing for other rows.

    Each increase from one k to the next costs the least share of rankings when the item is at the
    first rank between them.
    """
    steps = _by_cut(row, "ndcg")
    if len(steps) != len(row.metrics):
        return ""
    terms, before, rank = [], 0.0, 0
    for k, value in steps:
        gain = 1 / math.log2(2 + rank)
        rise = value - before
        terms.append(f"{value:.4f}" if rank == 0 else f"{rise:.4f}/{gain:.4f}")
        before, rank = value, k
    return f": {' + '.join(terms)}"
