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
from scipy.sparse import csr_matrix

from starec_environments.recommenders.matrix import CHUNK_CELLS, column_counts, positives
from starec_sim.cards import card, quoted
from starec_sim.dataset import Interactions
from starec_sim.types import LIKED_ABOVE, FloatArray, IntArray, Item

Signal = Literal["popularity", "rating", "together", "follows"]
"""`popularity`: "seen by: top 5 %". `rating`: "mean rating: 3.9". `together`: "liked together with:
5 (Alien, Blade Runner, Brazil)": how many of the items that the user liked are liked together with
this one, and the closest of them. `follows`: "often follows: 2 (Heat, Casino)": how many of the
items that she met last are often met shortly before this one, and the closest of them."""

BANDS = (1, 2, 5, 10, 20, 50)
"""Per cent of the catalogue. An item in none of these bands is "seen by: few"."""
BAND_NAMES = (*(f"top {band} %" for band in BANDS), "few")
FEWEST_RATINGS = 3
"""With fewer, the mean rating of an item is not shown."""
DAMPING = 5.0
"""Ratings at the mean of all ratings that are added to an item's own before its mean is taken."""
COMPARED_LIKES = 40
"""Last likes of the user that are compared: as many as a memory holds."""
COMPARED_LAST = 5
"""Items that the user met last that are compared for `follows`."""
SHOWN_TOGETHER = 3
"""Items that `together` and `follows` name."""
NEIGHBOURS = 40
"""Nearest items that are kept for each item, for `together`."""
FORERUNNERS = 80
"""Nearest items that are kept for each item, for `follows`."""
FOLLOWS_WITHIN = 10
"""An item follows the items that the same user met up to so many places before it."""
FOLLOWS_DECAY = 0.8
"""Each place more between two items makes that count so much less."""
SHRINKAGE = 10.0
"""Of the item-kNN cosine: lowers the similarity of pairs with few common users."""
TITLE_LIMIT = 48
"""Characters of a title in the signals `together` and `follows`."""


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
        self._together = self._follows = _Pairs.none()
        # To quote a title takes longer than everything else here, so both are kept.
        self._cards: dict[int, str] = {}
        """The part of each card that is the same for all users, since the last fit."""
        self._titles: dict[int, str] = {}

    def fit(self, log: Interactions) -> None:
        """Compute all signals from the training interactions `log`."""
        self._cards.clear()
        if "popularity" in self._names:
            self._bands = _bands(np.bincount(log.items, minlength=len(self._items)))
        if "rating" in self._names:
            self._means = _means(log, len(self._items))
        if "together" in self._names:
            self._together = _liked_together(log, self._n_users, len(self._items))
        if "follows" in self._names:
            self._follows = _following(log, len(self._items))

    def cards(
        self, slate: Sequence[int], likes: IntArray | None = None, met: IntArray | None = None
    ) -> tuple[str, ...]:
        """Return one card for each item of a slate.

        Args:
            slate: Items.
            likes: Items that the user liked before, oldest first, for `together`.
            met: Items that she met before, oldest first, for `follows`.
        """
        cards = [self._card(item) for item in slate]
        if "together" in self._names and likes is not None:
            recent = likes[-COMPARED_LIKES:][::-1]
            self._add(cards, "liked together with", self._together, slate, recent)
        if "follows" in self._names and met is not None:
            last = dict.fromkeys(met[: -2 * COMPARED_LAST - 1 : -1].tolist())
            recent = np.array([*last][:COMPARED_LAST], np.int64)
            self._add(cards, "often follows", self._follows, slate, recent)
        return tuple(cards)

    def _card(self, item: int) -> str:
        if item not in self._cards:
            facts = {}
            if "popularity" in self._names:
                facts["seen by"] = self._bands[item]
            if "rating" in self._names and self._means[item]:
                facts["mean rating"] = self._means[item]
            self._cards[item] = card(self._items[item], facts)
        return self._cards[item]

    def _add(
        self,
        cards: list[str],
        signal: str,
        pairs: _Pairs,
        slate: Sequence[int],
        recent: IntArray,
    ) -> None:
        """Add a signal to the cards of items that are paired with some of the user's own items.

        Args:
            cards: One for each item of the slate, in its order.
            signal: The name of the signal on a card.
            pairs: Which items are paired.
            slate: Items.
            recent: The user's own items, latest first: of equally near ones, the latest is named.
        """
        if not len(pairs.numbers) or not len(recent):
            return
        wanted = np.array(slate)[:, None] * len(self._items) + recent
        at = np.searchsorted(pairs.numbers, wanted).clip(max=len(pairs.numbers) - 1)
        strength = np.where(pairs.numbers[at] == wanted, pairs.strengths[at], 0.0)
        best = recent[np.argsort(-strength, axis=1, kind="stable")[:, :SHOWN_TOGETHER]]
        counts = (strength > 0).sum(1).tolist()
        for place, (count, items) in enumerate(zip(counts, best.tolist(), strict=True)):
            if count:
                value = together_value(count, map(self._title, items[:count]))
                cards[place] += f" | {signal}: {value}"

    def _title(self, item: int) -> str:
        if item not in self._titles:
            # A title must not contain what separates titles or facts.
            title = self._items[item].title.replace(",", ";").replace("|", "/")
            self._titles[item] = quoted(title, TITLE_LIMIT)
        return self._titles[item]


def together_value(count: int, titles: Iterable[str]) -> str:
    """Return the value of `together` or `follows` on a card: `5 (Alien, Brazil, Heat)`."""
    return f"{count} ({', '.join(titles)})"


class OwnItems(NamedTuple):
    """Items of each user, in the order of the log."""

    items: IntArray
    """The items of all users, sorted by user."""
    starts: IntArray
    """Shape (users + 1,): where each user's items begin."""

    @classmethod
    def liked(cls, log: Interactions, n_users: int) -> OwnItems:
        """Collect the likes of a log; what was consumed without a rating is one."""
        return cls.met(log.where(~(log.ratings <= LIKED_ABOVE)), n_users)

    @classmethod
    def met(cls, log: Interactions, n_users: int) -> OwnItems:
        """Collect the items of a log."""
        log = log.where(np.argsort(log.users, kind="stable"))
        return cls(log.items, np.searchsorted(log.users, np.arange(n_users + 1)))

    def of(self, user: int) -> IntArray:
        """Return the items of a user, oldest first."""
        return self.items[self.starts[user] : self.starts[user + 1]]


class _Pairs(NamedTuple):
    """Pairs of items that have something to do with each other."""

    numbers: IntArray
    """Ascending; a pair (i, j) is the number i * items + j."""
    strengths: FloatArray
    """How near j is to i; above 0."""

    @classmethod
    def none(cls) -> _Pairs:
        """Return no pairs."""
        return cls(np.zeros(0, np.int64), np.zeros(0))

    @classmethod
    def nearest(
        cls,
        chunks: Iterable[csr_matrix],
        n_items: int,
        lengths: tuple[FloatArray, FloatArray],
        most: int,
    ) -> _Pairs:
        """Keep for each item i the others j with the greatest n_ij / (l_i m_j + shrinkage).

        Args:
            chunks: n_ij, some rows after the other.
            n_items: Items of the catalogue.
            lengths: l_i and m_j of all items.
            most: How many others are kept of each.
        """
        pairs, strengths = [np.zeros(0, np.int64)], [np.zeros(0)]
        rows = ((chunk, row) for chunk in chunks for row in range(chunk.shape[0]))
        for item, (chunk, row) in enumerate(rows):
            stored = slice(chunk.indptr[row], chunk.indptr[row + 1])
            others = chunk.indices[stored].astype(np.int64)
            strength = chunk.data[stored] / (lengths[0][item] * lengths[1][others] + SHRINKAGE)
            strength[others == item] = 0.0
            best = np.lexsort((others, -strength))[:most]
            best = best[np.argsort(others[best])]
            best = best[strength[best] > 0]
            pairs.append(item * n_items + others[best])
            strengths.append(strength[best])
        return cls(np.concatenate(pairs), np.concatenate(strengths))


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


def _liked_together(log: Interactions, n_users: int, n_items: int) -> _Pairs:
    """Return for each item those that the same users like, by the shrunk cosine of item-kNN.

    It is n_ij / (sqrt(n_i n_j) + shrinkage), where n_ij users like both.
    """
    liked = positives(log, n_users, n_items)
    transposed = liked.T.tocsr()
    length = np.sqrt(column_counts(liked))
    chunk = max(1, CHUNK_CELLS // n_items)
    chunks = (transposed[start : start + chunk] @ liked for start in range(0, n_items, chunk))
    return _Pairs.nearest(chunks, n_items, (length, length), NEIGHBOURS)


def _following(log: Interactions, n_items: int) -> _Pairs:
    """Return for each item the items that are met shortly before it, by the same shrunk cosine.

    n_ij sums `FOLLOWS_DECAY` ** (distance - 1) over all users and the places up to
    `FOLLOWS_WITHIN` before an item; n_i and n_j are the sums over all pairs with i, and with j.
    """
    log = log.where(np.argsort(log.users, kind="stable"))
    before = csr_matrix((n_items, n_items))
    for distance in range(1, FOLLOWS_WITHIN + 1):
        later, earlier = log.items[distance:], log.items[:-distance]
        mine = (log.users[distance:] == log.users[:-distance]) & (later != earlier)
        weight = np.full(int(mine.sum()), FOLLOWS_DECAY ** (distance - 1))
        pairs = (later[mine], earlier[mine])
        before = before + csr_matrix((weight, pairs), shape=before.shape)
    lengths = [np.sqrt(np.asarray(before.sum(axis)).ravel()) for axis in (1, 0)]
    return _Pairs.nearest([before], n_items, (lengths[0], lengths[1]), FORERUNNERS)
