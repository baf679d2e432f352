"""A generated catalogue, population and log with known tastes. Nothing is downloaded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np
from pydantic import Field, model_validator
from scipy.sparse import csr_matrix

from starec_environments.datasets.synthetic_titles import ERAS, GENRES, names, occupation, titles
from starec_environments.datasets.world import Drift, SyntheticWorld, Tastes
from starec_sim.dataset import Dataset, Interactions
from starec_sim.rng import Streams
from starec_sim.settings import Settings
from starec_sim.types import FloatArray, IntArray, Item, User

IMPORTANCE = {"genre": 1.0, "maker": 0.7, "era": 0.5}
"""How much an attribute counts for all users. No card says it; only feedback shows it. So there is
something to learn beyond what a prompt says."""
LIKED_SHARE = 0.2
DISLIKED_SHARE = 0.2
"""Share of the values of an attribute that a user dislikes."""
ACTIVITY_SPREAD = 0.5
ITEMS_PER_MAKER = 20
LOGS_AT_ONCE = 1_000
FIRST_DAY = 1_672_531_200
"""2023-01-01, in seconds since the epoch. The log covers one year."""
YEAR_S = 365 * 24 * 3600


class Synthetic:
    """A generated dataset whose truth is known.

    Items have a `genre` (one to three), a `maker` and an `era`. Users have tastes over all three,
    an activity level, and demographics that are independent of their tastes.
    Everything about user number n depends on the seed, the catalogue and n alone, so a larger
    population contains the smaller one.

    >>> dataset = Synthetic(Synthetic.Config(users=50, items=200)).load()
    >>> len(dataset.users), len(dataset.items), dataset.world.source
    (50, 200, 'world')
    """

    class Config(Settings):
        """What to generate. 1,000 users and 2,000 items take about half a second."""

        users: int = Field(default=1000, ge=1, le=1_000_000)
        """How many users are generated."""
        items: int = Field(default=2000, ge=20, le=100_000)
        """How many items are generated."""
        interactions: float = Field(default=40.0, ge=1.0)
        """Mean length of a user's log; at most half of the catalogue."""
        seed: int = Field(default=0, ge=0)
        """Of the generated world; the experiment's seed does not change it."""
        noise: float = Field(default=0.35, ge=0.0, le=2.0)
        """Standard deviation, in stars, of what neither taste nor quality explains."""
        popularity: float = Field(default=0.8, ge=0.0, le=3.0)
        """Zipf exponent: the k-th most popular item is consumed in proportion to k^-popularity."""
        drift: Drift = Drift()

        @model_validator(mode="after")
        def _log_fits_catalogue(self) -> Self:
            if self.interactions > self.items / 2:
                raise ValueError(
                    f"interactions ({self.interactions:g}) may be at most half of items "
                    f"({self.items}): no user meets an item twice"
                )
            return self

    def __init__(self, config: Config) -> None:
        self.config = config

    def load(self) -> Dataset:
        """Generate the dataset. The same config gives the same dataset, to the bit."""
        config, streams = self.config, Streams(self.config.seed)
        catalogue = _catalogue(config, streams)
        users = tuple(_person(streams, user) for user in range(config.users))
        sizes = [sum(kind == attribute for kind, _ in catalogue.values) for attribute in IMPORTANCE]

        def tastes(purpose: str) -> Tastes:
            draw = partial(_tastes_of, streams, purpose, sizes)
            n_weights = sum(sum(_polarities(size)) for size in sizes)
            return Tastes(draw, config.users, sum(sizes), n_weights)

        before = tastes("taste")
        # Without drift, the tastes after it are not used.
        after = tastes("drifted taste") if config.drift.moves else before
        world = SyntheticWorld(
            values=catalogue.values,
            described=catalogue.described,
            quality=catalogue.quality,
            log_popularity=catalogue.log_popularity,
            before=before,
            after=after,
            drift=config.drift,
            noise=config.noise,
            key=int(streams.stream("noise key").integers(2**63)),
        )
        return Dataset("synthetic", users, catalogue.items, _log(config, world, catalogue), world)


@dataclass(frozen=True, slots=True)
class _Catalogue:
    """Items, and the same as arrays (see `SyntheticWorld`)."""

    items: tuple[Item, ...]
    values: tuple[tuple[str, str], ...]
    described: csr_matrix
    quality: FloatArray
    log_popularity: FloatArray


def _catalogue(config: Synthetic.Config, streams: Streams) -> _Catalogue:
    rng = streams.stream("catalogue")
    n = config.items
    makers = names(max(2, n // ITEMS_PER_MAKER), rng)
    values = (
        *(("genre", genre) for genre in GENRES),
        *(("maker", maker) for maker in makers),
        *(("era", era) for era in ERAS),
    )
    # The order of Gumbel-perturbed logits is the order of draws without replacement.
    zipf = -np.log(np.arange(1, len(GENRES) + 1))
    genres = np.argsort(-(zipf + rng.gumbel(size=(n, len(GENRES)))), axis=1)[:, :3]
    n_genres = rng.choice([1, 2, 3], size=n, p=[0.35, 0.4, 0.25])
    maker = rng.choice(len(makers), size=n, p=rng.dirichlet(np.full(len(makers), 5.0)))
    era = rng.choice(len(ERAS), size=n, p=np.arange(1, len(ERAS) + 1) / 28)
    log_popularity = -config.popularity * np.log(rng.permutation(n) + 1.0)
    items = tuple(
        Item(
            f"i{row + 1}",
            title,
            {
                "genre": tuple(GENRES[genre] for genre in genres[row, : n_genres[row]]),
                "maker": (makers[maker[row]],),
                "era": (ERAS[era[row]],),
            },
        )
        for row, title in enumerate(titles(n, rng))
    )
    return _Catalogue(
        items=items,
        values=values,
        described=_described(genres, n_genres, maker, era, values),
        quality=_quality(log_popularity, rng),
        log_popularity=log_popularity,
    )


def _described(
    genres: IntArray,
    n_genres: IntArray,
    maker: IntArray,
    era: IntArray,
    values: tuple[tuple[str, str], ...],
) -> csr_matrix:
    """Return how much each value counts in each item, shape (items, values)."""
    n, first_era = len(maker), len(values) - len(ERAS)
    places = np.column_stack([genres, len(GENRES) + maker, first_era + era])
    strength = np.empty(places.shape)
    # Divided by the root, so that taste varies as much over items of three genres as of one.
    strength[:, :3] = IMPORTANCE["genre"] / np.sqrt(n_genres)[:, None]
    strength[:, :3] *= np.arange(3) < n_genres[:, None]
    strength[:, 3], strength[:, 4] = IMPORTANCE["maker"], IMPORTANCE["era"]
    rows = np.repeat(np.arange(n), places.shape[1])
    shape = (n, len(values))
    return csr_matrix((strength.ravel(), (rows, places.ravel())), shape=shape)


def _quality(log_popularity: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return the quality of items; popular ones are better on average (correlation one half)."""
    spread = float(log_popularity.std())
    fame = (log_popularity - log_popularity.mean()) / max(spread, 1e-9)
    own = rng.standard_normal(len(log_popularity))
    return np.asarray(0.5 * fame + math.sqrt(0.75) * own, dtype=np.float64)


def _person(streams: Streams, user: int) -> User:
    rng = streams.stream("demographics", user=user)
    age = int(np.clip(rng.gamma(6.0, 6.0), 14, 90))
    job, gender = occupation(age, rng), "FM"[rng.integers(2)]
    return User(f"u{user + 1}", {"age": str(age), "gender": gender, "occupation": job})


def _polarities(size: int) -> tuple[int, int]:
    """Return how many of the values of an attribute a user likes, and how many she dislikes."""
    return max(1, round(LIKED_SHARE * size)), max(1, round(DISLIKED_SHARE * size))


def _tastes_of(streams: Streams, purpose: str, sizes: list[int], user: int) -> FloatArray:
    """Return one user's weights: some values liked, some disliked, most neither."""
    rng = streams.stream(purpose, user=user)
    weights = []
    for size in sizes:
        liked, disliked = _polarities(size)
        polarity = np.zeros(size)
        polarity[:liked] = 1.0
        polarity[size - disliked :] = -1.0
        weights.append(rng.permutation(polarity) * rng.uniform(0.5, 1.5, size))
    return np.concatenate(weights)


def _log(config: Synthetic.Config, world: SyntheticWorld, catalogue: _Catalogue) -> Interactions:
    """Draw the items of every user one after the other, by popularity and taste, and rate them."""
    streams, everything = Streams(config.seed), np.arange(config.items)
    logs: list[Interactions] = []
    for user in range(config.users):
        rng = streams.stream("log", user=user)
        activity = np.exp(ACTIVITY_SPREAD * rng.standard_normal() - ACTIVITY_SPREAD**2 / 2)
        n = int(np.clip(round(config.interactions * activity), 1, config.items // 2))
        keys = -(world.appeal(user, everything, round=0) + rng.gumbel(size=config.items))
        items = np.argpartition(keys, n)[:n]
        items = items[np.argsort(keys[items])]
        times = FIRST_DAY + np.sort(rng.integers(YEAR_S - n, size=n)) + np.arange(n)
        stars = np.rint(world.ratings(user, items, round=0))
        if len(logs) == LOGS_AT_ONCE:  # many small arrays would leave holes in memory
            logs = [Interactions.concatenate(*logs)]
        logs.append(Interactions(np.full(n, user), items, stars, times))
    log = Interactions.concatenate(*logs)
    return log.where(np.argsort(log.times, kind="stable"))
