"""The protocol of an environment: the world in which users act.

Two rules keep every result reproducible and every state branchable:

1. Within a round the world is read-only. `observe` and `respond` are functions of the round's
   snapshot and their arguments; they change nothing. `end_round` applies what everybody did.
2. Randomness is keyed (`starec_sim.rng.Streams`), so nothing depends on who came first.

From the first rule alone follows that G decisions for one state are G calls of `respond`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from starec_sim.types import (
    Decision,
    Experience,
    Feedback,
    IntArray,
    Item,
    Observation,
    Step,
    Task,
    User,
    Visit,
)


class Environment(Protocol):
    """A world: users, a catalogue, and what happens between them.

    An environment is built as `Class(config, dataset, streams)`, where `config` is an instance of
    its pydantic model `Class.Config`, `dataset` a `starec_sim.dataset.Dataset` and `streams` the
    run's `Streams`.
    """

    users: Sequence[User]
    """Everybody who may ever visit."""
    items: Sequence[Item]
    """The catalogue."""
    cards: Sequence[str]
    """The card of each item without signals, see `starec_sim.cards.card`."""
    popularity: IntArray
    """Shape (items,): how often each item was consumed before the simulation starts."""

    def describe(self) -> Mapping[str, Any]:
        """Return counts and choices worth writing into the run's manifest (JSON values)."""
        ...

    def history(self, user: int) -> tuple[Experience, ...]:
        """Return what the user lived through before the simulation, oldest first."""
        ...

    def begin_round(self, round: int) -> Sequence[int]:
        """Fix the world for a round and return the users who visit, in ascending order.

        Called with 0, 1, 2, ... A shorter world returns nobody once it is over.
        """
        ...

    def observe(self, user: int, steps: Sequence[Step]) -> Observation:
        """Return what the user is shown next, given her visit so far. Changes nothing."""
        ...

    def respond(
        self, user: int, steps: Sequence[Step], observation: Observation, decision: Decision
    ) -> Feedback:
        """Return the world's answer to a decision. Changes nothing."""
        ...

    def end_round(self, visits: Sequence[Visit]) -> Mapping[str, float]:
        """Apply all visits of the round, in order of user, and return the round's own figures."""
        ...

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return everything `restore` needs to go on exactly from the end of the last round."""
        ...

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Become the world that returned this state."""
        ...


@runtime_checkable
class OneTask(Protocol):
    """An environment, or the class of one, whose observations all ask for the same task.

    An optional ability: write `task: ClassVar[Task] = "ranking"` into the class. What must know the
    task before anything is played, as training does, refuses an environment that does not say it.
    """

    task: Task
