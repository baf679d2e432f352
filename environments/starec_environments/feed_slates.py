"""First pages of a feed that a schedule sets for one round."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from starec_sim.types import FloatArray, IntArray


class FeedSlates:
    """The first pages that are set for the round that begins next; none at first."""

    def __init__(self) -> None:
        self._slates: dict[int, list[int]] = {}

    def set(self, slates: Mapping[int, Sequence[int]]) -> None:
        """Set the items on the first pages of users, and no others."""
        self._slates = {user: list(items) for user, items in slates.items()}

    def arranged(
        self, user: int, items: IntArray, scores: FloatArray
    ) -> tuple[IntArray, FloatArray]:
        """Return what a visit may show, and its scores, with the page that is set in its place.

        Later pages are what they would be. Where they would show an item of the page that is set
        once more, they end with items that this page has replaced.

        Args:
            user: The visitor.
            items: What she could see otherwise, best first.
            scores: Those of the recommender; NaN is returned for items that it did not rank.
        """
        if user not in self._slates:
            return items, scores
        page = np.array(self._slates[user])
        size = max(len(items), len(page))
        behind = np.roll(np.arange(len(items)), -len(page))
        behind = behind[~np.isin(items[behind], page)]
        known = dict(zip(items.tolist(), scores.tolist(), strict=True))
        of_page = np.array([known.get(item, np.nan) for item in page.tolist()])
        return (
            np.concatenate([page, items[behind]])[:size],
            np.concatenate([of_page, scores[behind]])[:size],
        )

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return the pages that are set; nothing without any."""
        return {"slates": np.array(json.dumps([*self._slates.items()]))} if self._slates else {}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Set the pages of a state, and no others."""
        self.set(dict(json.loads(str(state.get("slates", "[]")))))
