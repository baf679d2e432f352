"""Feed: a recommender fills pages, people watch, skip, rate and leave, and the recommender learns.

This is where feedback loops live: what is shown decides what is watched, and what was watched
decides what is shown next. With `refit_every: 0` the same world runs with a frozen recommender.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import csr_matrix

from starec_environments.signals import Likes, SignalNames, Signals
from starec_environments.truth import Truth
from starec_sim import plugins
from starec_sim.cards import card
from starec_sim.dataset import Dataset, Interactions, required
from starec_sim.errors import DataError
from starec_sim.plugins import Spec, Uses, spec_or
from starec_sim.recommender import Recommender
from starec_sim.rng import Streams
from starec_sim.settings import Settings
from starec_sim.types import (
    Decision,
    Experience,
    Feedback,
    FloatArray,
    IntArray,
    Observation,
    Step,
    Task,
    Visit,
)

Rows = NDArray[np.int32]
"""Rows of users or items, kept in large numbers."""


class FeedEnvironment:
    """Pages of recommendations over any dataset: fatigue, exits, a recommender that learns."""

    task: ClassVar[Task] = "feed"

    class Config(Settings):
        """Settings of the feed."""

        recommender: Annotated[Spec, spec_or("als"), Uses("recommenders")] = Field(
            default={"use": "als"}
        )
        refit_every: int = Field(default=1, ge=0)
        """Rounds between two refits on what people did; 0 freezes the recommender."""
        page_size: int = Field(default=8, ge=1, le=1000)
        pages: int = Field(default=5, ge=1, le=1000)
        """Pages that one visit may have."""
        rest: int = Field(default=20, ge=0)
        """Rounds for which an item that was skipped is not shown to the same user again. It comes
        back sooner where otherwise too few items would be left to fill the pages of a visit."""
        warm: float = Field(default=0.5, gt=0, le=1)
        """Share of each user's log, from its start, that recommender and memory begin with. For
        real data the rest is hidden truth."""
        min_interactions: int = Field(default=10, ge=1)
        """Users with a shorter log are left out (and counted)."""
        users: int | None = Field(default=None, ge=1)
        """A random sample of so many users; all when empty."""
        patience: float = Field(default=3.0, gt=0)
        """Pages after which a person is tired on average; individual patience is spread evenly
        from half to one and a half of it."""
        refresh: float = Field(default=0.2, ge=0)
        """Pages of patience that a liked item gives back."""
        annoyance: float = Field(default=0.2, ge=0)
        """Pages of patience that a disliked item costs on top."""
        activity: float = Field(default=0.8, ge=0, le=1)
        """Chance that a person of neutral mood visits in a round."""
        loyalty: float = Field(default=0.3, ge=0, le=1)
        """How much mood (-1 to 1, from how the last visits went) adds to that chance."""
        signals: SignalNames = Field(default=[])
        """What cards say besides attributes: any of `popularity`, `rating`, `together`. They are
        taken from what the recommender was last fitted on."""

    def __init__(self, config: Config, dataset: Dataset | None, streams: Streams) -> None:
        dataset = required(dataset)
        self.config = config
        self.items = dataset.items
        self.cards = [card(item) for item in dataset.items]
        self._streams = streams
        self._left_out = {"too few interactions": 0, "not sampled": 0}
        self._rows = self._people(dataset)
        self.users = [dataset.users[row] for row in self._rows]
        self._known, hidden = self._split(dataset)
        self._truth = Truth(dataset, self._rows, hidden)
        self.popularity: IntArray = np.bincount(self._known.items, minlength=len(self.items))
        patience = streams.stream("patience").uniform(0.5, 1.5, len(self.users))
        self._patience: FloatArray = config.patience * patience
        self._mood: FloatArray = np.zeros(len(self.users))
        self._log = self._known
        """What is known and what was done since."""
        self._fitted = 0
        """Rows of the log that recommender and signals were last fitted on."""
        self._skipped: list[tuple[Rows, Rows]] = []
        """(users, items) skipped in each of the last `rest` rounds, oldest first."""
        self._recommender = self._build_recommender()
        self._signals = Signals(config.signals, dataset.items, len(self.users))
        self._fit()
        self._round = 0
        self._offers: dict[int, _Offer] = {}
        self._likes: Likes | None = None
        """Of all users at the start of the round, when cards need them."""

    def _people(self, dataset: Dataset) -> IntArray:
        """Return the rows of the users who take part, and count those who do not."""
        lengths = np.bincount(dataset.log.users, minlength=len(dataset.users))
        rows: IntArray = np.flatnonzero(lengths >= self.config.min_interactions)
        self._left_out["too few interactions"] = len(dataset.users) - len(rows)
        if not len(rows):
            raise DataError(
                f"no user of {dataset.name} has {self.config.min_interactions} interactions",
                hint="lower environment.min_interactions",
            )
        if self.config.users is not None and self.config.users < len(rows):
            self._left_out["not sampled"] = len(rows) - self.config.users
            chosen = self._streams.stream("users").choice(
                len(rows), self.config.users, replace=False
            )
            rows = rows[np.sort(chosen)]
        return rows

    def _split(self, dataset: Dataset) -> tuple[Interactions, Interactions]:
        """Return each user's first interactions, which are known, and the hidden rest.

        Both are sorted by user; users are counted among those who take part.
        """
        place = np.full(len(dataset.users), -1)
        place[self._rows] = np.arange(len(self._rows))
        log = dataset.log.where(place[dataset.log.users] >= 0)
        log = log._replace(users=place[log.users])
        log = log.where(np.argsort(log.users, kind="stable"))
        lengths = np.bincount(log.users, minlength=len(self._rows))
        starts = np.cumsum(lengths) - lengths
        nth = np.arange(len(log.users)) - starts[log.users]
        known = nth < np.ceil(self.config.warm * lengths)[log.users]
        return log.where(known), log.where(~known)

    def _build_recommender(self) -> Recommender:
        found, config = plugins.configure(
            "recommenders", self.config.recommender, "environment.recommender"
        )
        recommender: Recommender = found(
            config,
            n_users=len(self.users),
            n_items=len(self.items),
            seed=self._streams.integer("recommender"),
        )
        return recommender

    def describe(self) -> Mapping[str, Any]:
        """Return who takes part, why others do not, where the truth comes from, what cards tell."""
        return {
            "users": len(self.users),
            "items": len(self.items),
            "left out": self._left_out,
            "known interactions": len(self._known.users),
            "hidden ratings": self._truth.n_logged,
            "truth": self._truth.source,
            "signals": list(self.config.signals),
        }

    def history(self, user: int) -> tuple[Experience, ...]:
        """Return the rated part of the user's known log."""
        start, stop = np.searchsorted(self._known.users, (user, user + 1))
        mine = self._known.where(np.arange(start, stop))
        source = "logged" if self._truth.source == "model" else self._truth.source
        return tuple(
            Experience(item, rating, source)
            for item, rating in zip(mine.items.tolist(), mine.ratings.tolist(), strict=True)
            if not np.isnan(rating)
        )

    def begin_round(self, round: int) -> Sequence[int]:
        """Decide who visits, and let the recommender fill everybody's pages."""
        config, self._round = self.config, round
        chance = config.activity + config.loyalty * self._mood
        draws = self._streams.stream("visits", round=round).uniform(size=len(self.users))
        active: IntArray = np.flatnonzero(draws < chance)
        wanted = min(config.page_size * config.pages, len(self.items))
        rng = self._streams.stream("recommend", round=round)
        slates = self._recommender.recommend(active, wanted, self._seen(), rng)
        # A user for whom the catalogue has run out has nothing to visit.
        self._offers = {
            user: _Offer(items, *self._truth.of(user, items, round))
            for user, row in zip(active.tolist(), slates.items, strict=True)
            if len(items := row[row >= 0])
        }
        if self._signals.personal:
            self._likes = Likes.in_log(self._log, len(self.users))
        return list(self._offers)

    def _seen(self) -> csr_matrix:
        """Return what must not be shown: all that was consumed, and what was skipped of late."""
        n_users, n_items = len(self.users), len(self.items)
        hidden = [(self._log.users.astype(np.int32), self._log.items.astype(np.int32))]
        wanted = self.config.page_size * self.config.pages
        room = n_items - wanted - np.bincount(self._log.users, minlength=n_users)
        for users, items in reversed(self._skipped):
            room -= np.bincount(users, minlength=n_users)
            rests = room[users] >= 0
            hidden.append((users[rests], items[rests]))
        users, items = map(np.concatenate, zip(*hidden, strict=True))
        ones = np.ones(len(users), np.float32)
        return csr_matrix((ones, (users, items)), shape=(n_users, n_items))

    def _page(self, steps: Sequence[Step]) -> slice:
        start = len(steps) * self.config.page_size
        return slice(start, start + self.config.page_size)

    def observe(self, user: int, steps: Sequence[Step]) -> Observation:
        """Show the next page."""
        items = tuple(self._offers[user].items[self._page(steps)].tolist())
        if not self.config.signals:
            cards = tuple(self.cards[item] for item in items)
        else:
            cards = self._signals.cards(items, self._likes.of(user) if self._likes else None)
        return Observation("feed", items, cards, len(steps) + 1)

    def respond(
        self, user: int, steps: Sequence[Step], observation: Observation, decision: Decision
    ) -> Feedback:
        """Reveal how the watched items really were, and whether the visit goes on."""
        offer = self._offers[user]
        truth = offer.experiences(self._page(steps), self._truth.source)
        experiences = tuple(truth[action.item] for action in decision.actions if action.watched)
        pages = [*(step.feedback.experiences for step in steps), experiences]
        if decision.leave:
            ending = "left"
        elif self._tiredness(pages) >= self._patience[user]:
            ending = "tired"
        elif len(pages) * self.config.page_size >= len(offer.items):
            ending = "pages"
        else:
            ending = ""
        reward = {
            "engagement": len(experiences) / len(observation.slate),
            "satisfaction": _delight(experiences, nothing=0.0),
        }
        return Feedback(experiences, reward=reward, ending=ending)

    def _tiredness(self, pages: Sequence[Sequence[Experience]]) -> float:
        """Return the patience used up, in pages."""
        lived = [experience.liked for page in pages for experience in page]
        liked = sum(lived)
        return (
            len(pages) - self.config.refresh * liked + self.config.annoyance * (len(lived) - liked)
        )

    def end_round(self, visits: Sequence[Visit]) -> Mapping[str, float]:
        """Move moods, append what was watched to the log, and refit when it is due."""
        # Flat lists and not a tuple for each item: a round may have 10,000 users.
        skippers: list[int] = []
        skipped: list[int] = []
        watchers: list[int] = []
        watched: list[int] = []
        ratings: list[float] = []
        for visit in visits:
            user = visit.user
            lived = [e for step in visit.steps for e in step.feedback.experiences]
            self._mood[user] += 0.5 * (_delight(lived, nothing=-0.5) - self._mood[user])
            for step in visit.steps:
                seen = [action for action in step.decision.actions if action.watched]
                watchers += [user] * len(seen)
                watched += [action.item for action in seen]
                ratings += [np.nan if a.rating is None else a.rating for a in seen]
                consumed = {action.item for action in seen}
                rest = [item for item in step.observation.slate if item not in consumed]
                skippers += [user] * len(rest)
                skipped += rest
        if self.config.rest:
            latest = (np.array(skippers, np.int32), np.array(skipped, np.int32))
            self._skipped = [*self._skipped, latest][-self.config.rest :]
        clock = int(self._log.times.max(initial=0)) + 1
        self._learn(
            Interactions(
                np.array(watchers, np.int64),
                np.array(watched, np.int64),
                np.array(ratings, np.float64),
                np.full(len(watched), clock, np.int64),
            )
        )
        return {"visitors": len(visits) / len(self.users)}

    def _learn(self, new: Interactions) -> None:
        self._log = Interactions.concatenate(self._log, new)
        if not self.config.refit_every:
            return
        self._recommender.observe(new)
        if (self._round + 1) % self.config.refit_every == 0:
            self._fit()

    def _fit(self) -> None:
        self._recommender.fit(self._log)
        self._signals.fit(self._log)
        self._fitted = len(self._log.users)

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return what was done, moods, what was skipped of late, and the recommender's state."""
        since = self._log.where(np.arange(len(self._known.users), len(self._log.users)))
        done = {f"done/{name}": column for name, column in since._asdict().items()}
        skipped = {
            f"skipped/{age}/{part}": column
            for age, pair in enumerate(self._skipped)
            for part, column in zip(("users", "items"), pair, strict=True)
        }
        recommender = {
            f"recommender/{name}": array for name, array in self._recommender.state().items()
        }
        fitted = np.array(self._fitted)
        return {"mood": self._mood.copy(), "fitted": fitted, **done, **skipped, **recommender}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Become the world that returned this state."""
        self._mood = np.array(state["mood"])
        done = Interactions(*(state[f"done/{name}"] for name in Interactions._fields))
        self._log = Interactions.concatenate(self._known, done)
        self._fitted = int(state["fitted"])
        self._signals.fit(self._log.where(np.arange(self._fitted)))
        ages = sum(name.startswith("skipped/") for name in state) // 2
        self._skipped = [
            (state[f"skipped/{age}/users"], state[f"skipped/{age}/items"]) for age in range(ages)
        ]
        self._recommender.restore(
            {
                name.removeprefix("recommender/"): array
                for name, array in state.items()
                if name.startswith("recommender/")
            }
        )


class _Offer(NamedTuple):
    """All that a user may be shown in a round, best first, and what it would be for her."""

    items: IntArray
    stars: FloatArray
    logged: NDArray[np.bool_]
    """Whether the stars are from the log and not from the world."""

    def experiences(self, page: slice, source: str) -> dict[int, Experience]:
        return {
            item: Experience(item, rating, "logged" if logged else source)
            for item, rating, logged in zip(
                *(column[page].tolist() for column in self), strict=True
            )
        }


def _delight(experiences: Sequence[Experience], nothing: float) -> float:
    """Return the mean stars of what was watched, from -1 (one star) to 1 (five)."""
    if not experiences:
        return nothing
    return sum(e.rating - 3.0 for e in experiences) / (2.0 * len(experiences))
