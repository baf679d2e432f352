"""The evidence of the scripted reasoner: polarities of attributes, and the signals on a card.

A polarity is a word that stands for a number. The balance of a candidate is the sum of these
numbers. How much each signal counts is a setting of the reasoner.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from starec_sim.answers import DISLIKED, LIKED

POLARITIES = {"adored": 3, "loved": 2, LIKED: 1, DISLIKED: -1, "hated": -2, "loathed": -3}
"""What each polarity adds to a balance."""
_WEAKER = {"loved": LIKED, "hated": DISLIKED}
"""Polarities that count once where the evidence may not count twice."""

SIGNALS = {
    "seen by": "popularity",
    "mean rating": "rating",
    "liked together with": "together",
    "often follows": "follows",
}
"""Fields of a card that are not attributes, and the setting that says how much each counts."""

_SEEN_BY: tuple[dict[str, str], ...] = (
    {},
    {**dict.fromkeys(("top 1 %", "top 2 %", "top 5 %", "top 10 %"), LIKED), "few": DISLIKED},
    {
        **dict.fromkeys(("top 1 %", "top 2 %"), "loved"),
        **dict.fromkeys(("top 5 %", "top 10 %"), LIKED),
        "top 50 %": DISLIKED,
        "few": "hated",
    },
    {
        **dict.fromkeys(("top 1 %", "top 2 %"), "adored"),
        "top 5 %": "loved",
        "top 10 %": LIKED,
        "top 50 %": "hated",
        "few": "loathed",
    },
)
"""What popularity says, by how much it counts."""
_NEUTRAL_STARS = 3.5
"""A mean rating that says nothing; also what an unreadable one counts as."""
_RATED_WELL, _RATED_BADLY, _FAR = 3.8, 3.0, 0.3
"""From these stars on a mean rating says something, and twice as much `_FAR` beyond them."""
_MOST = 9
"""The most that `together` or `follows` adds to a balance: one digit."""


class Weighed(NamedTuple):
    """A candidate, and what speaks for or against it."""

    label: str
    evidence: list[tuple[str, str]]
    """Attribute values and their polarities; signals, with a polarity or a number."""
    balance: int

    def __str__(self) -> str:
        named = ", ".join(f"{term}: {polarity}" for term, polarity in self.evidence)
        balance = f"{self.balance:+d}" if self.balance else "0"
        return f"{self.label}. {named or 'nothing'} = {balance}"


def worth(polarity: str) -> int:
    """Return what a polarity, or a plain number, adds to a balance."""
    return POLARITIES[polarity] if polarity in POLARITIES else int(polarity)


def limited(polarity: str, strength: int) -> str:
    """Return a polarity no stronger than evidence of this strength may have.

    >>> limited("loved", 2), limited("loved", 1)
    ('loved', 'liked')
    """
    return polarity if strength > 1 else _WEAKER.get(polarity, polarity)


def signal_evidence(
    signals: Mapping[str, str], popularity: int, rating: int, together: int, follows: int
) -> Iterator[tuple[str, str]]:
    """Yield what the signals of a card say, as pairs of a signal and a polarity or a number.

    Args:
        signals: The fields of the card that are signals, by name.
        popularity: How much it counts how many have seen the item, 0 to 3.
        rating: How much the mean rating counts, 0 to 2.
        together: How much it counts how many liked items this one is liked together with, 0 to 3.
        follows: How much it counts how many of the last items this one often follows, 0 to 3.
    """
    seen_by = signals.get("seen by", "")
    if polarity := _SEEN_BY[popularity].get(seen_by):
        yield seen_by, polarity
    rated = signals.get("mean rating", "")
    stars = float(rated) if rated.replace(".", "", 1).isdecimal() else _NEUTRAL_STARS
    if rating and stars >= _RATED_WELL:
        yield rated, limited("loved" if stars >= _RATED_WELL + _FAR else LIKED, rating)
    if rating and stars <= _RATED_BADLY:
        yield rated, limited("hated" if stars <= _RATED_BADLY - _FAR else DISLIKED, rating)
    for field, weight in (("liked together with", together), ("often follows", follows)):
        listed, _, _ = signals.get(field, "").partition(" (")
        if weight and listed.isdecimal() and (count := int(listed[:3])):
            number = round((1 + weight) / 2 * math.log2(1 + count))
            yield SIGNALS[field], f"+{min(number, _MOST)}"
