"""The policy under audit: asked through the gateway, its answers cached, its costs counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from starec_sim.errors import PolicyError
from starec_sim.policies.gateway import Gateway, GatewayResources, Policy, build_policy
from starec_sim.policies.settings import GatewaySettings
from starec_sim.rng import Streams
from starec_sim.types import CallKey, Node, Turn


class AuditedPolicy:
    """A policy that can be asked, with counts of its calls."""

    def __init__(self, spec: Mapping[str, Any], seed: int, resources: GatewayResources) -> None:
        self._policy = build_policy(spec, "policy")
        self.name = self._policy.name
        both: dict[Node, Policy] = {"fast": self._policy, "slow": self._policy}
        self.gateway = Gateway(both, Streams(seed), self, "audit", resources)
        self.calls = self.tokens_in = self.tokens_out = 0
        """Totals of all answers, including those from the cache."""
        self._failures: list[str] = []

    def find(self, key: CallKey) -> Turn | None:
        """Return None: earlier answers are in the cache."""
        return None

    def add(self, key: CallKey, turn: Turn) -> None:
        """Count a turn."""
        self.calls += 1
        self.tokens_in += turn.tokens_in or 0
        self.tokens_out += turn.tokens_out or 0
        if turn.failure:
            self._failures.append(turn.failure)

    def check(self) -> None:
        """Refuse to judge a policy if calls failed.

        Raises:
            PolicyError: Says how many calls failed, and why the first one did.
        """
        if self._failures:
            raise PolicyError(
                f'{len(self._failures):,} of {self.calls:,} calls of the policy "{self.name}" '
                f"failed, the first of them: {self._failures[0]}",
                hint="give the same command again: what was answered is kept",
            )

    async def close(self) -> None:
        """Close the model's connections, if it has any."""
        await self._policy.close()


@contextmanager
def audited_policy(
    spec: Mapping[str, Any], seed: int, cache: Path | None
) -> Iterator[AuditedPolicy]:
    """Build a policy that can be asked, with its answers cached in a file.

    Raises:
        PluginError: There is no such policy, or it cannot be built.
        RunError: The file of the cache cannot be used.
    """
    resources = GatewayResources(GatewaySettings(cache=cache))
    try:
        yield AuditedPolicy(spec, seed, resources)
    finally:
        resources.close()
