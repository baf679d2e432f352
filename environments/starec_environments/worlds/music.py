"""Music: people play the same tracks again, tire of what they hear too often, and rest from it.

A play makes a listener weary of the track by 1, and each round leaves the share `fade` of it. She
likes a track of her taste as long as she is less weary of it than `patience`. So how often a track
can be played without wearing out follows from a formula.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from starec_sim.cards import card
from starec_sim.dataset import Dataset
from starec_sim.errors import ConfigError
from starec_sim.settings import Settings
from starec_sim.tasks import ActionKind, Task
from starec_sim.types import Decision, Experience, Feedback, Item, Observation, Step, User, Visit
from starec_sim.world import World

GENRES = ("ambient", "blues", "choral", "folk", "jazz", "metal", "soul", "techno")
_BEFORE = 5
"""Tracks that each listener of a made world has played before the first round."""
_LONG_AGO = -50
"""The round of what was played before the simulation: all weariness of it is gone."""


def weariness(fade: float, every: int, plays: int) -> float:
    """Return how weary somebody is of a track that she plays once in `every` rounds.

    Args:
        fade: The share of weariness that a round leaves.
        every: Rounds from one play to the next.
        plays: How often she has played it before.

    >>> round(weariness(0.8, 1, 3), 3)
    1.952
    """
    return sum(fade ** (every * n) for n in range(1, plays + 1))


def plays_until_tired(fade: float, patience: float) -> int | None:
    """Return after how many plays in consecutive rounds she is tired of a track; None for never.

    >>> plays_until_tired(0.8, 1.5), plays_until_tired(0.5, 1.5)
    (3, None)
    """
    if fade / (1 - fade) <= patience:  # the sum of all plays
        return None
    plays = 1
    while weariness(fade, 1, plays) < patience:
        plays += 1
    return plays


def rounds_of_rest(fade: float, patience: float) -> int:
    """Return the least number of rounds between plays with which no track ever tires her.

    >>> rounds_of_rest(0.8, 1.5)
    3
    """
    if fade == 0:
        return 1
    # The weariness of endless plays is x / (1 - x), where x is what `every` rounds leave.
    return max(1, math.ceil(math.log(patience / (1 + patience)) / math.log(fade) - 1e-9))


@dataclass
class _Heard:
    """What a listener has heard of a track by the start of a round."""

    plays: int = 0
    last: int = _LONG_AGO
    weary: float = 0.0


class Music(World):
    """Music: repeated plays, weariness and rest; made tracks, or the items of a dataset."""

    class Config(Settings):
        """Settings of the listeners and of the pages."""

        users: int = Field(default=40, ge=1, le=100_000)
        """Listeners, without a dataset; all of them visit in every round."""
        tracks: int = Field(default=80, ge=8, le=100_000)
        """Tracks of eight genres, without a dataset."""
        page_size: int = Field(default=8, ge=1, le=100)
        """Tracks on the page."""
        repeats: float = Field(default=0.5, ge=0, le=1)
        """Share of the page for what she has played before, the most played first. Where too
        little can be repeated, more is new, and the other way round."""
        spacing: int = Field(default=1, ge=1)
        """Rounds from one play of a track to the next round in which she is shown it."""
        fade: float = Field(default=0.8, ge=0, lt=1)
        """Share of a listener's weariness of a track that a round leaves."""
        patience: float = Field(default=1.5, gt=0)
        """Weariness from which on she likes a track of her taste no more."""
        attribute: str = "category"
        """Of a dataset: the attribute that is taste. Who knew two items of a value likes it."""

    config: Config
    task = Task(
        "music",
        scene="You choose music. You may know some of the tracks, and may tire of them.",
        actions=(
            ActionKind("play", past="played"),
            ActionKind("save", past="saved", meaning="you play it and keep it in your library"),
        ),
    )
    own_metrics = ("repeat_share", "tired_share", "liked_plays", "discoveries")
    reward_names = ("liked",)

    def set_up(self) -> None:
        """Make listeners and tracks, or take those of the dataset, and what was played before."""
        if self.dataset is None:
            self._make()
        else:
            self._take(self.dataset)
        self._known: dict[int, dict[int, _Heard]] = {}
        plays = [(user, item, _LONG_AGO) for user, row in enumerate(self._before) for item in row]
        self.kept = {"plays": np.array(plays, np.int64).reshape(-1, 3)}  # user, track, round

    def _make(self) -> None:
        config = self.config
        self.users = [User(f"listener-{n + 1}") for n in range(config.users)]
        self.items = [
            Item(
                f"track-{n + 1}",
                f"{GENRES[n % len(GENRES)].capitalize()} piece {n // len(GENRES) + 1}",
                {"genre": (GENRES[n % len(GENRES)],), "artist": (f"Artist {n % 20 + 1}",)},
            )
            for n in range(config.tracks)
        ]
        self._values = [frozenset(item.attributes["genre"]) for item in self.items]
        self._tastes: list[frozenset[str]] = []
        self._before: list[list[int]] = []
        for user in range(config.users):
            rng = self.streams.stream("taste", user=user)
            self._tastes.append(frozenset(rng.choice(GENRES, 3, replace=False).tolist()))
            self._before.append(rng.permutation(config.tracks)[:_BEFORE].tolist())

    def _take(self, dataset: Dataset) -> None:
        self.users, self.items, name = dataset.users, dataset.items, self.config.attribute
        self._values = [frozenset(item.attributes.get(name, ())) for item in self.items]
        if not any(self._values):
            known = sorted({each for item in self.items for each in item.attributes})
            raise ConfigError(
                f'environment.attribute: no item of "{dataset.name}" has the attribute "{name}"',
                hint=f"its attributes: {', '.join(known)}" if known else "it has no attributes",
            )
        self._before = [[] for _ in self.users]
        for user, item in zip(dataset.log.users, dataset.log.items, strict=True):
            self._before[int(user)].append(int(item))
        self._tastes = [self._taste_of(before) for before in self._before]

    def _taste_of(self, before: Sequence[int]) -> frozenset[str]:
        """Return the values that two of the items have which somebody knew."""
        values = [value for item in before for value in self._values[item]]
        return frozenset(value for value in values if values.count(value) > 1)

    def fits(self, user: int, item: int) -> bool:
        """Return whether a track is of a listener's taste."""
        return bool(self._values[item] & self._tastes[user])

    def heard(self, user: int, item: int) -> _Heard:
        """Return what she has heard of a track by the start of the round."""
        return self._known.get(user, {}).get(item, _Heard())

    def tired_of(self, user: int, item: int) -> bool:
        """Return whether she is too weary of a track to like it."""
        return self.heard(user, item).weary >= self.config.patience

    def history(self, user: int) -> tuple[Experience, ...]:
        """Return what she played before, oldest first."""
        said = self.task.told("play")
        return tuple(
            Experience(item, None, "world", action=said, like=self.fits(user, item))
            for item in dict.fromkeys(self._before[user])
        )

    def begin_round(self, round: int) -> Sequence[int]:
        """Count what everybody has played, and how weary she is of it."""
        known: defaultdict[int, defaultdict[int, _Heard]] = defaultdict(lambda: defaultdict(_Heard))
        for user, item, played in self.kept["plays"].tolist():
            heard = known[user][item]
            heard.plays += 1
            heard.last = max(heard.last, played)
            heard.weary += self.config.fade ** (round - played)
        self._known = {user: dict(of_user) for user, of_user in known.items()}
        return super().begin_round(round)

    def offer(self, user: int, steps: Sequence[Step]) -> Sequence[int]:
        """Show what she played most, and what is new to her, in random order."""
        rng = self.streams.stream("page", user=user, round=self.round)
        known = self._known.get(user, {})
        order = rng.permutation(len(self.items)).tolist()
        old = [item for item in order if item in known]
        rests = {item for item in old if self.round - known[item].last < self.config.spacing}
        again = sorted((i for i in old if i not in rests), key=lambda item: -known[item].plays)
        new = [item for item in order if item not in known]
        size = min(self.config.page_size, len(self.items))
        wanted = round(self.config.repeats * size)
        shown = again[: max(wanted, size - len(new))] + new
        # What rests comes only where nothing else is left.
        page = (shown + [item for item in old if item in rests])[:size]
        return [page[place] for place in rng.permutation(len(page)).tolist()]

    def item_card(self, item: int, user: int) -> str:
        """Show how often and how lately she played a track."""
        heard = self.heard(user, item)
        if not heard.plays:
            return self.cards[item]
        numbers = {"times played": float(heard.plays)}
        if heard.last >= 0:
            numbers["rounds ago"] = float(self.round - heard.last)
        return card(replace(self.items[item], numbers={**self.items[item].numbers, **numbers}))

    def react(
        self, user: int, steps: Sequence[Step], shown: Observation, decision: Decision
    ) -> Feedback:
        """She likes what is of her taste, unless she is tired of it."""
        lived = []
        for action in decision.actions:
            if action.done:
                like = self.fits(user, action.item) and not self.tired_of(user, action.item)
                said = self.task.told(action.kind)
                lived.append(Experience(action.item, None, "world", action=said, like=like))
        liked = sum(each.liked for each in lived)
        return Feedback(tuple(lived), reward={"liked": float(liked)}, ending="done")

    def after_round(self, visits: Sequence[Visit]) -> Mapping[str, float]:
        """Note what was played, and count what was repeated, liked and worn out."""
        played = [
            (visit.user, lived.item, lived.liked)
            for visit in visits
            for step in visit.steps
            for lived in step.feedback.experiences
        ]
        again = [bool(self.heard(user, item).plays) for user, item, _ in played]
        tired = [self.tired_of(user, item) for user, item, _ in played]
        liked = [like for *_, like in played]
        rows = np.array([(user, item, self.round) for user, item, _ in played], np.int64)
        self.kept["plays"] = np.concatenate([self.kept["plays"], rows.reshape(-1, 3)])
        found = sum(like and not repeat for like, repeat in zip(liked, again, strict=True))
        return {
            "repeat_share": _mean(again),
            "tired_share": _mean(tired),
            "liked_plays": sum(liked) / max(1, len(visits)),
            "discoveries": found / max(1, len(visits)),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Continue with the plays of a state; they are counted when a round begins."""
        super().restore(state)
        self._known = {}


def _mean(values: Sequence[bool]) -> float:
    return sum(values) / len(values) if values else float("nan")
