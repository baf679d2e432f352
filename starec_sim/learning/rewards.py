"""Rewards: named components with weights, recorded one by one.

A component is a function of an `AnswerOutcome`. `tier`, `ndcg`, `satisfaction`, `format` and
`ratings_like_people` ship; another one is given by reference (`package.module:function`,
`path/file.py:function`). Any other name is a component that the environment reports in
`Feedback.reward`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from starec_sim import plugins
from starec_sim.answers import thought
from starec_sim.boundary import PluginBoundary, cause, label_of, ships
from starec_sim.boundary.handed_out import check_unchanged, handed_text
from starec_sim.boundary.memory_growth import MemoryGrowth
from starec_sim.boundary.values import finite_number
from starec_sim.errors import ConfigError, ContractError, StarecError, did_you_mean
from starec_sim.plugin_hints import OWN_FUNCTION
from starec_sim.tasks import FEED
from starec_sim.types import Decision, Feedback, Node, Observation, Step

if TYPE_CHECKING:
    from starec_sim.runs.reader import RecordedStep

DEFAULT_REWARDS = {"tier": 1.0}
"""The components and weights of a training that names none."""
_WORST = -1.0
"""The reward of a malformed answer, for components that can be negative."""
_HINT = (
    "a component is a function of an `AnswerOutcome` that returns a finite number, 0 where it has "
    "nothing to say; there is no decision if the answer could not be read"
)


@dataclass(frozen=True, slots=True)
class AnswerOutcome:
    """An answer and what the environment responded to it.

    A ranking is rewarded by itself. A summary is rewarded by a follow-up ranking that is made with
    it, over candidates that its writer had not seen: otherwise it could name the answer.
    """

    node: Node
    text: str
    """The answer that is rewarded."""
    clean: bool
    """Whether it has the form that was asked for."""
    observation: Observation
    decision: Decision | None
    """None if the answer is a summary that could not be read."""
    feedback: Feedback | None
    people: tuple[float, ...] = ()
    """The shares of one to five stars among all ratings in the data; empty if it has none."""

    @property
    def usable(self) -> bool:
        """Whether there is a well-formed decision."""
        return self.decision is not None and not self.decision.malformed

    def reported(self, name: str) -> float:
        """Return a component that the environment reports.

        Raises:
            ConfigError: It reports none of that name.
        """
        reported = self.feedback.reward if self.feedback is not None else {}
        if name not in reported:
            raise _unknown(name, reported, "rewards")
        return reported[name]


def outcome_of(step: Step | RecordedStep) -> AnswerOutcome:
    """Return the outcome of the last answer of the fast node in a step."""
    answer = next(turn for turn in reversed(step.turns) if turn.node == "fast").completion
    clean = not step.decision.malformed
    return AnswerOutcome("fast", answer, clean, step.observation, step.decision, step.feedback)


Component = Callable[[AnswerOutcome], float]


def tier(outcome: AnswerOutcome) -> float:
    """Return the paper's reward of a ranking: 1, 0.5, 0 or -0.5 by rank, -1 if it is malformed."""
    return outcome.reported("tier") if outcome.usable else _WORST


def ndcg(outcome: AnswerOutcome) -> float:
    """Return 1 / log2(1 + rank) of the true item; 0 if malformed."""
    return outcome.reported("ndcg") if outcome.usable else 0.0


def satisfaction(outcome: AnswerOutcome) -> float:
    """Return the mean satisfaction with what was watched, from -1 to 1; -1 if malformed."""
    return outcome.reported("satisfaction") if outcome.usable else _WORST


def well_formed(outcome: AnswerOutcome) -> float:
    """Return 1 for an answer in the form that was asked for, else 0."""
    return float(outcome.clean)


def ratings_like_people(outcome: AnswerOutcome) -> float:
    """Return how the stars on a page are distributed like those of people: 0 if they are.

    The energy distance (Székely and Rizzo, 2013) between the ratings of the page and all ratings in
    the data, negative and divided by its largest possible value of 4 stars. From two ratings on it
    is estimated without bias: its expectation is 0 for a policy that rates as people do, and lower
    for any other. A page with one rating has no spread, and a page without counts as one with the
    best single rating. -1 if the answer is malformed; 0 where nothing is rated with stars.
    """
    if outcome.observation.task != FEED or not outcome.people:
        return 0.0
    if outcome.decision is None or outcome.decision.malformed:
        return _WORST
    stars = np.array([a.value for a in outcome.decision.actions if isinstance(a.value, float)])
    steps, people = np.arange(1.0, 6.0), np.array(outcome.people)
    between_people = float(people @ np.abs(steps[:, None] - steps) @ people)
    if not len(stars):
        return -float((2 * np.abs(steps[:, None] - steps) @ people).min() - between_people) / 4
    apart = float((np.abs(stars[:, None] - steps) @ people).mean())
    own = np.abs(stars[:, None] - stars).sum() / max(1, len(stars) * (len(stars) - 1))
    return -(2 * apart - float(own) - between_people) / 4


_OF_THE_ENVIRONMENT = ("tier", "ndcg", "satisfaction")
"""Components that ship and read the environment's component of the same name."""
SHIPPED = (*_OF_THE_ENVIRONMENT, "format")
"""Names of the components that ship."""


def check_names(names: Iterable[str], reported: Collection[str] | None, at: str) -> None:
    """Refuse reward components that neither exist nor are reported by the environment.

    Args:
        names: Names or references of components.
        reported: What the environment reports; None if it does not say.
        at: The dotted key of the names, for messages.

    Raises:
        ConfigError: There is no such component.
        PluginError: A reference leads nowhere.
    """
    for name in names:
        _component(name, at)
        own = ":" in name or name in plugins.registered("rewards")
        if reported is None or name in reported or (own and name not in _OF_THE_ENVIRONMENT):
            continue
        raise _unknown(name, reported, at)


def _unknown(name: str, reported: Collection[str], at: str) -> ConfigError:
    """Return the error for a component that the environment does not report."""
    usable = {*plugins.registered("rewards"), *reported} - ({*_OF_THE_ENVIRONMENT} - {*reported})
    such_as = f"write e.g. `rewards: {{{min(reported)}: 1.0}}`; " if reported else ""
    return ConfigError(
        f'{at}: the environment reports no reward "{name}"; {did_you_mean(name, usable)}',
        hint=f"{such_as}{OWN_FUNCTION}",
    )


class Rewards:
    """The reward components of a training with their weights.

    Args:
        weights: The weight of each component, by its name or reference.
        at: The dotted key of the weights, for messages.
        people: The shares of one to five stars in the data, see `AnswerOutcome`.

    Raises:
        PluginError: A reference leads nowhere.
        ConfigError: A component compares with people's stars, and there are none.
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        at: str = "rewards",
        people: tuple[float, ...] = (),
    ) -> None:
        self._weights, self._people = dict(weights), people
        self._components = {name: _component(name, at) for name in weights}
        self._growth = {
            name: MemoryGrowth(f"reward {label_of(component)}")
            for name, component in self._components.items()
            if not ships(component)
        }
        if ratings_like_people in self._components.values() and not people:
            raise ConfigError(
                f"{at}: ratings_like_people compares with the stars that people gave, and there "
                "is no data with ratings",
                hint="leave it out, or name data with ratings",
            )

    def of(self, outcome: AnswerOutcome, who: str) -> tuple[float, dict[str, float]]:
        """Return the weighted sum and every component.

        Args:
            outcome: The answer that is rewarded.
            who: Names the user in messages.

        Raises:
            ContractError: A component failed, or returned what is not a finite number.
        """
        outcome, values = replace(outcome, people=self._people), {}
        given = handed_text(outcome) if self._growth else ""
        for name, component in self._components.items():
            try:
                growth = self._growth.get(name)
                with nullcontext() if growth is None else growth.call(""):
                    values[name] = _finite(component(outcome))
                if given:
                    check_unchanged(given, outcome)
            except StarecError:
                raise
            except (Exception, SystemExit) as error:
                failure = PluginBoundary("reward", component).failure(error, "", who)
                hint = getattr(error, "hint", "") or _HINT
                raise ContractError(failure.message, hint=hint) from cause(error)
        return sum(self._weights[name] * value for name, value in values.items()), values


def _finite(value: object) -> float:
    """Return what a component returned as a float; a truth value counts as 1 or 0."""
    if isinstance(value, bool | np.bool_):
        return float(value)
    return finite_number(value, "the reward")


def _component(name: str, at: str) -> Component:
    if ":" not in name and name not in plugins.registered("rewards"):
        return lambda outcome: outcome.reported(name) if outcome.usable else 0.0
    component: Component = plugins.load("rewards", name, at)
    if not callable(component):
        raise ConfigError(
            f'{at}: "{name}" is not a function',
            hint="name a function of an AnswerOutcome",
        )
    return component


def counters(outcome: AnswerOutcome, tokens: int) -> dict[str, float]:
    """Return counters of what policies are known to exploit.

    `malformed`; `empty`: no reasoning; `length` in tokens; `input order`: Kendall's tau between a
    ranking and the order in which its candidates were shown.
    """
    counted = {
        "malformed": float(not outcome.clean),
        "empty": float(not thought(outcome.text).strip()),
        "length": float(tokens),
    }
    decision = outcome.decision
    if outcome.node == "fast" and decision is not None and decision.read > 1:
        shown_at = {item: index for index, item in enumerate(outcome.observation.slate)}
        order = [shown_at[item] for item in decision.ranking[: decision.read]]
        counted["input order"] = kendall_tau(order)
    return counted


def kendall_tau(order: list[int]) -> float:
    """Return Kendall's tau between an order of distinct numbers and their ascending order.

    Kendall (1938): concordant minus discordant pairs, over all pairs.

    >>> kendall_tau([0, 1, 2]), kendall_tau([2, 1, 0])
    (1.0, -1.0)
    """
    numbers = np.array(order)
    later = np.triu(np.ones((len(numbers), len(numbers)), bool), 1)
    return float(np.sign(numbers[None, :] - numbers[:, None])[later].mean())


def returns(outcome: AnswerOutcome) -> tuple[float, ...]:
    """Return what a ranking earns from each of its ranks on, for credit by position.

    With the true item at rank r, r_k = 1 / log2(1 + r) for ranks k up to r and 0 after it
    (Rank-GRPO, arXiv 2510.20150). Empty if the answer is not a ranking.
    """
    decision, feedback = outcome.decision, outcome.feedback
    if outcome.node != "fast" or decision is None or feedback is None or feedback.target is None:
        return ()
    rank = decision.rank_of(feedback.target) if outcome.usable else None
    count = len(outcome.observation.slate)
    if rank is None:
        return (0.0,) * count
    gain = 1 / math.log2(1 + rank)
    return tuple(gain if index < rank else 0.0 for index in range(count))
