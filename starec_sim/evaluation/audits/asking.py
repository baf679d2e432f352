"""The policy under audit, behind the gateway, with what it cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from starec_sim.agent import Policies
from starec_sim.policies.gateway import Address, Gateway, Policy
from starec_sim.rng import Streams
from starec_sim.types import Turn


class Respondent:
    """A policy that can be asked, and the books on it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.policies: Policies
        self.calls = 0
        self.tokens_in = 0
        self.tokens_out = 0

    def find(self, address: Address) -> Turn | None:
        """Return nothing: no question of an audit is asked twice."""
        return None

    def add(self, address: Address, turn: Turn) -> None:
        """Count what a turn cost."""
        self.calls += 1
        self.tokens_in += turn.tokens_in or 0
        self.tokens_out += turn.tokens_out or 0


@contextmanager
def respondent(spec: Mapping[str, Any], seed: int, cache: Path | None) -> Iterator[Respondent]:
    """Build a policy and the gateway before it; keep its answers in the cache."""
    from starec_sim.laboratory import _policy

    policy: Policy = _policy(spec, "policy")
    asked = Respondent(policy.name)
    asked.policies = Gateway({"fast": policy, "slow": policy}, Streams(seed), asked, "audit")
    yield asked
