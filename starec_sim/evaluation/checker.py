"""The table checker: could any ranking of one answer have produced this row?

With a single relevant item, a row is decided by its hit masses p_r, the share of rankings that put
the answer at rank r: they are not negative and add up to at most 1 (less where answers are missing
from the list). Every metric is linear in them,

    NDCG@k = sum of p_r / log2(1 + r) over r <= k,   HR@k = sum of p_r over r <= k,
    MRR = sum of p_r / r,

so a row is possible if and only if a linear programme has a solution. A mean over users, draws or
seeds is as linear, so it makes no difference. Published figures are rounded: each may be off by
half a unit of its last decimal.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from importlib.resources import files
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from starec_sim import metrics
from starec_sim.errors import DataError
from starec_sim.types import FloatArray

_EXACT = 1e-6
"""What even an exact figure may be off: the solver's own tolerance is a tenth of it."""
_METRIC = re.compile(r"(?:(ndcg|n|hr|hit|recall|h)@(\d{1,5})|(mrr))", re.IGNORECASE)


class Printed(NamedTuple):
    """A row as a table prints it."""

    name: str
    figures: Mapping[str, float]
    """By metric (`ndcg@10`, `hr@5`, `mrr`), between 0 and 1."""
    tolerance: Mapping[str, float] = {}
    """How far a figure may be off: half a unit of its last decimal. Exact where it is not here."""
    candidates: int = 20
    """Places that a ranking has."""

    def slack(self, name: str) -> float:
        """Return how far a figure may be off."""
        return max(self.tolerance.get(name, 0.0), _EXACT)


class Finding(NamedTuple):
    """What is wrong with a row."""

    row: str
    problem: str


def metric(name: str) -> str | None:
    """Return the name of a metric as this project writes it; None for anything else.

    >>> [metric(name) for name in ("NDCG@10", "Recall@5", "MRR", "users")]
    ['ndcg@10', 'hr@5', 'mrr', None]
    """
    found = _METRIC.fullmatch(name.strip())
    if found is None:
        return None
    if found[3]:
        return "mrr"
    return f"{'ndcg' if found[1].lower() in ('ndcg', 'n') else 'hr'}@{int(found[2])}"


def check(row: Printed) -> Finding | None:
    """Return what makes a row impossible; None for a possible one.

    Raises:
        DataError: The row has no figure that can be checked.
    """
    if not row.figures:
        raise DataError(
            f'the row "{row.name}" has no NDCG@k, HR@k or MRR to check',
            hint="name the columns after the metrics, e.g. ndcg@10",
        )
    for name, value in row.figures.items():
        if not -row.slack(name) <= value <= 1 + row.slack(name):
            return Finding(row.name, f"{name} is {value:.4f}, which is not between 0 and 1")
    mass = least_mass(row)
    if mass is None:
        return Finding(row.name, _why(row))
    if mass > 1 + 1e-5:
        return Finding(
            row.name,
            f"it needs at least {mass:.3f} of the rankings, more than there are{_spelled(row)}",
        )
    return None


def least_mass(row: Printed) -> float | None:
    """Return the least share of rankings that gives a row's figures; None when none can."""
    from scipy.optimize import linprog

    ranks = np.arange(1.0, row.candidates + 1)
    weights = np.stack([_weights(name, ranks) for name in row.figures])
    values = np.array(list(row.figures.values()))
    slack = np.array([row.slack(name) for name in row.figures])
    found = linprog(
        np.ones(len(ranks)),
        A_ub=np.concatenate([weights, -weights]),
        b_ub=np.concatenate([values + slack, slack - values]),
        bounds=(0, None),
        method="highs",
    )
    return None if found.x is None else float(found.x.sum())


def _weights(name: str, ranks: FloatArray) -> FloatArray:
    kind, _, k = name.partition("@")
    if kind == "mrr":
        return metrics.reciprocal_rank(ranks)
    return metrics.ndcg(ranks, int(k)) if kind == "ndcg" else metrics.hit_rate(ranks, int(k))


def _by_place(row: Printed, kind: str) -> list[tuple[int, float]]:
    places = [(name.partition("@"), value) for name, value in row.figures.items()]
    return sorted((int(k), value) for (found, _, k), value in places if found == kind)


def _why(row: Printed) -> str:
    """Return, in words, why no masses at all give the figures."""
    for kind in ("ndcg", "hr"):
        steps = _by_place(row, kind)
        for (k, value), (later, further) in pairwise(steps):
            if further < value - row.slack(f"{kind}@{k}") - row.slack(f"{kind}@{later}"):
                return (
                    f"{kind}@{later} ({further:.4f}) is below {kind}@{k} ({value:.4f}), "
                    "but more places cannot count less"
                )
    ndcg = dict(_by_place(row, "ndcg"))
    for k, value in _by_place(row, "hr"):
        slack = row.slack(f"ndcg@{k}") + row.slack(f"hr@{k}")
        if k in ndcg and not value / math.log2(1 + k) - slack <= ndcg[k] <= value + slack:
            return (
                f"ndcg@{k} ({ndcg[k]:.4f}) is not between hr@{k} / log2({k} + 1) "
                f"({value / math.log2(1 + k):.4f}) and hr@{k} ({value:.4f})"
            )
    return "no shares of rankings per rank give all of its figures at once"


def _spelled(row: Printed) -> str:
    """Return the arithmetic of a row of NDCG: what each increase needs at the least."""
    steps = _by_place(row, "ndcg")
    if len(steps) != len(row.figures):
        return ""
    terms, before, place = [], 0.0, 0
    for k, value in steps:
        # The cheapest way to a gain between two cuts is at the first rank between them.
        gain = 1 / math.log2(2 + place)
        rise = value - before
        terms.append(f"{value:.4f}" if place == 0 else f"{rise:.4f}/{gain:.4f}")
        before, place = value, k
    return f": {' + '.join(terms)}"


def published(name: str = "starec") -> dict[str, list[Printed]]:
    """Return a published table that ships, by dataset."""
    from starec_sim.evaluation.printed import from_yaml

    text = (files("starec_sim.evaluation") / "published" / f"{name}.yaml").read_text("utf-8")
    return from_yaml(text, name)
