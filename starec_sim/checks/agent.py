"""Checks of an agent. Each function raises what is wrong, or returns a remark."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starec_sim.agent import Call, first_memory
from starec_sim.boundary import CheckedAgent, CheckedEnvironment
from starec_sim.boundary.values import value_text
from starec_sim.checks.small_world import SmallWorld
from starec_sim.checks.target import CallPlace, CallWatch, CheckTarget, Journal, compare
from starec_sim.errors import ConfigError
from starec_sim.executors.event_loop import run_coroutine
from starec_sim.tasks import FEED, RANKING, Task
from starec_sim.types import CallKey, ExpectedAnswer, Memory, Messages, Node, Turn, Visit

_TASKS = (RANKING, FEED)
_ROUNDS = 2
_SLOW_S = 5.0
_KEYLESS = (
    "let a visit be a function of its call: keep nothing of a user in self, and draw random "
    "numbers from Streams(seed).stream(purpose, user=call.user, round=call.round)"
)
_UNREADABLE = "I would rather not say. (end of message"


class ScriptedPolicies:
    """Policies without a model, for the questions of an agent.

    Args:
        answer: The answer to every question; empty for those of `lexical`.
    """

    def __init__(self, answer: str = "") -> None:
        # It takes a second to import, which checks of other kinds need not wait for.
        from starec_sim.policies.lexical import LexicalPolicy

        self._answer, self._lexical = answer, LexicalPolicy()
        self.asked: list[CallKey] = []

    def structured(self, node: Node) -> bool:
        """Return that no node is asked for JSON."""
        return False

    async def ask(
        self,
        key: CallKey,
        messages: Messages,
        schema: Mapping[str, Any] | None = None,
        expected: ExpectedAnswer | None = None,
    ) -> Turn:
        """Answer, after others had their turn."""
        self.asked.append(key)
        await asyncio.sleep(0)
        text = self._answer or self._lexical.answer_to(messages)
        return Turn(key.node, key.attempt, "scripted", messages, text, 1, 1, 0.0)


class AgentPlay:
    """One agent that plays the readers of small worlds; its visits are written down."""

    def __init__(self, target: CheckTarget, answer: str = "") -> None:
        self.plugin = target.new()
        self.checked = CheckedAgent(self.plugin)
        self.watch = CallWatch(target, self.plugin, generators=("numpy.random",))
        self.journal: Journal = {}
        self.visits: dict[CallPlace, Visit] = {}
        self.policies = ScriptedPolicies(answer)
        self.refused: dict[Task, ConfigError] = {}
        """Tasks for which the agent says that it is not made for them."""

    def play(self, *, backwards: bool = False) -> AgentPlay:
        """Play some rounds in each world, and return this play."""
        for task in _TASKS:
            try:
                self._play(task, backwards=backwards)
            except ConfigError as error:
                self.refused[task] = error
        if len(self.refused) == len(_TASKS):
            raise next(iter(self.refused.values()))
        return self

    def _play(self, task: Task, *, backwards: bool) -> None:
        world = CheckedEnvironment(SmallWorld(task))
        memories: dict[int, Memory] = {}
        for round in range(_ROUNDS):
            users = list(world.begin_round(round))
            for user in reversed(users) if backwards else users:
                call = self.call(world, user, round, memories)
                self.visit(call, task)
                memories[user] = self.visits[self.place(call, task)].steps[-1].memory

    def call(
        self, world: CheckedEnvironment, user: int, round: int, memories: dict[int, Memory]
    ) -> Call:
        """Return the call of a visit."""
        memory = memories.get(user) or first_memory(world, self.checked, user)
        return Call(user, round, world.users[user], memory, world, self.policies)

    def place(self, call: Call, task: Task) -> CallPlace:
        """Return the place of a visit."""
        return CallPlace("visit", f"user {call.person.id}, round {call.round + 1}, {task.name}")

    def visit(self, call: Call, task: Task) -> None:
        """Play a visit, check its memory, and write it down."""
        place = self.place(call, task)
        before = len(self.policies.asked)

        def played(call: Call) -> Visit:
            return run_coroutine(self.checked.visit(call))

        handed = (call.memory, call.notes, call.environment.users, call.environment.items)
        visit = self.watch.call(place, played, call, handed=handed)
        self._check_memory(place, call, visit)
        asked = self.policies.asked[before:]
        if twice := {key for key in asked if asked.count(key) > 1}:
            raise self.watch.fault(
                place,
                f"asked with one key twice: {min(twice)}",
                "count the steps and the attempts: call.key(len(steps), node, attempt)",
            )
        turns = sum(len(step.turns) for step in visit.steps)
        if turns != len(asked):
            raise self.watch.fault(
                place,
                f"asked {len(asked)} questions, and its steps hold {turns} turns",
                "put every turn that `call.policies.ask` returned into Step.turns",
            )
        self.visits[place] = visit
        self.journal[place] = value_text(visit)

    def _check_memory(self, place: CallPlace, call: Call, visit: Visit) -> None:
        memory = visit.steps[-1].memory
        limit = self.checked.history_limit
        if len(memory.history) > limit:
            raise self.watch.fault(
                place,
                f"the memory holds {len(memory.history)} experiences, and history_limit is {limit}",
                "make the new memory by memory.after_step(experiences, summary, history_limit)",
            )
        if memory.steps != call.memory.steps + len(visit.steps):
            raise self.watch.fault(
                place,
                f"the memory has {memory.steps} steps after a visit of {len(visit.steps)}; before "
                f"it had {call.memory.steps}",
                "make the new memory by memory.after_step(experiences, summary, history_limit)",
            )


def first_play(target: CheckTarget) -> AgentPlay:
    """Return a play, which several checks look at."""
    return target.keep("play", lambda: AgentPlay(target).play())


def contract(target: CheckTarget) -> str:
    """Play some visits: every value must fit the contract, which the boundary checks."""
    play = first_play(target)
    play.checked.prompts()
    told = f"{len(play.visits)} visits, {len(play.policies.asked)} questions"
    return told + "".join(
        f"; no {task.name}: {error.message}" for task, error in play.refused.items()
    )


def same_call(target: CheckTarget) -> str:
    """Play the same visits with a new agent, and again with one that has played."""
    expected = first_play(target).journal
    again = AgentPlay(target).play()
    how = "built again and called with the same calls"
    compare(target, again.plugin, expected, again.journal, how, _KEYLESS)
    again.journal.clear()
    again.play()
    how = "called again after other visits"
    compare(target, again.plugin, expected, again.journal, how, _KEYLESS)
    return ""


def other_order(target: CheckTarget) -> str:
    """Play the users in the other order, and all of a round at once."""
    first = first_play(target)
    expected = first.journal
    backwards = AgentPlay(target).play(backwards=True)
    how = "with the last user first"
    compare(target, backwards.plugin, expected, backwards.journal, how, _KEYLESS)
    play = AgentPlay(target)
    for task in (task for task in _TASKS if task not in first.refused):
        world = CheckedEnvironment(SmallWorld(task))
        calls = [play.call(world, user, 0, {}) for user in world.begin_round(0)]

        async def together(calls: list[Call] = calls) -> list[Visit]:
            return await asyncio.gather(*map(play.checked.visit, calls))

        for call, visit in zip(calls, run_coroutine(together()), strict=True):
            play.journal[play.place(call, task)] = value_text(visit)
    expected = {place: expected[place] for place in play.journal}
    compare(target, play.plugin, expected, play.journal, "with all visits at once", _KEYLESS)
    return ""


def unreadable_answers(target: CheckTarget) -> str:
    """Answer what nobody can read: the visit goes on, and the flaws are counted."""
    play = AgentPlay(target, _UNREADABLE).play()
    if not play.policies.asked:
        return "left out: it asks no policy"
    for place, visit in play.visits.items():
        for step in visit.steps:
            if step.turns and not step.decision.flaws:
                raise play.watch.fault(
                    place,
                    f'made a decision without flaws of the answer "{_UNREADABLE}": '
                    f"{value_text(replace(step.decision, flaws={}))[:120]}",
                    "read answers by starec_sim.answers.read_decision, which counts what is wrong",
                )
    return ""


def time_and_memory(target: CheckTarget) -> str:
    """A visit with a policy that answers at once takes no seconds, and leaves no megabytes."""
    watch = first_play(target).watch
    if (slowest := max(watch.seconds["visit"])) > _SLOW_S:
        raise watch.fault(
            CallPlace("visit", ""),
            f"took {slowest:.1f} s, though every answer came at once",
            "do what takes long once, in __init__; never wait by time.sleep",
        )
    again = AgentPlay(target).play()
    again.watch.check_memory(
        CallPlace("visit", ""),
        again.play,
        f"{len(again.visits)} visits that were played before",
        "keep nothing of a visit in self or in the module: a user keeps her memory alone",
    )
    return watch.slowest()


def called(target: CheckTarget) -> tuple[Any, Journal]:
    """Return an agent and its visits, which another process must return too."""
    play = first_play(target)
    return play.plugin, play.journal
