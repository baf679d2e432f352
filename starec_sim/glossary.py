"""What the metrics are called where people read, and what they say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Entry(NamedTuple):
    """A metric in words."""

    label: str
    meaning: str


METRICS: Mapping[str, Entry] = {
    "click_through": Entry("click-through", "items watched / items shown"),
    "watch_rate": Entry("watch rate", "share of visits with at least one item watched"),
    "satisfaction": Entry("satisfaction", "true stars (1-5) of what was watched"),
    "exits": Entry("exits", "share of visits ended by the user before the pages ran out"),
    "pages": Entry("pages", "pages seen in a visit"),
    "diversity": Entry("diversity", "mean distance between the items shown in a visit (0-1)"),
    "coverage": Entry("coverage", "share of the catalogue shown to anybody in a round"),
    "gini": Entry("concentration", "Gini of exposure over the catalogue (0 equal, 1 one item)"),
    "popularity_lift": Entry("popularity lift", "popularity of what is shown, against her history"),
    "taste_drift": Entry(
        "taste drift", "divergence of what is watched from her first likes (bits)"
    ),
    "visitors": Entry("visitors", "share of all users who came in a round"),
    "slow": Entry("slow thinking", "share of steps with a second thought"),
    "malformed": Entry("malformed", "share of answers with a flaw, even after the repair"),
    "repaired": Entry("repaired", "share of answers that needed a repair call"),
    "mrr": Entry("MRR", "one over the rank of the true choice"),
    **{
        f"ndcg@{k}": Entry(f"NDCG@{k}", f"gain of the true choice among the first {k}")
        for k in (1, 5, 10, 20)
    },
    **{f"hit@{k}": Entry(f"hit@{k}", f"true choice among the first {k}") for k in (1, 5, 10)},
}


def entry(name: str) -> Entry:
    """Return a metric in words; one that nobody described goes by its own name."""
    return METRICS.get(name, Entry(name, ""))


def place(name: str) -> tuple[int, str]:
    """Return the sort key of a metric: in the order above, then by name.

    >>> sorted(["gini", "own", "click_through"], key=place)
    ['click_through', 'gini', 'own']
    """
    known = list(METRICS)
    return (known.index(name) if name in METRICS else len(known), name)
