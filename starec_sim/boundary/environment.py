"""An environment whose calls are all checked."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from starec_sim.boundary.call import PluginBoundary, complete, label_of, ships
from starec_sim.boundary.catalogue import (
    checked_catalogue,
    checked_live,
    grown_size,
    same_size,
)
from starec_sim.boundary.figures import checked_figures, warn_of_other_names
from starec_sim.boundary.first_rounds import FirstRounds
from starec_sim.boundary.handed_out import SAMPLED
from starec_sim.boundary.observation import (
    checked_decision,
    checked_feedback,
    checked_observation,
)
from starec_sim.boundary.slate_facts import checked_slate_facts
from starec_sim.boundary.state import checked_state
from starec_sim.boundary.values import BrokenContract, experiences, json_value, rows, shown
from starec_sim.environment import Environment, GrowingCatalogue, SlateFacts
from starec_sim.errors import ContractError, ContractWarning
from starec_sim.types import (
    Decision,
    Experience,
    Feedback,
    IntArray,
    Item,
    Observation,
    Step,
    User,
    Visit,
)

_METHODS = (
    *("describe", "history", "begin_round", "observe", "respond", "end_round"),
    *("state", "restore"),
)
_ATTRIBUTES = ("users", "items", "cards", "popularity")
STREAMS = "streams.stream(purpose, user=..., round=...), the streams that the constructor gets"


class CheckedEnvironment:
    """Calls an environment, checks what it returns, and makes numpy scalars plain.

    Attributes beyond the protocol are those of the environment.

    Args:
        plugin: The environment.
        rebuild: Builds a fresh copy, which is compared in the first rounds; None for no comparison.

    Raises:
        ContractError: It lacks a method, or its users or items are wrong.
    """

    def __init__(self, plugin: Any, rebuild: Callable[[], Any] | None = None) -> None:
        self.plugin = plugin
        """The environment itself."""
        self._boundary = PluginBoundary("environment", plugin, STREAMS)
        self._boundary.check("", partial(complete, plugin, _METHODS, _ATTRIBUTES))
        self._size = self._boundary.check("", lambda: checked_catalogue(plugin))
        self._first_rounds = FirstRounds(self._boundary, rebuild, self._size.items)
        self._round = 0
        self._shown: dict[int, Observation] = {}
        self._passed: dict[int, dict[int, tuple[Observation, Decision, Feedback]]] = {}
        self._slates: dict[int, tuple[int, ...]] = {}
        """The first slates that a schedule sets in the round, by user."""
        self._tells_facts = isinstance(plugin, SlateFacts)
        self._grows = isinstance(plugin, GrowingCatalogue)
        self._live: NDArray[np.bool_] | None = None
        """Which items can be shown in the round; None for all."""
        self._ids = [item.id for item in plugin.items] if self._grows else []
        self._checked_items = plugin.items
        # An environment that ships, or that is derived from one, measures a metric of its own.
        self._own_metrics = frozenset({"visitors"} if any(map(ships, type(plugin).__mro__)) else ())
        named = dict.fromkeys(getattr(plugin, "own_metrics", ()), 0.0)
        self._boundary.check("", lambda: checked_figures(named, self._own_metrics))
        self._declared = () if ships(type(plugin)) else tuple(named)  # until a round has ended

    def __getattr__(self, name: str) -> Any:
        if name == "plugin":  # while a copy is made without __init__
            raise AttributeError(name)
        return getattr(self.plugin, name)

    @property
    def users(self) -> Sequence[User]:
        """All users who may visit."""
        return self.plugin.users  # type: ignore[no-any-return]

    @property
    def items(self) -> Sequence[Item]:
        """The catalogue."""
        return self.plugin.items  # type: ignore[no-any-return]

    @property
    def cards(self) -> Sequence[str]:
        """The card of each item without signals."""
        return self.plugin.cards  # type: ignore[no-any-return]

    @property
    def popularity(self) -> IntArray:
        """How often each item was consumed before the simulation starts."""
        return np.asarray(self.plugin.popularity)

    def describe(self) -> Mapping[str, Any]:
        """Return counts and choices as plain JSON values."""
        return self._boundary.call("describe", (), _checked_facts)

    def history(self, user: int) -> tuple[Experience, ...]:
        """Return what the user experienced before the simulation."""
        items = self._size.items
        return self._boundary.call(
            "history",
            (user,),
            lambda value: experiences(value, items, "the history"),
            lambda: self._who(user),
        )

    def apply(self, event: str, settings: BaseModel) -> None:
        """Let a scheduled event happen."""
        self._boundary.call("apply", (event, settings), lambda value: None, lambda: f'"{event}"')

    def end(self, event: str, settings: BaseModel) -> None:
        """Let a scheduled event end."""
        self._boundary.call("end", (event, settings), lambda value: None, lambda: f'"{event}"')

    def set_slates(self, slates: Mapping[int, Sequence[int]]) -> None:
        """Set what users see first in the round that begins next."""
        users = [self._who(user) for user in slates]
        self._boundary.call("set_slates", (slates,), lambda value: None, lambda: ", ".join(users))
        self._slates = {user: tuple(items) for user, items in slates.items()}

    def begin_round(self, round: int) -> list[int]:
        """Prepare a round and return the visitors as ints."""
        self._round = round
        self._shown, self._passed = {}, {}
        visitors = self._boundary.call(
            "begin_round",
            (round,),
            self._checked_visitors,
            self._when,
            random=self._first_rounds.active,
        )
        self._boundary.check(
            f"begin_round({self._when()})",
            lambda: self._first_rounds.round_begun(round, visitors),
        )
        for user in self._slates.keys() - set(visitors):
            _warn_absent(self._who(user), self._when())
        live = self.live() if self._grows else None
        self._live = None if live is None or live.all() else live
        return visitors

    def observe(self, user: int, steps: Sequence[Step]) -> Observation:
        """Return what the user is shown next."""
        watched = self._first_rounds.watches(user, len(steps))
        observation = self._boundary.call(
            "observe",
            (user, steps),
            lambda value: self._checked_observation(value, user, steps),
            lambda: self._which(user, steps),
            random=self._first_rounds.watches_generators(user, len(steps)),
            handed=self._handed(steps) if watched else None,
        )
        if watched:
            self._first_rounds.observed(user, observation)
        self._shown[user] = observation
        return observation

    def respond(
        self, user: int, steps: Sequence[Step], observation: Observation, decision: Decision
    ) -> Feedback:
        """Return the feedback on a decision, which must name items that were shown."""
        watched = self._first_rounds.watches(user, len(steps))
        try:
            decision = checked_decision(decision, observation)
        except BrokenContract as broken:
            raise ContractError(
                f"the agent's decision for {self._which(user, steps)}: {broken.what}",
                hint=broken.hint or "let the agent choose among observation.slate",
            ) from None
        feedback = self._boundary.call(
            "respond",
            (user, steps, observation, decision),
            lambda value: checked_feedback(value, observation, self._size.items),
            lambda: self._which(user, steps),
            random=self._first_rounds.watches_generators(user, len(steps)),
            handed=self._handed((steps, observation, decision)) if watched else None,
        )
        if watched:
            self._first_rounds.responded(user, observation, decision, feedback)
        if self._shown.get(user) is observation:
            self._passed.setdefault(user, {})[len(steps)] = (observation, decision, feedback)
        return feedback

    def take_passed(self, user: int) -> Mapping[int, tuple[Observation, Decision, Feedback]]:
        """Return what was checked of a visit, by step, and forget it."""
        return self._passed.pop(user, {})

    def slate_facts(
        self, user: int, steps: Sequence[Step], observation: Observation
    ) -> Mapping[str, Sequence[float | None]]:
        """Return facts about a slate that no user is shown; none if the environment has none."""
        if not self._tells_facts:
            return {}
        places = len(observation.slate)
        return self._boundary.call(
            "slate_facts",
            (user, steps, observation),
            lambda value: checked_slate_facts(value, places),
            lambda: self._which(user, steps),
        )

    def end_round(self, visits: Sequence[Visit]) -> Mapping[str, float]:
        """Apply all visits of the round and return its figures."""
        when, first_rounds = f"the visits of {self._when()}", self._first_rounds
        self._boundary.check(when, first_rounds.visits_played)
        figures = self._boundary.call(
            "end_round",
            (visits,),
            lambda value: checked_figures(value, self._own_metrics),
            self._when,
            random=first_rounds.active,
            handed=visits[:SAMPLED] if first_rounds.active else None,
        )
        self._boundary.check(when, self._check_size)
        self._boundary.check(when, lambda: first_rounds.round_ended(visits, figures))
        warn_of_other_names(label_of(self.plugin), self._declared, figures)
        self._declared = ()
        self._slates = {}
        return figures

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return everything that `restore` needs."""
        state = self._boundary.call("state", (), checked_state, self._when)
        self._boundary.check(
            f"state({self._when()})", lambda: self._first_rounds.state_returned(state)
        )
        return state

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Set the state to one that `state` returned."""
        self._boundary.call("restore", (state,), lambda value: None)
        self._boundary.check("restore()", self._check_size)

    def live(self) -> NDArray[np.bool_]:
        """Return which items can be shown now; all of a catalogue that does not change."""
        if not self._grows:
            return np.ones(self._size.items, np.bool_)
        items = self._size.items
        return self._boundary.call("live", (), lambda value: checked_live(value, items), self._when)

    def _check_size(self) -> None:
        """Check that the catalogue is the same, or grew where it may."""
        items = self.plugin.items
        if not self._grows or (items is self._checked_items and isinstance(items, tuple)):
            same_size(self.plugin, self._size)
            return
        self._size = grown_size(self.plugin, self._size, self._ids)
        self._checked_items = items
        self._first_rounds.items = self._size.items

    def _checked_observation(self, value: Any, user: int, steps: Sequence[Step]) -> Observation:
        observation = checked_observation(value, self._size.items)
        if self._live is not None:
            _check_live(observation, self._live, self.plugin.items)
        if self._slates and not steps:
            _check_set(observation, self._slates.get(user, observation.slate))
        return observation

    def _checked_visitors(self, value: Any) -> list[int]:
        self._check_size()
        visitors = list(rows(value, self._size.users, "what was returned", "user"))
        if any(b <= a for a, b in pairwise(visitors)):
            raise BrokenContract(
                f"returned {shown(visitors)}; it must return each visitor once, in ascending order",
                "sort the rows of the users",
            )
        return visitors

    def _handed(self, arguments: Any) -> Any:
        """Return what a call within a round leaves as it is."""
        return arguments, self.plugin.users[:SAMPLED], self.plugin.items[:SAMPLED]

    def _when(self) -> str:
        return f"round {self._round + 1}"

    def _who(self, user: int) -> str:
        known = isinstance(user, int) and 0 <= user < self._size.users
        return f"user {self.plugin.users[user].id}" if known else f"user {user}"

    def _which(self, user: int, steps: Sequence[Step]) -> str:
        return f"{self._who(user)}, {self._when()}, page {len(steps) + 1}"


def checked_environment(environment: Environment) -> CheckedEnvironment:
    """Return an environment that is checked, also if it was built by hand."""
    if isinstance(environment, CheckedEnvironment):
        return environment
    return CheckedEnvironment(environment)


def _check_live(observation: Observation, live: NDArray[np.bool_], items: Sequence[Item]) -> None:
    if not all(live[item] for item in observation.slate):
        gone = next(item for item in observation.slate if not live[item])
        raise BrokenContract(
            f"the slate holds item {gone}, {shown(items[gone].id)}, which cannot be shown in this "
            "round, as live() says",
            "leave out what is gone, or let live() return True for it",
        )


def _warn_absent(who: str, when: str) -> None:
    warnings.warn(
        f"{who} does not visit in {when}, so she does not see the slate that the schedule sets "
        "there",
        ContractWarning,
        stacklevel=2,
    )


def _check_set(observation: Observation, slate: tuple[int, ...]) -> None:
    if observation.slate != slate:
        raise BrokenContract(
            f"shows the slate {observation.slate}, and set_slates was given {slate} for her",
            "show what set_slates was given on the first page of the round that begins next",
        )


def _checked_facts(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BrokenContract(f"returned {shown(value)}; it must return a dict of JSON values")
    facts: Mapping[str, Any] = json_value(value, "describe()")
    return facts
