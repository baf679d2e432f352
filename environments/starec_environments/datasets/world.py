"""The truth of a generated dataset: the rating of any item by any user in any round."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import csr_matrix
from scipy.special import ndtri

from starec_sim.settings import Settings
from starec_sim.types import FloatArray, IntArray

MEAN_STARS = 2.75
"""The rating of an average item by a user without a taste for it. Users choose what they will like,
so the ratings of a log are higher (about 3.5)."""
TASTE_STARS = 0.9
QUALITY_STARS = 0.4
"""Stars for one standard deviation of taste, and of quality. `noise` is in stars as well."""
KEPT_BYTES = 2**26
"""Memory for the tastes of users, at most: those of 130,000 users of 2,000 items."""
SELECTION = 0.6
"""How strongly users pick what they will like: a standard deviation of taste multiplies the
chance of an item by exp(0.6)."""


class Drift(Settings):
    """How tastes change with the rounds. The log was written in round 0."""

    per_round: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of the change from the old tastes to the new ones that happens in each round."""
    at_round: int | None = Field(default=None, ge=1)
    """The round from which on every user has the new tastes; None for never."""

    @property
    def moves(self) -> bool:
        """Whether tastes ever change."""
        return self.per_round > 0 or self.at_round is not None

    def progress(self, round: int) -> float:
        """Return how much tastes have changed: 0.0 means the old tastes, 1.0 the new ones."""
        if self.at_round is not None and round >= self.at_round:
            return 1.0
        return min(1.0, self.per_round * max(round, 0))


class Tastes:
    """The weights of each user for the values of attributes, drawn when they are asked for.

    An array of (users, values) would take 2 GB for 100,000 users and 50,000 items. What was drawn
    is kept without its zeros, for as many of the first users as `KEPT_BYTES` hold.

    Args:
        draw: Returns the weights of a user, shape (values,); the same ones each time.
        n_users: How many users there are.
        n_values: How many values there are, at most 65,536.
        n_weights: How many weights of a user are not zero; the same number for every user.
    """

    def __init__(
        self, draw: Callable[[int], FloatArray], n_users: int, n_values: int, n_weights: int
    ) -> None:
        self._draw = draw
        self._n_values = n_values
        places, weights = np.dtype(np.uint16), np.dtype(np.float64)
        kept = min(n_users, KEPT_BYTES // (n_weights * (places.itemsize + weights.itemsize)))
        self._drawn = np.zeros(kept, np.bool_)
        # A page of these arrays takes memory when it is written to, and no earlier.
        self._places = np.empty((kept, n_weights), places)
        self._weights = np.empty((kept, n_weights), weights)

    def of(self, user: int) -> FloatArray:
        """Return the weights of a user, shape (values,)."""
        if user >= len(self._drawn):
            return self._draw(user)
        if not self._drawn[user]:
            drawn = self._draw(user)
            self._places[user] = places = np.flatnonzero(drawn)
            self._weights[user] = drawn[places]
            self._drawn[user] = True
        weights = np.zeros(self._n_values)
        weights[self._places[user]] = self._weights[user]
        return weights


@dataclass(frozen=True)
class SyntheticWorld:
    """Ratings as a closed formula of (user, item, round): no state, no order, no random stream.

    With t the user's standardised taste for an item, q the item's quality and e noise:

        rating = clip(MEAN_STARS + TASTE_STARS t + QUALITY_STARS q + noise e, 1, 5)

    Taste is the sum of the user's weights over the item's attribute values; it is standardised over
    the catalogue, so that the tastes of all users are equally strong. The noise belongs to the pair
    (user, item) and is the same in every round. No attribute shows it.
    """

    values: tuple[tuple[str, str], ...]
    """The (attribute, value) pairs that weights are for, e.g. `("genre", "Drama")`."""
    described: csr_matrix
    """Shape (items, values): how much each value counts in each item; 0 where it is absent."""
    quality: FloatArray
    """Shape (items,), standard normal: how good an item is for all users."""
    log_popularity: FloatArray
    """Shape (items,): the log-odds, up to a constant, with which any user picks an item."""
    before: Tastes
    """The weights of users before any drift. Positive is liked, 0 is indifferent."""
    after: Tastes
    """Their weights after the drift."""
    drift: Drift
    noise: float
    key: int
    """Key of the noise: worlds with different keys have different noise; 0 to 2^63 - 1."""

    source = "world"

    def ratings(self, user: int, items: IntArray, round: int) -> FloatArray:
        """Return the stars (1.0 to 5.0, not rounded) that the user would give to each item."""
        noise = self.noise * _normal(self.key, user, items)
        taste = TASTE_STARS * self.taste(user, items, round)
        stars: FloatArray = MEAN_STARS + taste + QUALITY_STARS * self.quality[items] + noise
        return stars.clip(1.0, 5.0)

    def taste(self, user: int, items: IntArray, round: int) -> FloatArray:
        """Return the user's taste for each item, in standard deviations over the catalogue.

        Only this part of a rating can be known from attributes.
        """
        match: FloatArray = self.described @ self._weights(user, round)
        centred: FloatArray = match - match.sum() / len(match)
        # `match.std()` to the bit, without computing the mean again: this is done for each visit.
        spread = math.sqrt(float((centred * centred).sum() / len(match)))
        return np.asarray(centred[items] / max(spread, 1e-9))

    def appeal(self, user: int, items: IntArray, round: int) -> FloatArray:
        """Return the log-odds, up to a constant, with which the user picks each item next."""
        return self.log_popularity[items] + SELECTION * self.taste(user, items, round)

    def preferences(self, user: int, round: int) -> dict[str, dict[str, float]]:
        """Return what the user likes (positive) and dislikes (negative), strongest first.

        Attribute to value to weight; values with weight 0 are not listed.
        """
        weights = self._weights(user, round)
        weight_of: dict[str, dict[str, float]] = {attribute: {} for attribute, _ in self.values}
        for index in np.argsort(-np.abs(weights), kind="stable"):
            if weights[index] != 0.0:
                attribute, value = self.values[index]
                weight_of[attribute][value] = float(weights[index])
        return weight_of

    def _weights(self, user: int, round: int) -> FloatArray:
        """Return weights rotated from the old to the new ones, which keeps their length."""
        angle = self.drift.progress(round) * math.pi / 2
        weights: FloatArray = math.cos(angle) * self.before.of(user)
        return weights + math.sin(angle) * self.after.of(user) if angle else weights


def _normal(key: int, user: int, items: IntArray) -> FloatArray:
    """Return a standard normal number for each (key, user, item), by hashing.

    A counter-based generator for every pair would take a thousand times longer. One word for each
    pair needs only an integer hash; its upper 53 bits make the uniform number.
    """
    state = _mix_one(_mix_one(key) + user)
    word = _mix(items.astype(np.uint64) + np.uint64(state))
    uniform = ((word >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return np.asarray(ndtri(uniform), dtype=np.float64)


def _mix(word: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64 (Steele, Lea, Flood, 2014): the step by the golden ratio and the finalizer."""
    word = word + np.uint64(0x9E3779B97F4A7C15)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


def _mix_one(word: int) -> int:
    """Return what `_mix` returns for one word; an array of one takes ten times as long."""
    word = (word + 0x9E3779B97F4A7C15) % 2**64
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    word = (word ^ (word >> 27)) * 0x94D049BB133111EB % 2**64
    return word ^ (word >> 31)
