"""A recommender whose calls are all checked."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from starec_sim.boundary.call import PluginBoundary, complete
from starec_sim.boundary.state import checked_state
from starec_sim.boundary.values import BrokenContract, as_array, shown
from starec_sim.dataset import Interactions
from starec_sim.recommender import Slates
from starec_sim.types import FloatArray, IntArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix  # takes a tenth of a second to import

RNG = "`rng`, which recommend() gets, or np.random.default_rng(seed)"
_CHECKED_AT_ONCE = 4_096
"""Users whose slates are compared with what they have seen in one go; a copy is sorted of it."""


class CheckedRecommender:
    """Calls a recommender and checks what it returns.

    Attributes beyond the protocol are those of the recommender.

    Args:
        plugin: The recommender.
        n_items: How many items the catalogue has.

    Raises:
        ContractError: It lacks a method.
    """

    def __init__(self, plugin: Any, n_items: int) -> None:
        self.plugin = plugin
        """The recommender itself."""
        self._n_items = n_items
        self._boundary = PluginBoundary("recommender", plugin, RNG)
        methods = ("fit", "recommend", "score", "observe", "state", "restore")
        self._boundary.check("", partial(complete, plugin, methods))

    def __getattr__(self, name: str) -> Any:
        if name == "plugin":  # while a copy is made without __init__
            raise AttributeError(name)
        return getattr(self.plugin, name)

    def fit(self, log: Interactions) -> None:
        """Learn from a log, and forget everything learned before."""
        self._learn("fit", log)

    def recommend(
        self, users: IntArray, k: int, seen: csr_matrix, rng: np.random.Generator
    ) -> Slates:
        """Return k items for each user, without items that the user has seen."""
        return self._boundary.call(
            "recommend",
            (users, k, seen, rng),
            lambda value: checked_slates(value, users, k, seen, self._n_items),
            lambda: f"{len(users)} users, k={k}",
            random=True,
            handed=(users, seen),
        )

    def score(self, users: IntArray, items: IntArray) -> FloatArray:
        """Return the scores of given items."""
        return self._boundary.call(
            "score",
            (users, items),
            lambda value: checked_scores(value, items),
            lambda: f"{len(users)} users, {items.shape[1]} items each",
            random=True,
            handed=(users, items),
        )

    def observe(self, events: Interactions) -> None:
        """Update with new events between two fits."""
        self._learn("observe", events)

    def _learn(self, method: str, log: Interactions) -> None:
        self._boundary.call(
            method,
            (log,),
            lambda value: None,
            lambda: f"a log of {len(log.users)} events",
            random=True,
            handed=log,
        )

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return everything that `restore` needs."""
        return self._boundary.call("state", (), checked_state)

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Set the state to one that `state` returned."""
        self._boundary.call("restore", (state,), lambda value: None)


def checked_slates(value: Any, users: IntArray, k: int, seen: csr_matrix, n_items: int) -> Slates:
    """Return recommendations as arrays of rows and scores.

    Args:
        value: What `recommend` returned.
        users: For whom.
        k: How many items each user was to get.
        seen: Nonzero where an item must not be shown to a user.
        n_items: How many items the catalogue has.
    """
    if not isinstance(value, tuple) or len(value) != 2:
        raise BrokenContract(
            f"returned {shown(value)}; it must return Slates(items, scores)",
            "Slates is imported from starec_sim.recommender",
        )
    items, scores = as_array(value[0], "the items"), as_array(value[1], "the scores")
    wanted = (len(users), k)
    if items.dtype.kind not in "iu" and items.size:
        raise BrokenContract(
            f"the items are {shown(items)}; they must be whole numbers, the rows of items",
            "convert them: items.astype(np.int64)",
        )
    for name, array in (("items", items), ("scores", scores)):
        if array.shape != wanted:
            raise BrokenContract(f"the {name} have the shape {array.shape}; it must be {wanted}")
    if scores.dtype.kind not in "biuf" or np.isnan(scores).any():
        raise BrokenContract("the scores hold what is no number; write -inf beside item -1")
    if items.size and (items.min() < -1 or items.max() >= n_items):
        outside = items[(items < -1) | (items >= n_items)][0]
        raise BrokenContract(
            f"the items hold {outside}; there are {n_items} items, rows 0 to {n_items - 1}, "
            "and -1 where none is left"
        )
    for start in range(0, len(users), _CHECKED_AT_ONCE):
        some = slice(start, start + _CHECKED_AT_ONCE)
        _check_rows(items[some], users[some], k, seen, n_items)
    if found := _endless(items, scores):
        row, item, score = found
        raise BrokenContract(
            f"the user in row {users[row]} gets item {item} with the score {score}",
            "a score is a finite number, and -inf beside item -1; look for a division by zero",
        )
    return Slates(items.astype(np.int64, copy=False), scores.astype(np.float64, copy=False))


def _check_rows(
    items: NDArray[Any], users: IntArray, k: int, seen: csr_matrix, n_items: int
) -> None:
    """Refuse items that are there twice, were seen, or are missing though some are left."""
    ordered = np.sort(items, axis=1)
    twice = (np.diff(ordered, axis=1) == 0) & (ordered[:, 1:] >= 0)
    if twice.any():
        row, column = np.argwhere(twice)[0].tolist()
        raise BrokenContract(
            f"the user in row {users[row]} gets item {ordered[row, column]} twice",
            "return each item once for each user",
        )
    excluded = seen[users]
    known = excluded.indices[excluded.data != 0]
    owners = np.repeat(np.arange(len(users)), np.diff(excluded.indptr))[excluded.data != 0]
    shown_rows, places = np.nonzero(items >= 0)
    again = np.isin(shown_rows * n_items + items[shown_rows, places], owners * n_items + known)
    if again.any():
        row, place = shown_rows[again][0], places[again][0]
        raise BrokenContract(
            f"the user in row {users[row]} gets item {items[row, place]}, which she has seen",
            "leave out the items that `seen` holds for the user",
        )
    given = (items >= 0).sum(axis=1)
    possible = np.minimum(k, n_items - np.bincount(owners, minlength=len(users)))
    if (given < possible).any():
        row = int(np.flatnonzero(given < possible)[0])
        raise BrokenContract(
            f"the user in row {users[row]} gets {given[row]} items, and {possible[row]} could be "
            f"given (k is {k})",
            "-1 stands only where too few items are left",
        )


def checked_scores(value: Any, items: IntArray) -> FloatArray:
    """Return scores as an array of floats.

    Args:
        value: What `score` returned.
        items: What was scored; -1 where a list is shorter.
    """
    scores = as_array(value, "what was returned")
    if scores.shape != items.shape or scores.dtype.kind not in "biuf":
        raise BrokenContract(
            f"returned {shown(value)}; it must return an array of numbers of shape {items.shape}"
        )
    if found := _endless(items, scores):
        _, item, score = found
        raise BrokenContract(
            f"item {item} got the score {score}",
            "a score is a finite number, and -inf for -1; look for a division by zero",
        )
    return scores.astype(np.float64, copy=False)


def _endless(items: NDArray[Any], scores: NDArray[Any]) -> tuple[int, int, str] | None:
    """Return the first score that is not finite: its row, its item, and what it is; else None.

    Beside item -1 it may be infinite.
    """
    bad = np.isnan(scores) | ((items >= 0) & ~np.isfinite(scores))
    if not bad.any():
        return None
    row, place = np.argwhere(bad)[0].tolist()
    count = f"{int(bad.sum())} of {scores.size} scores are not finite"
    return row, int(items[row, place]), f"{scores[row, place]} ({count})"
