"""Signals: what cards say of an item beyond its attributes, from the training interactions only.

Real interfaces show them ("popular now", "because you watched"). Through them a policy that reads
text gets collaborative knowledge. Which of them are shown is part of the protocol: results with and
without them are different rows of a table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import AfterValidator

from starec_environments.recommenders.matrix import CHUNK_CELLS, column_counts, positives
from starec_sim.cards import card, quoted
from starec_sim.dataset import Interactions
from starec_sim.types import LIKED_ABOVE, FloatArray, IntArray, Item

Signal = Literal["popularity", "rating", "together"]
"""`popularity`: "seen by: top 5 %". `rating`: "mean rating: 3.9". `together`: "liked together with:
5 (Alien, Blade Runner, Brazil)": how many of the items that the user liked are liked together with
this one, and the closest of them."""

BANDS = (1, 2, 5, 10, 20, 50)
"""Per cent of the catalogue. An item in none of these bands is "seen by: few"."""
BAND_NAMES = (*(f"top {band} %" for band in BANDS), "few")
FEWEST_RATINGS = 3
"""With fewer, the mean rating of an item is not shown."""
DAMPING = 5.0
"""Ratings at the mean of all ratings that are added to an item's own before its mean is taken."""
COMPARED_LIKES = 40
"""Last likes of the user that are compared: as many as a memory holds."""
SHOWN_TOGETHER = 3
NEIGHBOURS = 40
"""Nearest items that are kept for each item."""
SHRINKAGE = 10.0
"""Of the item-kNN cosine: lowers the similarity of pairs with few common users."""
TITLE_LIMIT = 48
"""Characters of a title in the signal `together`."""


def _each_once(names: list[Signal]) -> list[Signal]:
    if len(set(names)) < len(names):
        raise ValueError("each signal is named once")
    return names


SignalNames = Annotated[list[Signal], AfterValidator(_each_once)]
"""The signals that cards show, as a configuration names them."""


class Signals:
    """Writes cards with signals, which change only with `fit`.

    Args:
        names: Which signals are shown.
        items: The catalogue.
        n_users: Users in the log that `fit` gets.
    """

    def __init__(self, names: SignalNames, items: Sequence[Item], n_users: int) -> None:
        self._names = names
        self._items = items
        self._n_users = n_users
        self._bands: list[str] = []
        self._means: list[str] = []
        self._similar_pairs: tuple[IntArray, FloatArray] = (np.zeros(0, np.int64), np.zeros(0))
        # To quote a title takes longer than everything else here, so both are kept.
        self._cards: dict[int, str] = {}
        """The part of each card that is the same for all users, since the last fit."""
        self._titles: dict[int, str] = {}

    @property
    def personal(self) -> bool:
        """Whether cards depend on the user who sees them."""
        return "together" in self._names

    def fit(self, log: Interactions) -> None:
        """Compute all signals from the training interactions `log`."""
        self._cards.clear()
        if "popularity" in self._names:
            self._bands = _bands(np.bincount(log.items, minlength=len(self._items)))
        if "rating" in self._names:
            self._means = _means(log, len(self._items))
        if self.personal:
            self._similar_pairs = _similar_pairs(log, self._n_users, len(self._items))

    def cards(self, slate: Sequence[int], likes: IntArray | None = None) -> tuple[str, ...]:
        """Return one card for each item of a slate.

        Args:
            slate: Items.
            likes: Items that the user liked before, oldest first; needed when the cards are
                `personal`.
        """
        cards = tuple(self._card(item) for item in slate)
        if not self.personal or likes is None:
            return cards
        return tuple(
            f"{text} | liked together with: {together}" if together else text
            for text, together in zip(cards, self._together(slate, likes), strict=True)
        )

    def _card(self, item: int) -> str:
        if item not in self._cards:
            facts = {}
            if "popularity" in self._names:
                facts["seen by"] = self._bands[item]
            if "rating" in self._names and self._means[item]:
                facts["mean rating"] = self._means[item]
            self._cards[item] = card(self._items[item], facts)
        return self._cards[item]

    def _together(self, slate: Sequence[int], likes: IntArray) -> list[str]:
        pairs, strengths = self._similar_pairs
        recent = likes[-COMPARED_LIKES:][::-1]  # of equally near likes, the latest is named
        if not len(pairs) or not len(recent):
            return [""] * len(slate)
        wanted = np.array(slate)[:, None] * len(self._items) + recent
        at = np.searchsorted(pairs, wanted).clip(max=len(pairs) - 1)
        similarity = np.where(pairs[at] == wanted, strengths[at], 0.0)
        best = recent[np.argsort(-similarity, axis=1, kind="stable")[:, :SHOWN_TOGETHER]]
        return [
            together_value(count, map(self._title, items[:count])) if count else ""
            for count, items in zip((similarity > 0).sum(1).tolist(), best.tolist(), strict=True)
        ]

    def _title(self, item: int) -> str:
        if item not in self._titles:
            # A title must not contain what separates titles or facts.
            title = self._items[item].title.replace(",", ";").replace("|", "/")
            self._titles[item] = quoted(title, TITLE_LIMIT)
        return self._titles[item]


def together_value(count: int, titles: Iterable[str]) -> str:
    """Return the value of the signal `together` on a card: `5 (Alien, Brazil, Heat)`."""
    return f"{count} ({', '.join(titles)})"


class Likes(NamedTuple):
    """What each user liked, in the order of the log."""

    items: IntArray
    """The liked items of all users, sorted by user."""
    starts: IntArray
    """Shape (users + 1,): where each user's items begin."""

    @classmethod
    def in_log(cls, log: Interactions, n_users: int) -> Likes:
        """Collect the likes of a log; what was consumed without a rating is one."""
        liked = log.where(~(log.ratings <= LIKED_ABOVE))
        liked = liked.where(np.argsort(liked.users, kind="stable"))
        return cls(liked.items, np.searchsorted(liked.users, np.arange(n_users + 1)))

    def of(self, user: int) -> IntArray:
        """Return the items that a user liked, oldest first."""
        return self.items[self.starts[user] : self.starts[user + 1]]


def _bands(counts: IntArray) -> list[str]:
    """Return the band of each item, by the share of the catalogue that is at least as popular."""
    at_least = len(counts) - np.searchsorted(np.sort(counts), counts, side="left")
    bands = np.searchsorted(np.array(BANDS), 100 * at_least / len(counts))
    return [BAND_NAMES[band] for band in bands]


def _means(log: Interactions, n_items: int) -> list[str]:
    """Return the damped mean rating of each item as text, empty where there are too few ratings."""
    rated = log.where(~np.isnan(log.ratings))
    counts = np.bincount(rated.items, minlength=n_items)
    overall = float(rated.ratings.mean()) if len(rated.ratings) else 0.0
    sums = np.bincount(rated.items, rated.ratings, minlength=n_items)
    means = (sums + DAMPING * overall) / (counts + DAMPING)
    return [
        f"{mean:.1f}" if count >= FEWEST_RATINGS else ""
        for mean, count in zip(means, counts, strict=True)
    ]


def _similar_pairs(log: Interactions, n_users: int, n_items: int) -> tuple[IntArray, FloatArray]:
    """Return pairs of items that are liked by the same users, ascending, and their similarity.

    A pair (i, j) is the number i * n_items + j, where j is one of the `NEIGHBOURS` nearest of i by
    the shrunk cosine n_ij / (sqrt(n_i n_j) + shrinkage) of item-kNN; n_ij users like both.
    """
    liked = positives(log, n_users, n_items)
    transposed = liked.T.tocsr()
    length = np.sqrt(column_counts(liked))
    pairs, strengths = [np.zeros(0, np.int64)], [np.zeros(0)]
    chunk = max(1, CHUNK_CELLS // n_items)
    for start in range(0, n_items, chunk):
        both = transposed[start : start + chunk] @ liked
        for row, item in enumerate(range(start, min(start + chunk, n_items))):
            stored = slice(both.indptr[row], both.indptr[row + 1])
            others = both.indices[stored].astype(np.int64)
            strength = both.data[stored] / (length[item] * length[others] + SHRINKAGE)
            strength[others == item] = 0.0
            best = np.lexsort((others, -strength))[:NEIGHBOURS]
            best = best[np.argsort(others[best])]
            best = best[strength[best] > 0]
            pairs.append(item * n_items + others[best])
            strengths.append(strength[best])
    return np.concatenate(pairs), np.concatenate(strengths)
