"""The policies of each kind of users."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from starec_sim.agent import NamedPolicies, Policies
from starec_sim.types import CallKey, ExpectedAnswer, Messages, Node, Turn


@runtime_checkable
class HasKinds(Protocol):
    """Policies that are others for each kind of users."""

    def of_kind(self, kind: str) -> Policies:
        """Return the policies of a kind."""
        ...


def of_kind(policies: Policies, kind: str) -> Policies:
    """Return the policies of a kind; the same for all where they are not by kind."""
    return policies.of_kind(kind) if isinstance(policies, HasKinds) else policies


class PoliciesByKind:
    """The policies of each kind; implements `starec_sim.agent.Policies`.

    Args:
        kinds: By name of the kind.
    """

    def __init__(self, kinds: Mapping[str, Policies]) -> None:
        self._kinds = kinds

    def of_kind(self, kind: str) -> Policies:
        """Return the policies of a kind."""
        return self._kinds[kind]

    def names(self) -> dict[str, str]:
        """Return the policies and their weights, after the name of the kind."""
        return {
            f"{kind}.{name}": value
            for kind, policies in self._kinds.items()
            if isinstance(policies, NamedPolicies)
            for name, value in policies.names().items()
        }

    def structured(self, node: Node) -> bool:
        """Fail: the policies of a kind say this, see `of_kind`."""
        raise AssertionError("ask the policies of a kind: of_kind(policies, kind)")

    async def ask(
        self,
        key: CallKey,
        messages: Messages,
        schema: Mapping[str, Any] | None = None,
        expected: ExpectedAnswer | None = None,
    ) -> Turn:
        """Fail: the policies of a kind are asked, see `of_kind`."""
        raise AssertionError("ask the policies of a kind: of_kind(policies, kind)")
