"""What keeps turns: the record of a run, or nothing."""

from __future__ import annotations

from typing import Protocol

from starec_sim.types import CallKey, Turn


class TurnStore(Protocol):
    """Keeps turns as they are answered, and returns those that an earlier process committed."""

    def find(self, key: CallKey) -> Turn | None:
        """Return the committed turn of a key, or None."""
        ...

    def add(self, key: CallKey, turn: Turn) -> None:
        """Keep a new turn. One without an answer (`turn.failure`) is asked again by a resume."""
        ...


class NoStore:
    """A store of turns that keeps nothing."""

    def find(self, key: CallKey) -> Turn | None:
        """Return None."""
        return None

    def add(self, key: CallKey, turn: Turn) -> None:
        """Do nothing."""
