"""The policies of the visits that a worker plays."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from starec_sim.agent import Policies
from starec_sim.policies.gateway import GatewayResources, Policy
from starec_sim.policies.gateway.budget_guard import Spent
from starec_sim.types import CallKey, ExpectedAnswer, Messages, Node, Step, Turn, Visit
from starec_sim.workers.messages import Answered, Ask, AskedTurn, TurnRef

_TURNS = 32
_LATE_S = 0.25
"""A turn is sent with 31 others, or after a quarter of a second."""


class Outbox:
    """Sends turns to the parent, which records them; implements `TurnStore`.

    Args:
        send: Sends a message to the parent.
        resources: Count what the turns cost.
    """

    def __init__(self, send: Callable[[Any], None], resources: GatewayResources) -> None:
        self._known: dict[int, dict[CallKey, Turn]] = {}
        """By user of a shard in progress, the answers that the parent has or is sent."""
        self._send = send
        self._resources = resources
        self._reported = resources.spent()
        self._new: list[tuple[CallKey, Turn]] = []
        self._timer: asyncio.TimerHandle | None = None

    def find(self, key: CallKey) -> Turn | None:
        """Return the turn of a key, if the parent has it."""
        return self._known.get(key.user, {}).get(key)

    def add(self, key: CallKey, turn: Turn) -> None:
        """Take a new turn; it is sent soon."""
        self.know(key, turn)
        self._new.append((key, turn))
        if len(self._new) >= _TURNS:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LATE_S, self.flush)

    def know(self, key: CallKey, turn: Turn) -> None:
        """Note a turn that the parent has."""
        self._known.setdefault(key.user, {})[key] = turn

    def forget(self, users: Iterable[int]) -> None:
        """Forget the turns of users whose visits are finished."""
        for user in users:
            self._known.pop(user, None)

    def flush(self) -> None:
        """Send the turns that are not sent yet."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now, before = self._resources.spent(), self._reported
        spent = Spent(now.calls - before.calls, now.tokens - before.tokens, now.usd - before.usd)
        if self._new or spent.calls:
            self._send(Answered(tuple(self._new), spent))
        self._new, self._reported = [], now

    def referred(self, visit: Visit) -> Visit:
        """Return a visit with references in the place of turns that the parent has."""
        steps = tuple(
            replace(step, turns=tuple(self._referred(visit, number, turn) for turn in step.turns))
            for number, step in enumerate(visit.steps)
        )
        return replace(visit, steps=steps)

    def _referred(self, visit: Visit, step: int, turn: Turn) -> Any:
        key = CallKey(visit.round, visit.user, step, turn.node, turn.attempt)
        known = self.find(key)
        if known is not None and replace(turn, error="") == replace(known, error=""):
            return TurnRef(key, turn.error)
        return turn


def with_turns(visit: Visit, known: Mapping[CallKey, Turn]) -> Visit:
    """Return a visit with the turns that it refers to; the inverse of `Outbox.referred`."""

    def turn(each: Turn | TurnRef) -> Turn:
        return replace(known[each.key], error=each.error) if isinstance(each, TurnRef) else each

    def whole(step: Step) -> Step:
        return replace(step, turns=tuple(map(turn, step.turns)))

    return replace(visit, steps=tuple(map(whole, visit.steps)))


class WorkerPolicies:
    """Asks some policies in the worker and the others in the parent; implements `Policies`.

    Args:
        kind: Of the users who ask, "" where all are alike.
        structured: Of each node, whether its policy takes a schema.
        here: The policies that answer in the worker.
        gateway: Asks them.
        parent: Asks the others.
    """

    def __init__(
        self,
        kind: str,
        structured: Mapping[Node, bool],
        here: Mapping[Node, Policy],
        gateway: Policies,
        parent: ParentPolicies,
    ) -> None:
        self._kind = kind
        self._structured = structured
        self._here = here
        self._gateway = gateway
        self._parent = parent

    def structured(self, node: Node) -> bool:
        """Return whether the policy of a node takes a schema."""
        return self._structured[node]

    async def ask(
        self,
        key: CallKey,
        messages: Messages,
        schema: Mapping[str, Any] | None = None,
        expected: ExpectedAnswer | None = None,
    ) -> Turn:
        """Ask the policy of a node."""
        if key.node in self._here:
            return await self._gateway.ask(key, messages, schema, expected)
        return await self._parent.ask(self._kind, key, messages, schema, expected)


class ParentPolicies:
    """Asks policies in the parent.

    Args:
        outbox: Is told of the turns, which the parent has.
        send: Sends a message to the parent.
    """

    def __init__(self, outbox: Outbox, send: Callable[[Any], None]) -> None:
        self._outbox = outbox
        self._send = send
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[Turn]] = {}

    async def ask(
        self,
        kind: str,
        key: CallKey,
        messages: Messages,
        schema: Mapping[str, Any] | None,
        expected: ExpectedAnswer | None,
    ) -> Turn:
        """Ask the policy that a kind of users has for a node."""
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            self._send(Ask(number, kind, key, messages, schema, expected))
            turn = replace(await self._waiting[number], messages=messages)
        finally:
            del self._waiting[number]
        self._outbox.know(key, turn)
        return turn

    def answered(self, answer: AskedTurn) -> None:
        """Take the parent's answer to a question."""
        waiting = self._waiting.get(answer.number)
        if waiting is None or waiting.done():
            return  # the visit was given up meanwhile
        if answer.failed is not None:
            waiting.set_exception(answer.failed.exception())
        elif answer.turn is not None:
            waiting.set_result(answer.turn)
