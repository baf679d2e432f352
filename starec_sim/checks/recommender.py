"""Checks of a recommender. Each function raises what is wrong, or returns a remark."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from starec_sim.boundary.first_rounds import WHOLE_STATE
from starec_sim.boundary.recommender import RNG, CheckedRecommender
from starec_sim.boundary.state import written_and_read
from starec_sim.boundary.values import value_text
from starec_sim.checks.target import CallPlace, CallWatch, CheckTarget, Journal, compare
from starec_sim.dataset import Interactions
from starec_sim.recommender import Slates
from starec_sim.types import IntArray

USERS, ITEMS, SHOWN = 12, 30, 5
_SLOW_S = 30.0
_EVENTS = 120


def some_log(seed: int = 0, events: int = _EVENTS) -> Interactions:
    """Return a log in which some users and some items are missing, and some ratings."""
    rng = np.random.default_rng(seed)
    ratings = rng.integers(1, 6, events).astype(np.float64)
    ratings[::7] = np.nan
    users, items = rng.integers(0, USERS - 2, events), rng.integers(0, ITEMS - 4, events)
    return Interactions(users, items, ratings, np.arange(events))


def seen_in(log: Interactions) -> csr_matrix:
    """Return the matrix of what each user has seen."""
    seen = np.zeros((USERS, ITEMS))
    seen[log.users[: len(log.users) // 2], log.items[: len(log.users) // 2]] = 1.0
    return csr_matrix(seen)


class RecommenderPlay:
    """One recommender that is called by a script; what it returns is written down."""

    def __init__(self, target: CheckTarget, plugin: Any = None) -> None:
        self.plugin = target.new(USERS, ITEMS, 0) if plugin is None else plugin
        self.checked = CheckedRecommender(self.plugin, ITEMS)
        self.watch = CallWatch(target, self.plugin)
        self.journal: Journal = {}

    def fit(self, log: Interactions) -> RecommenderPlay:
        """Fit the recommender, and return this play."""
        where = f"a log of {len(log.users)} events"
        self.watch.call(CallPlace("fit", where), self.checked.fit, log)
        return self

    def observe(self, events: Interactions) -> RecommenderPlay:
        """Let it observe events, and return this play."""
        where = f"{len(events.users)} events"
        self.watch.call(CallPlace("observe", where), self.checked.observe, events)
        return self

    def recommend(
        self, when: str, users: IntArray, k: int = SHOWN, seen: csr_matrix | None = None
    ) -> Slates:
        """Recommend, and write it down."""
        place = CallPlace("recommend", f"{len(users)} users, k={k}, {when}")
        seen = csr_matrix((USERS, ITEMS)) if seen is None else seen
        rng = np.random.default_rng(5)

        def asked(users: IntArray, k: int, seen: csr_matrix) -> Slates:
            return self.checked.recommend(users, k, seen, rng)

        slates = self.watch.call(place, asked, users, k, seen)
        self.journal[place] = value_text(slates)
        return slates

    def score(self, when: str, users: IntArray, items: IntArray) -> None:
        """Score, and write it down."""
        place = CallPlace("score", f"{items.shape[1]} items for each of {len(users)} users, {when}")
        self.journal[place] = value_text(self.watch.call(place, self.checked.score, users, items))

    def state(self) -> dict[str, Any]:
        """Return the state."""
        return dict(self.watch.call(CallPlace("state", ""), self.checked.state))

    def ask(self, when: str) -> RecommenderPlay:
        """Ask for recommendations and scores, and return this play."""
        users = np.arange(USERS)
        self.recommend(when, users, seen=seen_in(some_log()))
        self.score(when, users, np.tile(np.arange(ITEMS), (USERS, 1)))
        return self


def first_play(target: CheckTarget) -> RecommenderPlay:
    """Return a play: fit, ask, observe, ask, fit again, ask."""

    def play() -> RecommenderPlay:
        made = RecommenderPlay(target).fit(some_log()).ask("after fit")
        made.observe(some_log(1, 20)).ask("after observe")
        return made.fit(Interactions.concatenate(some_log(), some_log(1, 20))).ask("fitted again")

    return target.keep("play", play)


def contract(target: CheckTarget) -> str:
    """Call every method: every value must fit the contract, which the boundary checks."""
    first_play(target)
    return f"{USERS} users, {ITEMS} items, {_EVENTS} events"


def same_log(target: CheckTarget) -> str:
    """Build it again with the same seed, and fit it to the same log."""
    again = RecommenderPlay(target).fit(some_log()).ask("after fit")
    expected = first_play(target).journal
    expected = {place: expected[place] for place in again.journal}
    how = "built again with the same seed and fitted to the same log"
    compare(target, again.plugin, expected, again.journal, how, f"draw from {RNG}")
    return ""


def fitted_again(target: CheckTarget) -> str:
    """Fit it to another log first: nothing of that may stay."""
    again = RecommenderPlay(target).fit(some_log(3)).ask("after the other log")
    again.observe(some_log(4, 20)).journal.clear()
    again.fit(some_log()).ask("after fit")
    expected = first_play(target).journal
    expected = {place: expected[place] for place in again.journal}
    how = "fitted to another log before"
    hint = "let fit() begin anew: reset all that was learned, random generators included"
    compare(target, again.plugin, expected, again.journal, how, hint)
    return ""


def asked_again(target: CheckTarget) -> str:
    """Ask twice, with other users in between, and compare scores of few users and of many."""
    play = RecommenderPlay(target).fit(some_log()).ask("after fit")
    expected, state = dict(play.journal), value_text(play.state())
    few = np.array([3, 1])
    play.recommend("in between", few)
    play.score("in between", few, np.array([[2, 4, -1], [0, 1, 2]]))
    play.ask("after fit")
    journal = {place: play.journal[place] for place in expected}
    hint = "let recommend() and score() change nothing; fit() and observe() learn"
    compare(target, play.plugin, expected, journal, "asked again", hint)
    if value_text(play.state()) != state:
        raise play.watch.fault(CallPlace("recommend", ""), "changed what state() returns", hint)
    users = np.arange(USERS)
    items = np.tile(np.arange(ITEMS), (USERS, 1))
    whole = play.checked.score(users, items)
    part = play.checked.score(users[2:4], items[2:4])
    if not np.allclose(whole[2:4], part, rtol=1e-4, atol=1e-6):
        raise play.watch.fault(
            CallPlace("score", "2 users"),
            f"gave other scores than for {USERS} users at once: {part[0, :3].tolist()}, and "
            f"{whole[2, :3].tolist()} before",
            "score each user by what was learned, not by who else is asked about",
        )
    return ""


def corner_cases(target: CheckTarget) -> str:
    """Recommend when few items or none are left, after an empty log, and for nobody."""
    play = RecommenderPlay(target).fit(some_log())
    users = np.arange(USERS)
    nearly_all = np.ones((USERS, ITEMS))
    nearly_all[:, 7] = 0.0
    nearly_all[0] = 1.0
    play.recommend("one item left", users, 3, csr_matrix(nearly_all))
    play.recommend("more than there are", users, ITEMS + 2)
    play.recommend("nobody", users[:0])
    play.fit(Interactions.empty()).ask("after an empty log")
    play.observe(Interactions.empty()).ask("after no events")
    return "one item left, more than there are, nobody, empty log"


def restored(target: CheckTarget) -> str:
    """Restore a fresh copy and one that has learned something else."""
    play = RecommenderPlay(target).fit(some_log()).observe(some_log(1, 20))
    state = play.state()
    before = value_text(state)
    play.ask("after observe")
    for fitted, which in ((False, "a fresh copy"), (True, "a copy that had learned other things")):
        other = RecommenderPlay(target)
        if fitted:
            other.fit(some_log(3)).observe(some_log(4, 20))
        given = written_and_read(state)
        other.watch.call(CallPlace("restore", ""), other.checked.restore, given)
        other.ask("after observe")
        how = f"{which}, restored to the same state"
        compare(target, other.plugin, play.journal, other.journal, how, WHOLE_STATE)
    play.observe(some_log(2, 20)).ask("later")
    if value_text(state) != before:
        raise play.watch.fault(
            CallPlace("state", ""),
            "the arrays that it returned changed when more was observed",
            "return copies: {'counts': self.counts.copy()}",
        )
    return ""


def time_and_memory(target: CheckTarget) -> str:
    """A fit to a hundred events is quick, and observe() does not pile up memory."""
    watch = first_play(target).watch
    for method, times in watch.seconds.items():
        if max(times) > _SLOW_S:
            raise watch.fault(
                CallPlace(method, f"{USERS} users, {ITEMS} items"),
                f"took {max(times):.1f} s",
                "compute for all users at once, with arrays",
            )
    play = RecommenderPlay(target).fit(some_log())

    def observe() -> None:
        for _ in range(3):
            play.observe(some_log(1, 20))
            play.recommend("again", np.arange(USERS))

    play.watch.check_memory(
        CallPlace("observe", "20 events"),
        observe,
        "three calls",
        "keep what was learned and not what was seen",
    )
    return watch.slowest()


def called(target: CheckTarget) -> tuple[Any, Journal]:
    """Return a recommender and what it returned, which another process must return too."""
    play = first_play(target)
    return play.plugin, play.journal
