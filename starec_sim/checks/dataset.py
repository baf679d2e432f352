"""Checks of a dataset. Each function raises what is wrong, or returns a remark."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from starec_sim.boundary.dataset import CheckedReader
from starec_sim.boundary.values import value_text
from starec_sim.checks.target import CallPlace, CallWatch, CheckTarget, Journal, compare
from starec_sim.dataset import ChoiceTruth, Dataset
from starec_sim.types import STAR_RANGE

_LONG = 2000
_REPEATABLE = (
    "read and draw in an order of its own: sort the files and go through no set; draw from "
    "np.random.default_rng(seed)"
)
_PURE = "let it be a function of its arguments: draw all that is random in load()"


class DatasetPlay:
    """A dataset that was loaded once; what it holds is written down."""

    def __init__(self, target: CheckTarget) -> None:
        self.plugin = target.new()
        self.watch = CallWatch(target, self.plugin)
        self.dataset: Dataset = self.watch.call(
            CallPlace("load", ""), CheckedReader(self.plugin).load
        )
        self.journal: Journal = {
            CallPlace("load", f"{name} of the dataset"): _text(getattr(self.dataset, name))
            for name in ("name", "users", "items", "candidates", "notes")
        }
        for name, column in self.dataset.log._asdict().items():
            self.journal[CallPlace("load", f"log.{name}")] = _text(column)


def _text(value: Any) -> str:
    """Return a value as text; a long one begins with its digest."""
    text = value_text(value)
    if len(text) <= _LONG:
        return text
    return f"{hashlib.sha256(text.encode()).hexdigest()} of {text[:_LONG]}"


def first_play(target: CheckTarget) -> DatasetPlay:
    """Return a dataset, which several checks look at."""
    return target.keep("play", lambda: DatasetPlay(target))


def contract(target: CheckTarget) -> str:
    """Load it: every value must fit the contract, which the boundary checks."""
    dataset = first_play(target).dataset
    counts = (len(dataset.users), len(dataset.items), len(dataset.log.users))
    return "{:,} users, {:,} items, {:,} interactions".format(*counts)


def same_again(target: CheckTarget) -> str:
    """Load it again: the same rows in the same order."""
    again = DatasetPlay(target)
    expected = first_play(target).journal
    compare(target, again.plugin, expected, again.journal, "loaded again", _REPEATABLE)
    return ""


def true_ratings(target: CheckTarget) -> str:
    """Ask the world for ratings twice, in another order and one by one."""
    play = first_play(target)
    world = play.dataset.world
    if world is None:
        return "left out: it has no world"
    items = np.arange(min(8, len(play.dataset.items)))
    methods = [("ratings", world.ratings)]
    if isinstance(world, ChoiceTruth):
        methods.append(("appeal", world.appeal))
    for name, method in methods:
        place = CallPlace(f"world.{name}", "user 0, round 1")
        whole = np.asarray(play.watch.call(place, method, 0, items, 0))
        if whole.shape != items.shape or not np.all(np.isfinite(whole)):
            raise play.watch.fault(
                place,
                f"returned {whole[:5]} of shape {whole.shape} for {len(items)} items",
                "return one finite number for each item",
            )
        if name == "ratings" and not np.all((whole >= STAR_RANGE[0]) & (whole <= STAR_RANGE[1])):
            raise play.watch.fault(
                place,
                f"returned ratings from {whole.min():g} to {whole.max():g}; they must be stars",
                "map your scale to stars from 0 to 5",
            )
        method(len(play.dataset.users) - 1, items, 3)
        again = np.asarray(method(0, items[::-1], 0))[::-1]
        alone = np.array([np.asarray(method(0, items[n : n + 1], 0))[0] for n in range(len(items))])
        for other, how in ((again, "asked again in the other order"), (alone, "asked one by one")):
            if not np.array_equal(whole, other):
                at = int(np.flatnonzero(whole != other)[0])
                raise play.watch.fault(
                    place,
                    f"{how}, gave item {at} the value {other[at]:g}; before it was {whole[at]:g}",
                    _PURE,
                )
    return ", ".join(name for name, _ in methods)


def time_of_loading(target: CheckTarget) -> str:
    """Tell how long loading takes."""
    return first_play(target).watch.slowest()


def called(target: CheckTarget) -> tuple[Any, Journal]:
    """Return a reader and its dataset, which another process must return too."""
    play = first_play(target)
    return play.plugin, play.journal
