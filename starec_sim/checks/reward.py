"""Checks of a reward. Each function raises what is wrong, or returns a remark."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from starec_sim.boundary.values import BrokenContract, finite_number, value_text
from starec_sim.checks.target import CallPlace, CallWatch, CheckTarget, Journal, compare
from starec_sim.errors import StarecError
from starec_sim.learning.rewards import AnswerOutcome
from starec_sim.tasks import FEED, RANKING, Task
from starec_sim.types import Action, Decision, Experience, Feedback, Observation

_SLATE = (0, 1, 2, 3)
_PEOPLE = (0.1, 0.1, 0.2, 0.4, 0.2)
_CARDS = tuple(f'"Thing {item}"' for item in _SLATE)
_PURE = "let it be a function of its outcome: no counters, no random numbers, no clock"


class _AnyComponent(dict[str, float]):
    """What an environment reports: a value under any name."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> float:
        return 0.25


def outcomes() -> Iterator[tuple[str, AnswerOutcome]]:
    """Yield outcomes as a training has them, good and bad, and what each of them is."""
    for task in (RANKING, FEED):
        for node in ("fast", "slow"):
            for place in (0, 3):
                yield (
                    f"a {task.name} that is {'good' if place == 0 else 'bad'}, {node}",
                    _outcome(task, node, place),
                )
            unread = Decision(flaws={"unparsed": 1})
            shown = Observation(task, _SLATE, _CARDS)
            yield (
                f"a {task.name} that could not be read, {node}",
                AnswerOutcome(
                    node, "?", False, shown, unread, Feedback((), None, {}, "left"), _PEOPLE
                ),
            )
    shown = Observation(RANKING, _SLATE, _CARDS)
    yield "no decision", AnswerOutcome("slow", "", False, shown, None, None)


def _outcome(task: Task, node: Any, place: int) -> AnswerOutcome:
    shown = Observation(task, _SLATE, _CARDS)
    if task.ranks:
        order = (*_SLATE[1 : place + 1], 0, *_SLATE[place + 1 :])
        decision = Decision(ranking=order, read=len(order))
        feedback = Feedback((Experience(0, 5.0, "world"),), 0, _AnyComponent(), "done")
    else:
        decision = Decision(
            actions=tuple(
                Action(item, "watch", 4.0) if item == place else Action(item) for item in _SLATE
            )
        )
        lived = (Experience(place, 5.0 if place == 0 else 2.0, "world"),)
        feedback = Feedback(lived, None, _AnyComponent(), "done")
    return AnswerOutcome(node, "<think>\nx\n</think>", True, shown, decision, feedback, _PEOPLE)


class RewardPlay:
    """A reward that was given to every outcome; what it returned is written down."""

    def __init__(self, target: CheckTarget) -> None:
        self.plugin = target.new()
        self.watch = CallWatch(target, self.plugin)
        self.journal: Journal = {}
        self.values: list[float] = []
        for what, outcome in outcomes():
            place = CallPlace("", what)
            try:
                value = finite_number(self.watch.call(place, self.plugin, outcome), "the reward")
            except StarecError:
                raise
            except BrokenContract as broken:
                hint = "return a finite number, e.g. 0.0 where it has nothing to say"
                raise self.watch.fault(place, broken.what, hint) from None
            except Exception as error:
                raise self.watch.fault(
                    place,
                    f"raised {type(error).__name__}: {error}",
                    "an outcome has no decision and no feedback if the answer could not be read: "
                    "begin with `if not outcome.usable: return 0.0`",
                ) from error
            self.values.append(value)
            self.journal[place] = value_text(value)


def first_play(target: CheckTarget) -> RewardPlay:
    """Return a reward with its values, which several checks look at."""
    return target.keep("play", lambda: RewardPlay(target))


def contract(target: CheckTarget) -> str:
    """Reward good answers, bad ones, and ones that could not be read."""
    values = first_play(target).values
    return f"{len(values)} outcomes, from {min(values):g} to {max(values):g}"


def same_again(target: CheckTarget) -> str:
    """Reward the same outcomes again."""
    play, again = first_play(target), RewardPlay(target)
    compare(target, again.plugin, play.journal, again.journal, "asked again", _PURE)
    return ""


def not_constant(target: CheckTarget) -> str:
    """A reward that is the same for all answers teaches nothing."""
    play = first_play(target)
    if np.ptp(play.values) == 0.0:
        raise play.watch.fault(
            CallPlace("", ""),
            f"is {play.values[0]:g} for all {len(play.values)} outcomes, good, bad and unread: "
            "nothing can be learned from it",
            "let it depend on outcome.decision, outcome.feedback or outcome.clean",
        )
    return ""


def memory(target: CheckTarget) -> str:
    """Rewards leave no megabytes."""
    play = first_play(target)
    play.watch.check_memory(
        CallPlace("", ""),
        lambda: RewardPlay(target),
        f"{len(play.values)} outcomes that were rewarded before",
        "keep no outcome: a reward is a function of the one that it is given",
    )
    return ""


def called(target: CheckTarget) -> tuple[Any, Journal]:
    """Return a reward and its values, which another process must return too."""
    play = first_play(target)
    return play.plugin, play.journal
