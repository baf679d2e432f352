"""The policies of one visit, which are asked once under each key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starec_sim.agent import Call, Policies
from starec_sim.errors import ContractError
from starec_sim.types import CallKey, ExpectedAnswer, Messages, Node, Turn


class AskedOnce:
    """Policies that refuse a second question under a key; implements `starec_sim.agent.Policies`.

    An agent meets them wherever its visits are played and however much of them is recorded.

    Args:
        policies: Are asked.
    """

    __slots__ = ("_asked", "_policies")

    def __init__(self, policies: Policies) -> None:
        self._policies = policies
        self._asked: set[CallKey] = set()

    def structured(self, node: Node) -> bool:
        """Return whether the policy of a node takes a schema."""
        return self._policies.structured(node)

    async def ask(
        self,
        key: CallKey,
        messages: Messages,
        schema: Mapping[str, Any] | None = None,
        expected: ExpectedAnswer | None = None,
    ) -> Turn:
        """Ask the policy of a node.

        Raises:
            ContractError: It was asked under this key before.
        """
        if key in self._asked:
            raise asked_twice(key)
        self._asked.add(key)
        return await self._policies.ask(key, messages, schema, expected)


def asking_once(call: Call) -> Call:
    """Return the call of a visit whose policies are asked once under each key."""
    return replace(call, policies=AskedOnce(call.policies))


def asked_twice(key: CallKey) -> ContractError:
    """Return the error of an agent that asks a second question under a key."""
    return ContractError(
        f"the agent asked twice at {key}",
        hint="count `attempt` up with every further question of a node in a step",
    )
