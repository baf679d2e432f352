"""Short video: an endless feed, watch time in seconds, and visits that end by tiredness.

Each second takes energy: twice as much where the user does not like the video, and more with every
video of the same topic that she has met in the visit. Swiping takes a little too, so every visit
ends.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from starec_environments.worlds.recommended import RecommendedWorld
from starec_sim.tasks import ActionKind, Amount, Task
from starec_sim.types import Decision, Experience, Feedback, Item, Observation, Step, User, Visit

TOPICS = ("cats", "cooking", "dance", "football", "jokes", "makeup", "music", "woodwork")
MOODS = ("calm", "funny", "loud")
LONGEST_S = 60
DISLIKED = 2.0
"""How many times as much energy a second of a video takes that the user does not like."""
SEEN = 5
"""Videos that each user has watched before the first round."""


class Watched(NamedTuple):
    """What one video of a page was for a user."""

    item: int
    seconds: float
    """0 for a swipe."""
    energy: float


class ShortVideo(RecommendedWorld):
    """Short videos: an endless feed, watch time, likes, boredom, and visits that end by fatigue."""

    class Config(RecommendedWorld.Config):
        """Settings of the feed."""

        users: int = Field(default=40, ge=1, le=100_000)
        """Users; all of them visit in every round."""
        videos: int = Field(default=80, ge=8, le=100_000)
        """Videos of eight topics."""
        page_size: int = Field(default=5, ge=1, le=100)
        """Videos that a user decides about at once."""
        most_alike: int | None = Field(default=None, ge=1)
        """The most videos of one topic on a page; no limit when empty."""
        energy: float = Field(default=300.0, gt=0, le=1500)
        """What a visit can take on average. A second of a liked video takes 1."""
        swipe: float = Field(default=4.0, ge=2)
        """Energy that a swiped video takes."""
        boredom: float = Field(default=0.25, ge=0)
        """By how much each earlier video of the same topic in a visit makes one more tiring."""
        rest: int = Field(default=1, ge=0)
        """Rounds for which a watched video is not shown to the same user again."""

    task = Task(
        "short_video",
        scene="You look through an endless feed of short videos. Skip means that you swipe on.",
        actions=(
            ActionKind("watch", Amount(1, LONGEST_S, unit="seconds"), past="watched"),
            ActionKind("like", past="liked", meaning="you watch it to the end"),
        ),
        per_item=2,
    )
    own_metrics = ("seconds", "liked_seconds", "videos", "tired")
    reward_names = ("seconds", "liked_seconds")

    def set_up(self) -> None:
        """Make videos and users, and what each user has watched before."""
        config = self.config
        self.users = [User(f"user-{n + 1}") for n in range(config.users)]
        rng = self.streams.stream("videos")
        self.items = [_video(n, rng) for n in range(config.videos)]
        self.length = np.array([item.numbers["seconds"] for item in self.items])
        self.topic = [item.attributes["topic"][0] for item in self.items]
        self.likes = np.zeros((config.users, config.videos), np.bool_)
        """Which videos each user likes: those of three of the topics."""
        self.kept = {"watched": np.full((config.users, config.videos), -1000)}
        self.start_recommender()
        self._before: list[list[int]] = []
        for user in range(config.users):
            rng = self.streams.stream("taste", user=user)
            hers = rng.choice(TOPICS, 3, replace=False)
            self.likes[user] = np.isin(self.topic, hers)
            self._before.append(rng.permutation(config.videos)[:SEEN].tolist())
        self.log(
            [
                (user, item, 5.0 if self.likes[user, item] else 1.0)
                for user, before in enumerate(self._before)
                for item in before
            ]
        )

    def history(self, user: int) -> tuple[Experience, ...]:
        """Return the videos that she watched to the end before, whether she liked them or not."""
        return tuple(self._lived(user, item, self.length[item]) for item in self._before[user])

    def _lived(self, user: int, item: int, seconds: float) -> Experience:
        said = self.task.told("watch", float(seconds))
        return Experience(item, None, "world", action=said, like=bool(self.likes[user, item]))

    def hidden(self) -> NDArray[np.bool_]:
        """Hide what was watched lately, if that leaves a page."""
        lately: NDArray[np.bool_] = self.round - self.kept["watched"] <= self.config.rest
        lately[(~lately).sum(axis=1) < self.config.page_size] = False
        return lately

    def begin_round(self, round: int) -> Sequence[int]:
        """Rank the videos, and mix the topics."""
        visitors = super().begin_round(round)
        self.ranked = {user: self._mixed(ranked) for user, ranked in self.ranked.items()}
        return visitors

    def _mixed(self, ranked: Sequence[int]) -> Sequence[int]:
        """Return the order in which each page has at most `most_alike` videos of a topic.

        A video that is one too many waits for a later page. Where only such are left, they come.
        """
        if self.config.most_alike is None:
            return ranked
        left = list(ranked)
        mixed: list[int] = []
        while left:
            on_page: Counter[str] = Counter()
            page: list[int] = []
            waiting: list[int] = []
            for item in left:
                fits = on_page[self.topic[item]] < self.config.most_alike
                if fits and len(page) < self.config.page_size:
                    page.append(item)
                    on_page[self.topic[item]] += 1
                else:
                    waiting.append(item)
            missing = self.config.page_size - len(page)
            mixed += page + waiting[:missing]
            left = waiting[missing:]
        return mixed

    def offer(self, user: int, steps: Sequence[Step]) -> Sequence[int]:
        """Show the next videos; after the last one the first comes again."""
        ranked = self.ranked[user]
        size = min(self.config.page_size, len(ranked))
        start = len(steps) * size
        return [ranked[place % len(ranked)] for place in range(start, start + size)]

    def energy_of(self, user: int) -> float:
        """Return what a visit of the round can take: half to one and a half of the mean."""
        rng = self.streams.stream("energy", user=user, round=self.round)
        return float(self.config.energy * rng.uniform(0.5, 1.5))

    def _watched(self, user: int, pages: Sequence[tuple[Observation, Decision]]) -> list[Watched]:
        """Return what each video of a visit was for her, in order."""
        met: Counter[str] = Counter()
        watched = []
        for page, decision in pages:
            for item in page.slate:
                seconds = self._seconds(item, decision)
                bored = 1 + self.config.boredom * met[self.topic[item]]
                effort = 1.0 if self.likes[user, item] else DISLIKED
                energy = seconds * effort * bored if seconds else self.config.swipe
                met[self.topic[item]] += 1
                watched.append(Watched(item, seconds, energy))
        return watched

    def _seconds(self, item: int, decision: Decision) -> float:
        """Return how long she watches a video: at most its length, and all of it if she likes."""
        acts = {each.kind: each.value for each in decision.actions if each.item == item}
        wanted = LONGEST_S if "like" in acts else acts.get("watch", 0.0)
        return min(float(wanted or 0.0), float(self.length[item]))

    def react(
        self, user: int, steps: Sequence[Step], shown: Observation, decision: Decision
    ) -> Feedback:
        """Reveal whether she likes what she watched. The visit ends when she is tired."""
        pages = [*((step.observation, step.decision) for step in steps), (shown, decision)]
        visit = self._watched(user, pages)
        page = [each for each in visit[-len(shown.slate) :] if each.seconds]
        lived = tuple(self._lived(user, each.item, each.seconds) for each in page)
        tired = sum(each.energy for each in visit) >= self.energy_of(user)
        reward = {
            "seconds": sum(each.seconds for each in page),
            "liked_seconds": sum(each.seconds for each in page if self.likes[user, each.item]),
        }
        ending = "left" if decision.leave else "tired" if tired else ""
        return Feedback(lived, reward=reward, ending=ending)

    def after_round(self, visits: Sequence[Visit]) -> Mapping[str, float]:
        """Log as a like what was watched for more than half of its length."""
        figures = dict.fromkeys(self.own_metrics, 0.0)
        rows = []
        for visit in visits:
            pages = [(step.observation, step.decision) for step in visit.steps]
            for item, seconds, _ in self._watched(visit.user, pages):
                figures["videos"] += 1
                figures["seconds"] += seconds
                figures["liked_seconds"] += seconds * self.likes[visit.user, item]
                if seconds:
                    self.kept["watched"][visit.user, item] = self.round
                    rows.append((visit.user, item, 5.0 if seconds > self.length[item] / 2 else 1.0))
            figures["tired"] += visit.steps[-1].feedback.ending == "tired"
        self.log(rows)
        return {name: value / max(1, len(visits)) for name, value in figures.items()}


def _video(number: int, rng: np.random.Generator) -> Item:
    topic = TOPICS[number % len(TOPICS)]
    mood = MOODS[int(rng.integers(len(MOODS)))]
    seconds = float(rng.integers(8, LONGEST_S + 1))
    title = f"{mood.capitalize()} {topic} {number // len(TOPICS) + 1}"
    attributes = {"topic": (topic,), "mood": (mood,)}
    return Item(f"video-{number + 1}", title, attributes, {"seconds": seconds})
