"""What the metrics are called where people read, and what they say."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Literal, NamedTuple


class Entry(NamedTuple):
    """A metric in words."""

    label: str
    meaning: str
    better: Literal["higher", "lower", ""] = ""
    """Which way everybody would call better; empty where that is a matter of the question."""
    bounds: tuple[float, float] = (0.0, 1.0)
    """Between which its values lie."""


METRICS: Mapping[str, Entry] = {
    "click_through": Entry("click-through", "items watched / items shown", "higher"),
    "watch_rate": Entry("watch rate", "share of visits with an item watched", "higher"),
    "satisfaction": Entry("satisfaction", "true stars (1-5) of what was watched", "higher", (1, 5)),
    "exits": Entry("exits", "share of visits the user ended herself", "lower"),
    "pages": Entry("pages", "pages seen in a visit", "", (0, inf)),
    "diversity": Entry("diversity", "mean distance between items shown in a visit (0-1)"),
    "coverage": Entry("coverage", "share of the catalogue shown to anybody in a round"),
    "gini": Entry("concentration", "Gini of exposure (0 all items equal, 1 one item)"),
    "popularity_lift": Entry(
        "popularity lift", "popularity of what is shown, against her history", "", (-1, inf)
    ),
    "taste_drift": Entry(
        "taste drift", "what is watched, away from her first likes (bits)", "", (0, inf)
    ),
    "visitors": Entry("visitors", "share of all users who came in a round"),
    "reward": Entry("reward", "what answers earn in the training", "higher", (-inf, inf)),
    **{
        f"ndcg@{k}": Entry(f"NDCG@{k}", f"gain of the true choice among the first {k}", "higher")
        for k in (1, 5, 10, 20)
    },
    **{
        f"hit@{k}": Entry(f"hit@{k}", f"share of true choices among the first {k}", "higher")
        for k in (1, 5, 10)
    },
    "mrr": Entry("MRR", "one over the rank of the true choice", "higher"),
    "slow": Entry("slow thinking", "share of steps with a second thought"),
    "slow_malformed": Entry(
        "unread thoughts", "share of slow thoughts that could not be read", "lower"
    ),
    "malformed": Entry("malformed", "share of answers with a flaw, even after repair", "lower"),
    "repaired": Entry("repaired", "share of answers that needed a repair call", "lower"),
}

UNREAD = ("malformed", "slow_malformed")
"""Metrics of answers that could not be read: not zero means that something is wrong."""
_UNEVENTFUL = (*UNREAD, "repaired")
"""Not worth a line while they are zero."""


def entry(name: str) -> Entry:
    """Return a metric in words; one that nobody described goes by its own name."""
    return METRICS.get(name, Entry(name, "", "", (-inf, inf)))


def place(name: str) -> tuple[int, str]:
    """Return the sort key of a metric: in the order above, then by name.

    >>> sorted(["gini", "own", "click_through"], key=place)
    ['click_through', 'gini', 'own']
    """
    known = list(METRICS)
    return (known.index(name) if name in METRICS else len(known), name)


def eventful(series: Mapping[str, list[float]]) -> list[str]:
    """Return the metrics worth showing, of all those with their values over the rounds.

    >>> eventful({"slow": [0.0], "malformed": [0.0, 0.0], "repaired": [0.0, 0.1]})
    ['slow', 'repaired']
    """
    return [name for name, values in series.items() if name not in _UNEVENTFUL or any(values)]
