"""Moods and patience: who visits a feed in a round, and when a user is tired of a visit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from starec_sim.rng import Streams
from starec_sim.settings import Settings
from starec_sim.types import Experience, FloatArray, IntArray, Visit


class MoodSettings(Settings):
    """How long users stay, and how likely they come back."""

    patience: float = Field(default=3.0, gt=0)
    """Pages after which a user is tired on average; the patience of users is spread evenly from
    half to one and a half of it."""
    refresh: float = Field(default=0.2, ge=0)
    """Pages of patience that a liked item gives back."""
    annoyance: float = Field(default=0.2, ge=0)
    """Pages of patience that a disliked item costs on top."""
    activity: float = Field(default=0.8, ge=0, le=1)
    """Chance that a user of neutral mood visits in a round."""
    loyalty: float = Field(default=0.3, ge=0, le=1)
    """How much mood (-1 to 1, from how the last visits went) adds to that chance."""


class Moods:
    """The mood and the patience of each user.

    A mood lies between -1 and 1 and begins at 0. Each visit moves it half of the way to how the
    visit went, see `delight`.

    Args:
        settings: How much patience there is, and what changes it.
        n_users: Users who take part.
        streams: Of the environment.
    """

    def __init__(self, settings: MoodSettings, n_users: int, streams: Streams) -> None:
        self._settings = settings
        self._streams = streams
        spread = streams.stream("patience").uniform(0.5, 1.5, n_users)
        self._patience: FloatArray = settings.patience * spread
        self.values: FloatArray = np.zeros(n_users)
        """Shape (users,), -1 to 1."""

    def visitors(self, round: int) -> IntArray:
        """Return the users who visit in a round, ascending."""
        chance = self._settings.activity + self._settings.loyalty * self.values
        draws = self._streams.stream("visits", round=round).uniform(size=len(self.values))
        visitors: IntArray = np.flatnonzero(draws < chance)
        return visitors

    def is_tired(self, user: int, pages: Sequence[Sequence[Experience]]) -> bool:
        """Return whether a user is tired of a visit, given what she watched on each page."""
        liked = [experience.liked for page in pages for experience in page]
        likes, dislikes = sum(liked), len(liked) - sum(liked)
        used = len(pages) - self._settings.refresh * likes + self._settings.annoyance * dislikes
        return bool(used >= self._patience[user])

    def move(self, visits: Sequence[Visit]) -> None:
        """Move the mood of each visitor by how her visit went."""
        for visit in visits:
            watched = [e for step in visit.steps for e in step.feedback.experiences]
            change = delight(watched, nothing=-0.5) - self.values[visit.user]
            self.values[visit.user] += 0.5 * change


def delight(experiences: Sequence[Experience], nothing: float) -> float:
    """Return the mean stars of what was watched, from -1 (one star or fewer) to 1 (five).

    Args:
        experiences: What was watched.
        nothing: What is returned where nothing was watched.
    """
    if not experiences:
        return nothing
    stars = sum(max(e.rating, 1.0) - 3.0 for e in experiences if e.rating is not None)
    return stars / (2.0 * len(experiences))
