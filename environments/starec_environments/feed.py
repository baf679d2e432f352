"""Feed: a recommender fills pages, people watch, skip, rate and leave, and the recommender learns.

This is where feedback loops live: what is shown decides what is watched, and what was watched
decides what is shown next. With `refit_every: 0` the same world runs with a frozen recommender.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator
from scipy.sparse import csr_matrix

from starec_environments.truth import FittedWorld
from starec_sim import plugins
from starec_sim.cards import card
from starec_sim.dataset import Dataset, Interactions
from starec_sim.errors import DataError
from starec_sim.recommender import Recommender
from starec_sim.rng import Streams
from starec_sim.types import (
    Decision,
    Experience,
    Feedback,
    FloatArray,
    IntArray,
    Observation,
    Step,
    Visit,
)
from starec_sim.validation import Settings


class FeedEnvironment:
    """Pages of recommendations over any dataset: fatigue, exits, a recommender that learns."""

    class Config(Settings):
        """Settings of the feed."""

        recommender: Mapping[str, Any] = {"use": "als"}
        refit_every: int = Field(default=1, ge=0)
        """Rounds between two refits on what people did; 0 freezes the recommender."""
        page_size: int = Field(default=10, ge=1)
        pages: int = Field(default=5, ge=1)
        """Pages that one visit may have."""
        rest: int = Field(default=2, ge=0)
        """Rounds for which an item that was shown is not shown to the same user again."""
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
        refresh: float = Field(default=0.1, ge=0)
        """Pages of patience that a liked item gives back."""
        annoyance: float = Field(default=0.2, ge=0)
        """Pages of patience that a disliked item costs on top."""
        activity: float = Field(default=0.8, ge=0, le=1)
        """Chance that a person of neutral mood visits in a round."""
        loyalty: float = Field(default=0.3, ge=0, le=1)
        """How much mood (-1 to 1, from how the last visits went) adds to that chance."""

        @field_validator("recommender", mode="before")
        @classmethod
        def _short_form(cls, value: Any) -> Any:
            return {"use": value} if isinstance(value, str) else value

    def __init__(self, config: Config, dataset: Dataset, streams: Streams) -> None:
        self.config = config
        self.items = dataset.items
        self._streams = streams
        self.cards = [card(item) for item in dataset.items]
        self._left_out = {"too few interactions": 0, "not sampled": 0}
        self._rows = self._people(dataset)
        self.users = [dataset.users[row] for row in self._rows]
        self._log, hidden = self._split(dataset)
        self._hidden = {
            (int(user), int(item)): float(rating)
            for user, item, rating in zip(hidden.users, hidden.items, hidden.ratings, strict=True)
            if dataset.world is None and not np.isnan(rating)
        }
        self._world = dataset.world or FittedWorld(dataset)
        self.popularity: IntArray = np.bincount(self._log.items, minlength=len(self.items))
        self._histories = self._warm_histories()
        patience = streams.stream("patience").uniform(0.5, 1.5, len(self.users))
        self._patience: FloatArray = config.patience * patience
        self._mood: FloatArray = np.zeros(len(self.users))
        self._shown: list[tuple[IntArray, IntArray]] = []
        self._recommender = self._build_recommender()
        self._recommender.fit(self._log)
        self._round = 0
        self._recommended: dict[int, tuple[int, ...]] = {}
        self._truth: dict[int, dict[int, Experience]] = {}

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
        """Return each user's first interactions, which are known, and the hidden rest."""
        place = np.full(len(dataset.users), -1)
        place[self._rows] = np.arange(len(self._rows))
        log = dataset.log.where(place[dataset.log.users] >= 0)
        log = log._replace(users=place[log.users])
        order = np.argsort(log.users, kind="stable")
        log = log.where(order)
        lengths = np.bincount(log.users, minlength=len(self._rows))
        starts = np.cumsum(lengths) - lengths
        nth = np.arange(len(log.users)) - starts[log.users]
        known = nth < np.ceil(self.config.warm * lengths)[log.users]
        return log.where(known), log.where(~known)

    def _warm_histories(self) -> list[tuple[Experience, ...]]:
        rated = self._log.where(~np.isnan(self._log.ratings))
        histories: list[list[Experience]] = [[] for _ in self.users]
        source = "logged" if self._world.source == "model" else self._world.source
        for user, item, rating in zip(rated.users, rated.items, rated.ratings, strict=True):
            histories[user].append(Experience(int(item), float(rating), source))
        return [tuple(history) for history in histories]

    def _build_recommender(self) -> Recommender:
        found, config = plugins.configure(
            "recommenders", self.config.recommender, at="environment.recommender"
        )
        recommender: Recommender = found(
            config,
            n_users=len(self.users),
            n_items=len(self.items),
            seed=self._streams.integer("recommender"),
        )
        return recommender

    def describe(self) -> Mapping[str, Any]:
        """Return how many users take part, why others do not, and where the truth comes from."""
        return {
            "users": len(self.users),
            "items": len(self.items),
            "left out": self._left_out,
            "known interactions": len(self._log.users),
            "hidden ratings": len(self._hidden),
            "truth": self._world.source,
        }

    def history(self, user: int) -> tuple[Experience, ...]:
        """Return the rated part of the user's known log."""
        return self._histories[user]

    def begin_round(self, round: int) -> Sequence[int]:
        """Decide who visits, and let the recommender fill everybody's pages."""
        config, self._round = self.config, round
        chance = config.activity + config.loyalty * self._mood
        draws = self._streams.stream("visits", round=round).uniform(size=len(self.users))
        active: IntArray = np.flatnonzero(draws < chance)
        wanted = min(config.page_size * config.pages, len(self.items))
        rng = self._streams.stream("recommend", round=round)
        slates = self._recommender.recommend(active, wanted, self._seen(), rng)
        self._recommended = {
            int(user): tuple(int(item) for item in items if item >= 0)
            for user, items in zip(active, slates.items, strict=True)
        }
        self._truth = {user: self._lived(user, items) for user, items in self._recommended.items()}
        # A user for whom the catalogue has run out has nothing to visit.
        return [user for user, items in self._recommended.items() if items]

    def _lived(self, user: int, items: tuple[int, ...]) -> dict[int, Experience]:
        """Return what each of the items would be for the user in this round."""
        rows = np.array(items, np.int64)
        stars = np.rint(self._world.ratings(int(self._rows[user]), rows, self._round)).tolist()
        source, hidden = self._world.source, self._hidden
        return {
            item: Experience(item, hidden[user, item], "logged")
            if (user, item) in hidden
            else Experience(item, rating, source)
            for item, rating in zip(items, stars, strict=True)
        }

    def _seen(self) -> csr_matrix:
        """Return what must not be shown: all that was consumed, and what was shown of late."""
        users = np.concatenate([self._log.users, *(users for users, _ in self._shown)])
        items = np.concatenate([self._log.items, *(items for _, items in self._shown)])
        shape = (len(self.users), len(self.items))
        return csr_matrix((np.ones(len(users), np.float32), (users, items)), shape=shape)

    def observe(self, user: int, steps: Sequence[Step]) -> Observation:
        """Show the next page."""
        start = len(steps) * self.config.page_size
        page = self._recommended[user][start : start + self.config.page_size]
        return Observation("feed", page, tuple(self.cards[item] for item in page), len(steps) + 1)

    def respond(
        self, user: int, steps: Sequence[Step], observation: Observation, decision: Decision
    ) -> Feedback:
        """Reveal how the watched items really were, and whether the visit goes on."""
        truth = self._truth[user]
        experiences = tuple(truth[action.item] for action in decision.actions if action.watched)
        pages = [*(step.feedback.experiences for step in steps), experiences]
        if decision.leave:
            ending = "left"
        elif self._tiredness(pages) >= self._patience[user]:
            ending = "tired"
        elif len(pages) * self.config.page_size >= len(self._recommended[user]):
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
        shown_users: list[int] = []
        shown_items: list[int] = []
        events: list[tuple[int, int, float]] = []
        for visit in visits:
            lived = [e for step in visit.steps for e in step.feedback.experiences]
            self._mood[visit.user] += 0.5 * (_delight(lived, nothing=-0.5) - self._mood[visit.user])
            for step in visit.steps:
                shown_users += [visit.user] * len(step.observation.slate)
                shown_items += step.observation.slate
                events += [
                    (visit.user, action.item, np.nan if action.rating is None else action.rating)
                    for action in step.decision.actions
                    if action.watched
                ]
        self._shown.append((np.array(shown_users, np.int64), np.array(shown_items, np.int64)))
        self._shown = self._shown[-self.config.rest :] if self.config.rest else []
        self._learn(events)
        return {"visitors": len(visits) / len(self.users)}

    def _learn(self, events: Sequence[tuple[int, int, float]]) -> None:
        table = np.array(events, np.float64).reshape(-1, 3)
        clock = int(self._log.times.max(initial=0)) + 1
        new = Interactions(
            table[:, 0].astype(np.int64),
            table[:, 1].astype(np.int64),
            table[:, 2],
            np.full(len(table), clock, np.int64),
        )
        self._log = Interactions.concatenate(self._log, new)
        if not self.config.refit_every:
            return
        self._recommender.observe(new)
        if (self._round + 1) % self.config.refit_every == 0:
            self._recommender.fit(self._log)

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return the log, the moods, what was shown of late, and the recommender's own state."""
        shown = {
            f"shown/{age}/{part}": column
            for age, pair in enumerate(self._shown)
            for part, column in zip(("users", "items"), pair, strict=True)
        }
        recommender = {
            f"recommender/{name}": array for name, array in self._recommender.state().items()
        }
        log = {f"log/{name}": column for name, column in self._log._asdict().items()}
        return {"mood": self._mood, **log, **shown, **recommender}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Become the world that returned this state."""
        self._mood = state["mood"].copy()
        self._log = Interactions(*(state[f"log/{name}"] for name in Interactions._fields))
        ages = sum(name.startswith("shown/") for name in state) // 2
        self._shown = [
            (state[f"shown/{age}/users"], state[f"shown/{age}/items"]) for age in range(ages)
        ]
        self._recommender.restore(
            {
                name.removeprefix("recommender/"): array
                for name, array in state.items()
                if name.startswith("recommender/")
            }
        )


def _delight(experiences: Sequence[Experience], nothing: float) -> float:
    """Return the mean stars of what was watched, from -1 (one star) to 1 (five)."""
    if not experiences:
        return nothing
    return sum(e.rating - 3.0 for e in experiences) / (2.0 * len(experiences))
