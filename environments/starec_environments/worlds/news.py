"""News: stories appear in each round, are fresh for a while, and are gone after some rounds.

How many have read a story by the start of a round stands on its card, and may decide which stories
are shown. Then a story that was read early is read by more and more, and new ones stay unread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from starec_sim.cards import card
from starec_sim.rng import Streams
from starec_sim.settings import Settings
from starec_sim.tasks import ActionKind, Task
from starec_sim.types import Decision, Experience, Feedback, Item, Observation, Step, User, Visit
from starec_sim.world import World

TOPICS = ("politics", "sport", "science", "culture", "business", "travel")
_WHAT = {
    "politics": ("vote", "summit", "budget talks", "law"),
    "sport": ("final", "transfer", "record", "match"),
    "science": ("discovery", "launch", "study", "trial"),
    "culture": ("premiere", "exhibition", "prize", "concert"),
    "business": ("merger", "strike", "opening", "recall"),
    "travel": ("new route", "festival", "storm", "hike"),
}
PLACES = ("Arden", "Brill", "Corvo", "Dunmore", "Elvas", "Farsund", "Gdow", "Hallein")


class News(World):
    """News: stories appear, are fresh for a while, are counted, and expire."""

    class Config(Settings):
        """Settings of the news."""

        users: int = Field(default=40, ge=1, le=100_000)
        """Readers; all of them visit in every round."""
        stories: int = Field(default=10, ge=1, le=1000)
        """Stories that appear in each round."""
        lives: int = Field(default=3, ge=1, le=100)
        """Rounds for which a story can be read; then it is gone."""
        fresh: float = Field(default=0.6, ge=0, le=1)
        """Probability that a story which is one round old is still news to a reader; of one that
        is n rounds old it is `fresh` to the power of n."""
        page_size: int = Field(default=8, ge=1, le=100)
        """Stories on the page."""
        order: Literal["newest", "most read"] = "newest"
        """Which stories are on the page, and in which order; equal ones in random order."""
        show_counts: bool = True
        """Whether cards say how many have read a story by the start of the round."""

    task = Task(
        "news",
        scene="You open the page of a newspaper.",
        actions=(
            ActionKind("read", past="read"),
            ActionKind("share", past="shared", meaning="you read it and send it to a friend"),
        ),
    )
    own_metrics = ("age_read", "never_read", "top_share")

    def set_up(self) -> None:
        """Make readers, the topics of each, and the stories of the first round."""
        self.users = [User(f"reader-{n + 1}") for n in range(self.config.users)]
        self.likes = np.zeros((len(self.users), len(TOPICS)), np.bool_)
        """Which topics each reader likes: two."""
        for user in range(len(self.users)):
            rng = self.streams.stream("topics", user=user)
            self.likes[user, rng.permutation(len(TOPICS))[:2]] = True
        self.items: list[Item] = []
        self.cards = []
        self.kept = {
            "readers": np.zeros(0, np.int64),  # of each story
            "read": np.zeros((0, 2), np.int64),  # user and story, of stories that can be read
        }
        self._publish(self.config.stories)

    def _publish(self, stories: int) -> None:
        """Append stories until there are so many. Which ones depends on their number alone.

        A world that went back to an earlier round has more of them: those that are to come.
        """
        for number in range(len(self.items), stories):
            self.items.append(_story(number, self.streams))
            self.cards.append(card(self.items[-1]))
        new = stories - len(self.kept["readers"])
        self.kept["readers"] = np.append(self.kept["readers"], np.zeros(new, np.int64))
        self.popularity = np.zeros(len(self.items), np.int64)

    def age(self) -> NDArray[np.int64]:
        """Return how many rounds ago each story appeared."""
        return np.asarray(self.round - np.arange(len(self.items)) // self.config.stories)

    def live(self) -> NDArray[np.bool_]:
        """Return which stories can be read."""
        age = self.age()
        return np.asarray((age >= 0) & (age < self.config.lives))

    def begin_round(self, round: int) -> Sequence[int]:
        """Publish the stories of the round."""
        visitors = super().begin_round(round)
        self._publish((round + 1) * self.config.stories)
        return visitors

    def offer(self, user: int, steps: Sequence[Step]) -> Sequence[int]:
        """Show the newest or the most read stories that she has not read."""
        can_read = self.live()
        can_read[self.kept["read"][self.kept["read"][:, 0] == user, 1]] = False
        stories = np.flatnonzero(can_read)
        stories = self.streams.stream("page", user=user, round=self.round).permutation(stories)
        newest, most_read = self.age()[stories], -self.kept["readers"][stories]
        by = newest if self.config.order == "newest" else most_read
        ordered: list[int] = stories[np.argsort(by, kind="stable")].tolist()
        return ordered[: self.config.page_size]

    def item_card(self, item: int, user: int) -> str:
        """Show the age of a story, and how many have read it."""
        numbers = {"rounds old": float(self.age()[item])}
        if self.config.show_counts:
            numbers["readers"] = float(self.kept["readers"][item])
        return card(replace(self.items[item], numbers=numbers))

    def _is_news(self, user: int, story: int) -> bool:
        rng = self.streams.stream("news", user=user, round=self.round, call=story)
        return bool(rng.random() < self.config.fresh ** int(self.age()[story]))

    def react(
        self, user: int, steps: Sequence[Step], shown: Observation, decision: Decision
    ) -> Feedback:
        """She likes what she reads if it is of a topic of hers, and still news to her."""
        lived = []
        for action in decision.actions:
            if action.done:
                topic = TOPICS.index(self.items[action.item].attributes["topic"][0])
                like = bool(self.likes[user, topic]) and self._is_news(user, action.item)
                said = self.task.told(action.kind)
                lived.append(Experience(action.item, None, "world", action=said, like=like))
        liked = sum(each.liked for each in lived)
        return Feedback(tuple(lived), reward={"liked": float(liked)}, ending="done")

    def after_round(self, visits: Sequence[Visit]) -> Mapping[str, float]:
        """Count the readers of each story, and forget who read what is gone."""
        read = [
            (visit.user, lived.item)
            for visit in visits
            for step in visit.steps
            for lived in step.feedback.experiences
        ]
        new = np.array(read, np.int64).reshape(-1, 2)
        counts = np.bincount(new[:, 1], minlength=len(self.kept["readers"]))
        self.kept["readers"] = self.kept["readers"] + counts
        live_next = self.age() + 1 < self.config.lives
        both = np.concatenate([self.kept["read"], new])
        self.kept["read"] = both[live_next[both[:, 1]]]
        gone = np.flatnonzero(self.live() & ~live_next)
        return {
            "age_read": float(self.age()[new[:, 1]].mean()) if len(new) else float("nan"),
            "never_read": (
                float((self.kept["readers"][gone] == 0).mean()) if len(gone) else float("nan")
            ),
            "top_share": float(counts.max() / len(new)) if len(new) else float("nan"),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Continue with the stories of a state."""
        super().restore(state)
        self._publish(len(self.kept["readers"]))


def _story(number: int, streams: Streams) -> Item:
    rng = streams.stream("story", call=number)
    topic = TOPICS[int(rng.integers(len(TOPICS)))]
    what = _WHAT[topic][int(rng.integers(len(_WHAT[topic])))]
    place = PLACES[int(rng.integers(len(PLACES)))]
    title = f"{what.capitalize()} in {place}"
    return Item(f"story-{number + 1}", title, {"topic": (topic,), "place": (place,)})
