"""The checks of a scan that need no model: each sees the steps of a trial once, in their order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from starec_sim.answers import card_terms, read_counts
from starec_sim.cards import card
from starec_sim.runs.reader import Reader, RecordedTrial
from starec_sim.runs.scan_rows import ScannedStep
from starec_sim.runs.store import Texts
from starec_sim.traces.edited_memory import memory_edits
from starec_sim.traces.scan_rules import (
    ContradictionRule,
    HyperActivityRule,
    OneRatingRule,
    Rule,
    StreakRule,
)
from starec_sim.types import acts_by_item

_STREAKS = {
    "malformed": "answers in a row could not be read",
    "input-order": "rankings in a row are in the order in which the items were shown",
    "same-answer": "answers in a row are the same, letter for letter, to other slates",
}
_LEAST_RANKED = 4
"""A shorter ranking is in the shown order by chance too often."""


class Seen(NamedTuple):
    """What a check found about one user."""

    user: int
    """The row."""
    round: int
    step: int
    """The first step that shows it, or the last one that adds to it."""
    times: int
    """Steps, or ratings, or items, that show it."""
    what: str


class Check(Protocol):
    """A rule at work on one trial."""

    def see(self, step: ScannedStep) -> None:
        """Take the next step."""
        ...

    def found(self) -> Iterator[Seen]:
        """Yield what was found, at most once for each user."""
        ...


def check_of(rule: Rule, reader: Reader, trial: RecordedTrial) -> Check:
    """Return the check of a rule for one trial."""
    if isinstance(rule, StreakRule):
        return _Streaks(rule)
    if isinstance(rule, ContradictionRule):
        return _Contradictions(rule, reader, trial)
    if isinstance(rule, OneRatingRule):
        return _OneRating(rule)
    assert isinstance(rule, HyperActivityRule), rule.kind
    return _HyperActivity(rule)


class _Streak:
    """A streak of one user."""

    __slots__ = ("answer", "best", "length", "slate", "start")

    def __init__(self) -> None:
        self.length = 0
        self.start: tuple[int, int] = (0, 0)
        self.best: tuple[int, tuple[int, int]] = (0, (0, 0))
        self.answer: int | None = None
        self.slate: tuple[int, ...] = ()


class _Streaks:
    """Finds what happens in many steps of a user in a row."""

    def __init__(self, rule: StreakRule) -> None:
        self._rule = rule
        self._users: dict[int, _Streak] = {}

    def see(self, step: ScannedStep) -> None:
        streak = self._users.get(step.user)
        if streak is None:
            streak = self._users[step.user] = _Streak()
        goes_on = self._goes_on(step, streak)
        if goes_on is None:
            return
        if not goes_on:
            streak.length = 0
        if goes_on or self._rule.kind == "same-answer":
            if streak.length == 0:
                streak.start = (step.round, step.step)
            streak.length += 1
            streak.best = max(streak.best, (streak.length, streak.start), key=lambda b: b[0])
        streak.answer, streak.slate = step.answer, step.observation.slate

    def _goes_on(self, step: ScannedStep, streak: _Streak) -> bool | None:
        """Return whether a step belongs to a streak; None if it says nothing about it."""
        decision = step.decision
        if self._rule.kind == "malformed":
            return decision.malformed
        if self._rule.kind == "input-order":
            if decision.read < _LEAST_RANKED:
                return None if not decision.ranking else False
            return decision.ranking[: decision.read] == step.observation.slate[: decision.read]
        if step.answer is None:
            return None
        return step.answer == streak.answer and step.observation.slate != streak.slate

    def found(self) -> Iterator[Seen]:
        for user, streak in sorted(self._users.items()):
            length, (round, step) = streak.best
            if length >= self._rule.streak:
                yield Seen(user, round, step, length, f"{length} {_STREAKS[self._rule.kind]}")


def _edited_rounds(reader: Reader, trial: RecordedTrial) -> dict[int, list[int]]:
    """Return the rounds, from 0, in which the schedule writes the summary of a user, by user."""
    found: dict[int, list[int]] = {}
    if edits := memory_edits(reader, trial):
        for row, user in reader.users(trial):
            found[row] = [edit.round for edit in edits if user.id in edit.summaries]
    return found


class _Contradictions:
    """Finds choices of which the summary that was shown says nothing but dislikes."""

    def __init__(self, rule: ContradictionRule, reader: Reader, trial: RecordedTrial) -> None:
        self._rule = rule
        self._texts = Texts(reader.db)
        self._items = list(reader.catalogue(trial))
        self._terms = [frozenset(card_terms(card(item))) for item in self._items]
        self._edited = _edited_rounds(reader, trial)
        self._rounds: dict[int, int] = {}
        """The round of the last step of each user."""
        self._summaries: dict[int, int] = {}
        """The summary of each user before the next step."""
        self._opinions: dict[int, dict[str, bool]] = {}
        self._found: dict[int, Seen] = {}

    def see(self, step: ScannedStep) -> None:
        before = self._summaries.get(step.user)
        last = self._rounds.get(step.user, -1)
        self._summaries[step.user], self._rounds[step.user] = step.summary, step.round
        if any(last < round <= step.round for round in self._edited.get(step.user, ())):
            return  # the schedule wrote the summary that was shown
        if before is None or not (opinions := self._opinions_of(before)):
            return
        for item in _chosen(step):
            named = sorted(term for term in self._terms[item] if term in opinions)
            if len(named) >= self._rule.attributes and not any(opinions[t] for t in named):
                self._add(step, item, named)
                return

    def _add(self, step: ScannedStep, item: int, named: list[str]) -> None:
        seen = self._found.get(step.user)
        if seen is None:
            what = f"she chooses {self._items[item].title!r}; disliked: {', '.join(named)}"
            seen = Seen(step.user, step.round, step.step, 0, what)
        self._found[step.user] = seen._replace(times=seen.times + 1)

    def _opinions_of(self, text: int) -> dict[str, bool]:
        """Return whether a summary calls each of its terms liked; a tie says nothing."""
        if text not in self._opinions:
            if len(self._opinions) > 10_000:
                self._opinions.clear()
            counts = read_counts(self._texts[text])
            self._opinions[text] = {
                term: 2 * likes > met for term, likes, met in counts if 2 * likes != met
            }
        return self._opinions[text]

    def found(self) -> Iterator[Seen]:
        for _, seen in sorted(self._found.items()):
            if seen.times >= self._rule.times:
                yield seen


def _chosen(step: ScannedStep) -> list[int]:
    """Return the items that a user chooses: what she watches, or ranks first."""
    return list(step.decision.chosen)


class _OneRating:
    """Finds users who expect the same stars of everything."""

    def __init__(self, rule: OneRatingRule) -> None:
        self._rule = rule
        self._users: dict[int, tuple[float, int, int, int]] = {}
        """By user: the stars, how many ratings, and the last step."""
        self._varied: set[int] = set()

    def see(self, step: ScannedStep) -> None:
        if step.user in self._varied:
            return
        acts = acts_by_item(step.observation.task, step.decision.actions).values()
        ratings = [act.stars for act in acts if act.stars is not None]
        if not ratings:
            return
        stars, count, _, _ = self._users.get(step.user, (ratings[0], 0, 0, 0))
        if any(rating != stars for rating in ratings):
            self._varied.add(step.user)
            self._users.pop(step.user, None)
        else:
            self._users[step.user] = (stars, count + len(ratings), step.round, step.step)

    def found(self) -> Iterator[Seen]:
        for user, (stars, count, round, step) in sorted(self._users.items()):
            if count >= self._rule.ratings:
                what = f"she expects {stars:g} stars of everything, {count} times"
                yield Seen(user, round, step, count, what)


class _HyperActivity:
    """Finds users who watch nearly everything."""

    def __init__(self, rule: HyperActivityRule) -> None:
        self._rule = rule
        self._users: dict[int, tuple[int, int, int, int]] = {}
        """By user: items shown, items watched, and the last step."""

    def see(self, step: ScannedStep) -> None:
        if step.observation.task.ranks:
            return
        shown, watched, _, _ = self._users.get(step.user, (0, 0, 0, 0))
        watched += len(step.decision.chosen)
        shown += len(step.observation.slate)
        self._users[step.user] = (shown, watched, step.round, step.step)

    def found(self) -> Iterator[Seen]:
        for user, (shown, watched, round, step) in sorted(self._users.items()):
            if shown >= self._rule.shown and watched >= self._rule.share * shown:
                what = f"she chooses {watched} of the {shown} items that she is shown"
                yield Seen(user, round, step, watched, what)
