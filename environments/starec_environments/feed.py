"""Feed: a recommender fills pages; users watch, skip, rate and leave; the recommender learns.

This environment has a feedback loop: what is shown decides what is watched, and what was watched
decides what is shown next. With `refit_every: 0` the recommender is frozen and all else is equal.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Mapping, Sequence
from math import isnan
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from starec_environments.feed_events import EVENTS, FeedEvents
from starec_environments.feed_log import FeedLog, split_logs
from starec_environments.mood import Moods, MoodSettings, delight
from starec_environments.signals import OwnItems, SignalNames, Signals
from starec_environments.truth import Truth
from starec_sim import plugins
from starec_sim.cards import card
from starec_sim.dataset import Dataset, required
from starec_sim.errors import DataError
from starec_sim.plugins import Spec, Uses, spec_or
from starec_sim.recommender import Recommender
from starec_sim.rng import Streams
from starec_sim.shared_experience import shared_experience
from starec_sim.tasks import FEED, Task
from starec_sim.types import (
    Decision,
    Experience,
    Feedback,
    FloatArray,
    IntArray,
    Item,
    Observation,
    Step,
    Visit,
)


class FeedEnvironment:
    """Pages of recommendations over any dataset: fatigue, exits, a recommender that learns."""

    task: ClassVar[Task] = FEED
    own_metrics: ClassVar[tuple[str, ...]] = ("visitors",)
    reward_names: ClassVar[tuple[str, ...]] = ("engagement", "satisfaction")
    events: ClassVar[Mapping[str, type[BaseModel]]] = EVENTS

    class Config(MoodSettings):
        """Settings of the feed."""

        recommender: Annotated[Spec, spec_or("als"), Uses("recommenders")] = Field(
            default={"use": "als"}
        )
        """Chooses the items of a page, and learns from what users do."""
        refit_every: int = Field(default=1, ge=0)
        """Rounds between two refits on what users did; 0 freezes the recommender."""
        page_size: int = Field(default=8, ge=1, le=1000)
        """Items on a page."""
        pages: int = Field(default=5, ge=1, le=1000)
        """Pages that one visit may have."""
        rest: int = Field(default=20, ge=0)
        """Rounds for which an item that was skipped is not shown to the same user again. It comes
        back sooner where otherwise too few items would be left to fill the pages of a visit."""
        warm: float = Field(default=0.5, gt=0, le=1)
        """Share of each user's log, from its start, that recommender and memory begin with. For
        real data the rest is the hidden truth."""
        min_interactions: int = Field(default=10, ge=1)
        """Users with a shorter log are left out (and counted)."""
        users: int | None = Field(default=None, ge=1)
        """A random sample of so many users; all when empty."""
        signals: SignalNames = Field(default=[])
        """What cards say besides attributes: any of `popularity`, `rating`, `together` and
        `follows`. They are taken from what the recommender was last fitted on."""

    def __init__(self, config: Config, dataset: Dataset | None, streams: Streams) -> None:
        dataset = required(dataset)
        self.config = config
        self.items: Sequence[Item] = dataset.items
        self.cards = [card(item) for item in dataset.items]
        self._streams = streams
        rows, self._left_out = _participants(dataset, config, streams)
        self.users = [dataset.users[row] for row in rows]
        known, hidden = split_logs(dataset, rows, config.warm)
        self._truth = Truth(dataset, rows, hidden)
        self.popularity: IntArray = np.bincount(known.items, minlength=len(self.items))
        self._moods = Moods(config, len(self.users), streams)
        self._log = FeedLog(known, len(self.users), len(self.items), config.rest)
        self._fitted = 0
        """Rows of the log on which recommender and signals were last fitted."""
        self.recommender = _new_recommender(self, streams)
        self._recommender_hash = _hash(config.recommender)
        self._signals = Signals(config.signals, dataset.items, len(self.users))
        self._fit()
        self._events = FeedEvents(self.items, self.users)
        self._round = 0
        self._offers: dict[int, _Offer] = {}
        self._likes: OwnItems | None = None
        """What all users liked at the start of the round, when cards need it."""
        self._met: OwnItems | None = None
        """What all users met until then, liked or not, when cards need it."""

    def describe(self) -> Mapping[str, Any]:
        """Return counts of users, items and ratings, the source of the truth, and the signals."""
        return {
            "users": len(self.users),
            "items": len(self.items),
            "left out": self._left_out,
            "known interactions": len(self._log.known.users),
            "hidden ratings": self._truth.n_logged,
            "truth": self._truth.source,
            "signals": list(self.config.signals),
        }

    def history(self, user: int) -> tuple[Experience, ...]:
        """Return the rated part of the user's known log."""
        source = "logged" if self._truth.source == "model" else self._truth.source
        return self._log.rated(user, source)

    def apply(self, event: str, settings: BaseModel) -> None:
        """Let a scheduled event happen."""
        self._events.apply(event, settings)
        if self._hold_items():
            self._learn_again()

    def end(self, event: str, settings: BaseModel) -> None:
        """End an event that happened with these settings."""
        self._events.end(event, settings)

    def set_slates(self, slates: Mapping[int, Sequence[int]]) -> None:
        """Set the first page of users in the next round."""
        self._events.set_slates(slates, min(self.config.page_size, len(self.items)))

    def live(self) -> NDArray[np.bool_]:
        """Return that every item is part of the catalogue, also one that an event removed."""
        return np.ones(len(self.items), np.bool_)

    def _hold_items(self) -> bool:
        """Hold the items of the data and those that events injected; return if others were held.

        Then the recommender and the signals are new, and have learned nothing.
        """
        if self.items == self._events.items:
            return False
        self.items = self._events.items
        self.cards = [card(item) for item in self.items]
        self.popularity = np.bincount(self._log.known.items, minlength=len(self.items))
        self._log.n_items = len(self.items)
        self.recommender = _new_recommender(self, self._streams)
        self._signals = Signals(self.config.signals, self.items, len(self.users))
        return True

    def begin_round(self, round: int) -> Sequence[int]:
        """Draw the visitors of a round, and let the recommender fill their pages."""
        self._round = round
        visitors = self._moods.visitors(round)
        wanted = min(self.config.page_size * self.config.pages, len(self.items))
        hidden = self._log.hidden(self.config.page_size * self.config.pages)
        rng = self._streams.stream("recommend", round=round)
        ranked = len(self.items) if self._events.changes_slates else wanted
        slates = self.recommender.recommend(visitors, ranked, hidden, rng)
        # A user who has consumed the whole catalogue does not visit.
        self._offers = {}
        for user, row, scores in zip(visitors.tolist(), slates.items, slates.scores, strict=True):
            items, scores, ads = row[row >= 0], scores[row >= 0], dict[int, str]()
            if self._events.changes_slates:
                size = self.config.page_size
                items, scores, ads = self._events.arranged(items, scores, size, wanted)
            items, scores = self._events.slates.arranged(user, items, scores)
            if len(items):
                truth = self._truth.of(user, self._events.rated_as(items), round)
                truth = self._events.shifted(user, items, *truth)
                self._offers[user] = _Offer(items, *truth, scores, ads)
        if "together" in self.config.signals:
            self._likes = OwnItems.liked(self._log.interactions, len(self.users))
        if "follows" in self.config.signals:
            self._met = OwnItems.met(self._log.interactions, len(self.users))
        return list(self._offers)

    def _page(self, steps: Sequence[Step]) -> slice:
        start = len(steps) * self.config.page_size
        return slice(start, start + self.config.page_size)

    def observe(self, user: int, steps: Sequence[Step]) -> Observation:
        """Show the next page."""
        items = tuple(self._offers[user].items[self._page(steps)].tolist())
        if not self.config.signals:
            cards = tuple(self.cards[item] for item in items)
        else:
            likes = self._likes.of(user) if self._likes else None
            cards = self._signals.cards(items, likes, self._met.of(user) if self._met else None)
        if ads := self._offers[user].ads:
            marks = (f" | ad: {ads[item]}" if item in ads else "" for item in items)
            cards = tuple(f"{shown}{mark}" for shown, mark in zip(cards, marks, strict=True))
        message = self._events.message(user)
        return Observation(FEED, items, cards, len(steps) + 1, context=message)

    def respond(
        self, user: int, steps: Sequence[Step], observation: Observation, decision: Decision
    ) -> Feedback:
        """Reveal the stars of the watched items, and whether the visit ends."""
        offer = self._offers[user]
        chosen = {action.item for action in decision.actions if action.done}
        truth = offer.experiences(self._page(steps), self._truth.source, chosen)
        experiences = tuple(truth[action.item] for action in decision.actions if action.done)
        pages = [*(step.feedback.experiences for step in steps), experiences]
        if decision.leave:
            ending = "left"
        elif self._moods.is_tired(user, pages):
            ending = "tired"
        elif len(pages) * self.config.page_size >= len(offer.items):
            ending = "pages"
        else:
            ending = ""
        reward = {
            "engagement": len(experiences) / len(observation.slate),
            "satisfaction": delight(experiences, nothing=0.0),
        }
        return Feedback(experiences, reward=reward, ending=ending)

    def slate_facts(
        self, user: int, steps: Sequence[Step], observation: Observation
    ) -> Mapping[str, Sequence[float | None]]:
        """Return the recommender's score of each item that it ranked, and the true stars."""
        offer, page = self._offers[user], self._page(steps)
        scores = [None if isnan(score) else score for score in offer.scores[page].tolist()]
        return {"score": scores, "truth": offer.stars[page].tolist()}

    def end_round(self, visits: Sequence[Visit]) -> Mapping[str, float]:
        """Change moods, append what was watched to the log, and refit if it is time."""
        self._offers = {}  # a kilobyte for each visitor
        self._events.slates.set({})
        self._moods.move(visits)
        new = self._log.append(visits)
        if self.config.refit_every:
            self.recommender.observe(new)
            if (self._round + 1) % self.config.refit_every == 0:
                self._fit()
        return {"visitors": len(visits) / len(self.users)}

    def _learn_again(self) -> None:
        """Let recommender and signals learn from what those before had learned from."""
        log = self._log.interactions
        known = log.where(np.arange(self._fitted))
        self._signals.fit(known)
        self.recommender.fit(known)
        if self.config.refit_every:
            self.recommender.observe(log.where(np.arange(self._fitted, len(log.users))))

    def _fit(self) -> None:
        log = self._log.interactions
        self.recommender.fit(log)
        self._signals.fit(log)
        self._fitted = len(log.users)

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return moods, what was consumed, what was skipped lately, and the recommender's state."""
        recommender = {
            f"recommender/{name}": array for name, array in self.recommender.state().items()
        }
        return {
            "mood": self._moods.values.copy(),
            "fitted": np.array(self._fitted),
            "recommender": self._recommender_hash,
            **self._log.state(),
            **self._events.state(),
            **recommender,
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Continue as the environment that returned this state.

        If that one had another recommender, this one's learns from the same part of the log.
        """
        self._moods.values = np.array(state["mood"])
        self._log.restore(state)
        self._events.restore(state)
        self._hold_items()
        self._fitted = int(state["fitted"])
        of_state = state.get("recommender", self._recommender_hash)
        if not np.array_equal(of_state, self._recommender_hash):
            self._learn_again()
            return
        self._signals.fit(self._log.interactions.where(np.arange(self._fitted)))
        self.recommender.restore(
            {
                name.removeprefix("recommender/"): array
                for name, array in state.items()
                if name.startswith("recommender/")
            }
        )


def _participants(
    dataset: Dataset, config: FeedEnvironment.Config, streams: Streams
) -> tuple[IntArray, dict[str, int]]:
    """Return the rows of the users who take part, and how many do not, by the reason."""
    lengths = np.bincount(dataset.log.users, minlength=len(dataset.users))
    rows: IntArray = np.flatnonzero(lengths >= config.min_interactions)
    left_out = {"too few interactions": len(dataset.users) - len(rows), "not sampled": 0}
    if not len(rows):
        raise DataError(
            f"no user of {dataset.name} has {config.min_interactions} interactions",
            hint="lower environment.min_interactions",
        )
    if config.users is not None and config.users < len(rows):
        left_out["not sampled"] = len(rows) - config.users
        chosen = streams.stream("users").choice(len(rows), config.users, replace=False)
        rows = rows[np.sort(chosen)]
    return rows, left_out


def _new_recommender(feed: FeedEnvironment, streams: Streams) -> Recommender:
    spec = feed.config.recommender
    recommender: Recommender = plugins.configure(
        "recommenders", spec, "environment.recommender"
    ).build(n_users=len(feed.users), n_items=len(feed.items), seed=streams.integer("recommender"))
    return recommender


def _hash(spec: Mapping[str, Any]) -> NDArray[np.uint8]:
    """Return a hash of a plug-in and its settings, as an array of numbers."""
    text = json.dumps(spec, sort_keys=True)
    return np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint8)


class _Offer(NamedTuple):
    """All items that a user may be shown in a round, best first, and their truth for her."""

    items: IntArray
    stars: FloatArray
    logged: NDArray[np.bool_]
    """Whether the stars are from the log and not from the world."""
    scores: FloatArray
    """Those of the recommender."""
    ads: Mapping[int, str] = {}
    """What marks the items that are ads."""

    def experiences(
        self, page: slice, source: str, chosen: Container[int]
    ) -> dict[int, Experience]:
        columns = (column[page].tolist() for column in (self.items, self.stars, self.logged))
        return {
            item: shared_experience(item, rating, "logged" if logged else source)
            for item, rating, logged in zip(*columns, strict=True)
            if item in chosen
        }
