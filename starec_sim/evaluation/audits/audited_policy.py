"""The policy under audit, asked through the gateway."""

from __future__ import annotations

from starec_sim.evaluation.audits.audit_record import ARM, AuditRecord
from starec_sim.policies.gateway import Gateway, GatewayResources, Policy
from starec_sim.rng import Streams
from starec_sim.types import Node


class AuditedPolicy:
    """A policy that can be asked.

    Args:
        policy: Answers as both nodes.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.name = policy.name

    def gateway(self, seed: int, record: AuditRecord, resources: GatewayResources) -> Gateway:
        """Return what asks the policy and records its answers."""
        both: dict[Node, Policy] = {"fast": self._policy, "slow": self._policy}
        return Gateway(both, Streams(seed), record, ARM, resources)

    async def open(self) -> None:
        """Let the model read its weights, or find its key.

        Raises:
            PolicyError: It cannot.
        """
        await self._policy.open()

    async def close(self) -> None:
        """Close the model's connections, if it has any."""
        await self._policy.close()
