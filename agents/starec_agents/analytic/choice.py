"""Choice models over slates: multinomial logit and cascade, for many users at once.

The models are those of RecSim (Ie et al. 2019, "RecSim: A configurable simulation platform for
recommender systems", arXiv 1909.04847, section 4.3). In both a user may choose nothing:

* Multinomial logit (McFadden 1974): an item is chosen with a probability in proportion to
  `exam * exp(worth / noise)`, and nothing in proportion to `exp(nothing / noise)`.
* Cascade (Craswell et al. 2008, "An experimental comparison of click position-bias models"): she
  goes down the page, looks at a place with the probability `exam`, and takes an item at which she
  looks with the probability `1 / (1 + exp((nothing - worth) / noise))`.

`exam` is the position bias, `place ** -position_bias` with places from 1 (Joachims et al. 2017,
"Unbiased learning-to-rank with biased feedback", section 6). After a choice she chooses among the
other items, until she chooses nothing or has chosen `most`.

Arrays have the shape (users, places); shorter slates are padded at their end with a worth of minus
infinity, which no user chooses. Each row depends on nothing but itself.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from starec_sim.settings import Settings
from starec_sim.types import FloatArray, IntArray


class ChoiceSettings(Settings):
    """How users choose from a page, by what its items are worth to them."""

    model: Literal["logit", "cascade"] = "logit"
    """`logit`: she compares all items of the page. `cascade`: she goes down the page."""
    nothing: float = Field(default=3.5, ge=-20, le=20)
    """Stars that doing nothing is worth."""
    noise: float = Field(default=0.5, gt=0, le=20)
    """Stars by which a choice varies: the scale of the logit. The smaller, the surer she chooses
    what is worth most."""
    position_bias: float = Field(default=0.5, ge=0, le=10)
    """Place k is looked at with the probability k to the power of minus this; 0 is no bias."""
    most: int = Field(default=3, ge=1, le=1000)
    """The most items that she chooses from one page."""

    def choose(self, worth: FloatArray, draws: FloatArray) -> NDArray[np.bool_]:
        """Return which items are chosen, shape (users, places).

        Args:
            worth: Stars of each item; minus infinity where a slate is shorter.
            draws: Uniform numbers, at least as many for each user as `draws_for` says.
        """
        choose = multinomial_logit if self.model == "logit" else cascade
        return choose(worth, self, draws)

    def draws_for(self, places: int) -> int:
        """Return how many uniform numbers a page of so many places takes."""
        return 2 * places

    def examined(self, places: int) -> FloatArray:
        """Return the probability with which each place is looked at."""
        return np.arange(1, places + 1, dtype=np.float64) ** -self.position_bias


def multinomial_logit(
    worth: FloatArray, settings: ChoiceSettings, draws: FloatArray
) -> NDArray[np.bool_]:
    """Choose items one after the other, each by a multinomial logit with a mass for nothing."""
    users, places = worth.shape
    chosen = np.zeros((users, places), np.bool_)
    going = np.ones(users, np.bool_)
    examined = settings.examined(places)
    # Relative to the best of all, so that no exponential overflows.
    best = np.maximum(worth.max(axis=1), settings.nothing)[:, None]
    masses = examined * np.exp((worth - best) / settings.noise)
    nothing = np.exp((settings.nothing - best) / settings.noise)
    for number in range(min(settings.most, places)):
        # A running sum adds from the left, so the padding of a slate changes no bit.
        limits = np.cumsum(np.where(chosen, 0.0, masses), axis=1)
        drawn = draws[:, number, None] * (limits[:, -1:] + nothing)
        place = (limits <= drawn).sum(axis=1)
        going &= place < places
        if not going.any():
            break
        chosen[going, place[going]] = True
    return chosen


def cascade(worth: FloatArray, settings: ChoiceSettings, draws: FloatArray) -> NDArray[np.bool_]:
    """Go down each page: look at a place or not, take what is there or not."""
    places = worth.shape[1]
    with np.errstate(over="ignore"):
        taken = 1.0 / (1.0 + np.exp((settings.nothing - worth) / settings.noise))
    looked = draws[:, 0 : 2 * places : 2] < settings.examined(places)
    chosen: NDArray[np.bool_] = looked & (draws[:, 1 : 2 * places : 2] < taken)
    chosen &= np.cumsum(chosen, axis=1) <= settings.most
    return chosen


def order(worth: FloatArray, settings: ChoiceSettings, draws: FloatArray) -> IntArray:
    """Return the places of each slate in the order in which a logit chooses them, best first.

    The places by `worth / noise + log exam + g`, where g is drawn from the standard Gumbel
    distribution, are those of repeated choices without replacement (Yellott 1977). Places beyond
    the end of a slate come last.
    """
    places = worth.shape[1]
    gumbel = -np.log(-np.log(np.clip(draws[:, :places], 1e-300, 1 - 1e-16)))
    keys = worth / settings.noise + np.log(settings.examined(places)) + gumbel
    return np.argsort(-keys, axis=1, kind="stable")
