"""An agent whose calls are all checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

from starec_sim.agent import Agent, Call, CohortAgent, OpenAgent, RephrasedAgent
from starec_sim.boundary.asked_once import asking_once
from starec_sim.boundary.call import PluginBoundary, cause, complete, label_of, ships
from starec_sim.boundary.handed_out import SAMPLED, check_unchanged, handed_text
from starec_sim.boundary.memory_growth import MemoryGrowth
from starec_sim.boundary.observation import checked_decision
from starec_sim.boundary.turn import checked_messages
from starec_sim.boundary.values import BrokenContract, mapping, sequence, shown, text, whole_number
from starec_sim.boundary.visit import checked_visit
from starec_sim.boundary.watch import InterruptedCall, interruption
from starec_sim.errors import StarecError
from starec_sim.types import Decision, Messages, Observation, Visit


class CheckedAgent:
    """Calls an agent and checks what it returns.

    Attributes beyond the protocol are those of the agent.

    Args:
        plugin: The agent.

    Raises:
        ContractError: It lacks a method, or `history_limit` is no number from 1.
    """

    def __init__(self, plugin: Any) -> None:
        self.plugin = plugin
        """The agent itself."""
        self._boundary = PluginBoundary("agent", plugin)
        self._growth = None if ships(type(plugin)) else MemoryGrowth(self.label)
        self._compared = 0
        """Visits before and after which what the agent was given was compared."""
        self._boundary.check("", partial(complete, plugin, ("prompts", "visit"), _ATTRIBUTES))
        self.history_limit = self._boundary.check("", lambda: _history_limit(plugin))

    def __getattr__(self, name: str) -> Any:
        if name == "plugin":  # while a copy is made without __init__
            raise AttributeError(name)
        return getattr(self.plugin, name)

    def prompts(self) -> Mapping[str, str]:
        """Return the prompt templates by name."""
        return self._boundary.call("prompts", (), lambda value: mapping(value, "prompts()", text))

    async def visit(self, call: Call) -> Visit:
        """Play a visit to its end and return it."""
        asking = asking_once(call)
        try:
            handed = self._handed([call])
            with self._measured("visit"):
                visit = await self.plugin.visit(asking)
            if handed:
                check_unchanged(handed, _given([call]))
            return _checked_visit(call, visit)
        except (StarecError, InterruptedCall):
            raise
        except KeyboardInterrupt:
            raise interruption() from None
        except (Exception, SystemExit) as error:
            raise self._boundary.failure(error, "visit", _place(call)) from cause(error)

    def _handed(self, calls: Sequence[Call]) -> str:
        """Return what the first visits of an agent that does not ship leave as it is, as text."""
        if self._compared >= _COMPARED or self._growth is None:
            return ""
        self._compared += len(calls)
        return handed_text(_given(calls))

    def _measured(self, method: str) -> AbstractContextManager[None]:
        """Return what measures how much memory a call adds, for an agent that does not ship."""
        return nullcontext() if self._growth is None else self._growth.waiting_call(method)

    @property
    def label(self) -> str:
        """The kind and the name of the agent, for messages."""
        return f"agent {label_of(self.plugin)}"

    @property
    def why_one_by_one(self) -> str:
        """Why the agent cannot play the visits of many users together; empty if it can.

        A class with a `visit` of its own that inherits `visits` cannot: it would not be asked.
        """
        if not isinstance(self.plugin, CohortAgent):
            return f"{self.label} has no method `visits`"
        kinds = type(self.plugin).__mro__
        own = next((kind for kind in kinds if {"visit", "visits"} & vars(kind).keys()), None)
        if own is None or "visits" in vars(own):
            return ""
        other = next(kind for kind in kinds if "visits" in vars(kind))
        return (
            f"{self.label}: the class {own.__name__} changes `visit` and inherits `visits` from "
            f"{other.__name__}, which does not call that `visit`"
        )

    async def visits(
        self, calls: Sequence[Call], failed: Callable[[Call, StarecError], None]
    ) -> list[Visit | None]:
        """Play the visits of several users, see `starec_sim.agent.CohortAgent`.

        Args:
            calls: One for each user.
            failed: Called with the error of a visit that failed; it may raise it.
        """
        asking = [asking_once(call) for call in calls]
        told: set[int] = set()

        def tell(call: Call, error: BaseException) -> None:
            if isinstance(error, InterruptedCall):
                raise error
            if not isinstance(error, StarecError):
                named = self._boundary.failure(error, "visits", _place(call))
                named.__cause__ = cause(error)
                error = named
            failed(call, error)
            told.add(call.user)

        try:
            handed = self._handed(calls)
            with self._measured("visits"):
                played = sequence(await self.plugin.visits(asking, tell), "what was returned")
            if handed:
                check_unchanged(handed, _given(calls))
            if len(played) != len(calls):
                raise BrokenContract(
                    f"returned {len(played)} visits for {len(calls)} calls",
                    "return a visit for each call, in their order; None for one that failed",
                )
        except (StarecError, InterruptedCall):
            raise
        except KeyboardInterrupt:
            raise interruption() from None
        except (Exception, SystemExit) as error:
            place = f"{len(calls)} users, round {calls[0].round + 1}"
            raise self._boundary.failure(error, "visits", place) from cause(error)
        visits: list[Visit | None] = []
        for call, visit in zip(calls, played, strict=True):
            try:
                visits.append(None if call.user in told else _checked_visit(call, visit))
            except BrokenContract as broken:
                tell(call, broken)
                visits.append(None)
        return visits

    def rephrased(self) -> Agent | None:
        """Return the agent with its other wording; None if it has none."""
        if not isinstance(self.plugin, RephrasedAgent):
            return None
        other = self._boundary.call("rephrased", (), lambda value: value)
        return None if other is None else checked_agent(other)


class CheckedOpenAgent(CheckedAgent):
    """A checked agent that can build one question and read one answer, outside of a visit."""

    def question(self, call: Call, observation: Observation) -> Messages:
        """Return the messages that ask for a decision."""
        arguments = (call, observation)
        return self._boundary.call("question", arguments, _checked_messages, lambda: _place(call))

    def decision(self, call: Call, answer: str, observation: Observation) -> tuple[Decision, str]:
        """Return the decision in a text, and what is wrong with the text."""

        def checked(value: Any) -> tuple[Decision, str]:
            decision, problem = _pair(value)
            return checked_decision(decision, observation), problem

        arguments = (call, answer, observation)
        return self._boundary.call("decision", arguments, checked, lambda: _place(call))

    def summary(self, call: Call, answer: str) -> tuple[str | None, str]:
        """Return the summary in a text, and what is wrong with the text."""

        def checked(value: Any) -> tuple[str | None, str]:
            summary, problem = _pair(value)
            return None if summary is None else text(summary, "the summary"), problem

        return self._boundary.call("summary", (call, answer), checked, lambda: _place(call))

    def rethink(self, messages: Messages, answer: str, problem: str) -> Messages:
        """Return the messages of a repair call."""
        return self._boundary.call("rethink", (messages, answer, problem), _checked_messages)


_ATTRIBUTES = ("history_limit",)
_COMPARED = 4


def checked_agent(agent: Agent) -> CheckedAgent:
    """Return an agent that is checked, also if it was built by hand."""
    if isinstance(agent, CheckedAgent):
        return agent
    return CheckedOpenAgent(agent) if isinstance(agent, OpenAgent) else CheckedAgent(agent)


def _history_limit(agent: Any) -> int:
    limit = whole_number(agent.history_limit, "history_limit")
    if limit < 1:
        raise BrokenContract(
            f"history_limit is {limit}; it must be at least 1",
            "it is the number of experiences that a memory keeps",
        )
    return limit


def _checked_visit(call: Call, visit: Any) -> Visit:
    # A checked environment has checked most of a visit already.
    take_passed = getattr(call.environment, "take_passed", None)
    passed = take_passed(call.user) if take_passed else {}
    return checked_visit(visit, call.user, call.round, len(call.environment.items), passed)


def _given(calls: Sequence[Call]) -> Any:
    """Return what a visit reads and does not change; all calls have the same world and notes."""
    world, notes = calls[0].environment, calls[0].notes
    memories = [call.memory for call in calls[:SAMPLED]]
    return memories, notes, world.users[:SAMPLED], world.items[:SAMPLED]


def _place(call: Call) -> str:
    return f"user {call.person.id}, round {call.round + 1}"


def _pair(value: Any) -> tuple[Any, str]:
    if not isinstance(value, tuple | list) or len(value) != 2 or not isinstance(value[1], str):
        raise BrokenContract(
            f"returned {shown(value)}; it must return what was read and a text that says what is "
            "wrong with the answer, empty if nothing is"
        )
    return value[0], text(value[1], "the problem")


def _checked_messages(value: Any) -> Messages:
    return checked_messages(value, "what was returned")
