"""Repeat a few calls of an environment in its first rounds, and compare.

What is found here would show only later, as another digest after a resume, or never:

* `observe` or `respond` changes the state, or answers differently when it is asked again;
* `state` lacks something, so that a resumed run goes on differently;
* a card begins with the title of another item than the one at its place of the slate.

A fresh copy is built once, is restored to the state after the first round, and plays the second
round beside the environment. Environments that ship are not copied: tests do that.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starec_sim.boundary.call import PluginBoundary, label_of
from starec_sim.boundary.draws import take_numpy_users
from starec_sim.boundary.figures import checked_figures
from starec_sim.boundary.global_random import global_random
from starec_sim.boundary.observation import checked_feedback, checked_observation
from starec_sim.boundary.state import (
    State,
    checked_state,
    different,
    digests,
    written_and_read,
)
from starec_sim.boundary.values import BrokenContract, value_text
from starec_sim.cards import titled
from starec_sim.errors import ContractWarning
from starec_sim.types import Decision, Feedback, Observation, Visit

_ROUNDS = 2
"""Rounds that are checked."""
_USERS = 2
"""Users in each of them whose first step is repeated."""

KEYED = "draw from self.streams.stream(purpose, user=user, round=round), and from nothing else"
WHOLE_STATE = "return from state() everything that restore() needs, and set all of it there"


def read_only(end_round: str) -> str:
    """Return the hint for a world that changes within a round.

    Args:
        end_round: The name of the method that may change it.
    """
    return f"within a round the world is read-only: change it in {end_round} only"


@dataclass
class _FirstStep:
    """The first step of a user, as the environment played it."""

    user: int
    observation: Observation
    decision: Decision | None = None
    feedback: Feedback | None = None


class FirstRounds:
    """Checks the first rounds of an environment.

    Args:
        boundary: Of the environment.
        rebuild: Builds a fresh copy; None if none is to be compared.
        items: How many items the catalogue has.
    """

    def __init__(
        self, boundary: PluginBoundary, rebuild: Callable[[], Any] | None, items: int
    ) -> None:
        self._boundary = boundary
        self._rebuild = rebuild
        self.items = items
        """How many items the catalogue has; it may grow."""
        self._begun = self._ended = self._round = 0
        self._steps: dict[int, _FirstStep] = {}
        self._state: dict[str, str] = {}
        self._random = global_random()
        self._drew = False
        """Whether a global generator was used in a round, by a call that was not watched."""
        self._copy: Any = None

    @property
    def active(self) -> bool:
        """Whether the present round is checked."""
        return self._begun <= _ROUNDS

    def watches(self, user: int, page: int) -> bool:
        """Return whether a call for this user is checked more closely."""
        return self.active and page == 0 and (user in self._steps or len(self._steps) < _USERS)

    def watches_generators(self, user: int, page: int) -> bool:
        """Return whether it is checked that a call leaves the global generators alone.

        After a round in which they were used every call is, so that the one that does it is named.
        """
        return self.watches(user, page) or (self.active and self._drew)

    def round_begun(self, round: int, visitors: Sequence[int]) -> None:
        """Note the state, and let the copy begin the round as well."""
        self._begun += 1
        self._round = round
        self._steps = {}
        if not self.active:
            self._copy = None
            return
        self._state = self._digests()
        self._random = global_random()
        if self._copy is not None and list(self._copy.begin_round(round)) != list(visitors):
            raise BrokenContract(
                "a fresh copy that was restored to the same state has other visitors", WHOLE_STATE
            )

    def observed(self, user: int, observation: Observation) -> None:
        """Note the first observation of a user, and look at its cards."""
        self._check_cards(observation)
        self._steps.setdefault(user, _FirstStep(user, observation))

    def _check_cards(self, observation: Observation) -> None:
        """Warn of a card that names another item: what a user says of it would count for this one.

        A card need not name its item.
        """
        items = self._boundary.plugin.items
        for item, text in zip(observation.slate, observation.cards, strict=True):
            named = text[1:].partition('"')[0] if text.startswith('"') else ""
            if not named or titled(items[item]) in text:
                continue
            if other := next((each for each in items if titled(each) == named), None):
                label, id = label_of(self._boundary.plugin), items[item].id
                warnings.warn(
                    f"environment {label}: the card of item {id} begins with the title of item "
                    f"{other.id}, {text[:80]}; what a user does with it counts for {id}. Put cards "
                    "in the order of the slate",
                    ContractWarning,
                    stacklevel=2,
                )
                return

    def responded(
        self, user: int, observation: Observation, decision: Decision, feedback: Feedback
    ) -> None:
        """Note the first feedback for a user."""
        step = self._steps.get(user)
        if step is not None and step.decision is None and step.observation is observation:
            step.decision, step.feedback = decision, feedback

    def visits_played(self) -> None:
        """Compare the state with that before the visits, and repeat the noted steps."""
        if not self.active:
            return
        environment = self._boundary.plugin
        # LangGraph draws from `random` for ids, and engines from torch: only numpy's can be judged.
        named = take_numpy_users()
        if global_random().numpy != self._random.numpy and not named:
            who = "the agent or a policy" if self._drew else "the agent, a policy or the world"
            self._drew = True
            warnings.warn(
                "the global generator numpy.random was used while the visits of round "
                f"{self._round + 1} were played, by {who}: the same seed may give "
                "other results. Draw from a generator of its own: np.random.default_rng(seed)",
                ContractWarning,
                stacklevel=2,
            )
        if changed := different(self._state, self._digests()):
            raise BrokenContract(
                f"{self._boundary.written('observe')} or {self._boundary.written('respond')} "
                f"changed what state() returns: {changed} is not what it was before the visits",
                read_only(self._boundary.written("end_round")),
            )
        for step in self._steps.values():
            self._repeat(environment, step, "asked again", KEYED)
            if self._copy is not None:
                copy = "asked of a fresh copy that was restored to the same state"
                self._repeat(self._copy, step, copy, WHOLE_STATE)

    def _repeat(self, environment: Any, step: _FirstStep, how: str, hint: str) -> None:
        user, observation = step.user, step.observation
        who = f"the user in row {user}"
        again = checked_observation(environment.observe(user, ()), self.items)
        if again != observation:
            raise BrokenContract(
                f"{self._boundary.written('observe')} for {who}, {how}, returned the slate "
                f"{again.slate} with the cards {again.cards}; before it was {observation.slate} "
                f"with {observation.cards}",
                hint,
            )
        if step.decision is None:
            return
        responded = environment.respond(user, (), observation, step.decision)
        other = checked_feedback(responded, observation, self.items)
        if value_text(other) != value_text(step.feedback):
            raise BrokenContract(
                f"{self._boundary.written('respond')} for {who}, {how}, returned {other}; before "
                f"it was {step.feedback}",
                hint,
            )

    def round_ended(self, visits: Sequence[Visit], figures: Mapping[str, float]) -> None:
        """Let the copy end the round, and compare its figures and its state."""
        self._ended += 1
        copy, self._copy = self._copy, None
        if copy is None:
            return
        other = checked_figures(copy.end_round(visits), frozenset(figures))
        if value_text(other) != value_text(dict(figures)):
            raise BrokenContract(
                f"a fresh copy that was restored to the same state has other figures: {other}, "
                f"not {dict(figures)}",
                WHOLE_STATE,
            )
        if changed := different(self._digests(), digests(checked_state(copy.state()))):
            raise BrokenContract(
                "a fresh copy that was restored to the same state has another one after a round: "
                f"{changed} differs",
                WHOLE_STATE,
            )

    def state_returned(self, state: State) -> None:
        """After the first round, restore a fresh copy to its state, as a resume does."""
        if self._rebuild is None or self._ended != 1:
            return
        build, self._rebuild = self._rebuild, None
        self._copy = build()
        self._copy.restore(written_and_read(state))
        if changed := different(digests(state), digests(checked_state(self._copy.state()))):
            self._copy = None
            raise BrokenContract(
                f"a fresh copy that was restored to this state returns another: {changed}",
                WHOLE_STATE,
            )

    def _digests(self) -> dict[str, str]:
        when = f"round {self._round + 1}"
        return digests(self._boundary.call("state", (), checked_state, lambda: when))
