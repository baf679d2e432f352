"""Where a turn belongs, and who keeps it there."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from starec_sim.types import Node, Turn


class CallKey(NamedTuple):
    """Where a turn belongs within a trial."""

    round: int
    user: int
    step: int
    node: Node
    attempt: int

    def __str__(self) -> str:
        """Say it as people count: from 1."""
        again = f", question {self.attempt + 1}" if self.attempt else ""
        return f"user {self.user}, round {self.round + 1}, step {self.step + 1}, {self.node}{again}"


class TurnStore(Protocol):
    """Keeps turns as they are answered, and gives back those that an earlier attempt committed."""

    def find(self, address: CallKey) -> Turn | None:
        """Return the committed turn of an address, if there is one."""
        ...

    def add(self, address: CallKey, turn: Turn) -> None:
        """Keep a new turn. One without an answer (`turn.failure`) is asked again by a resume."""
        ...
