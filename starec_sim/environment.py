"""The protocol of an environment, in which users act.

Two rules make every result reproducible, and let several decisions be tried in one state:

1. Within a round the environment is read-only. `observe` and `respond` are functions of the state
   at the start of the round and of their arguments; they change nothing. `end_round` applies what
   all users did.
2. Randomness is keyed (`starec_sim.rng.Streams`), so nothing depends on the order of visits.

Because of the first rule, the feedback on G decisions in one state takes G calls of `respond`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from starec_sim.tasks import Task
from starec_sim.types import (
    Decision,
    Experience,
    Feedback,
    IntArray,
    Item,
    Observation,
    Step,
    User,
    Visit,
)


class Environment(Protocol):
    """Users, a catalogue, and the feedback on what users do.

    An environment is built as `Class(config, dataset, streams)`, where `config` is an instance of
    its pydantic model `Class.Config`, `dataset` a `starec_sim.dataset.Dataset` and `streams` the
    run's `Streams`.
    """

    @property
    def users(self) -> Sequence[User]:
        """All users who may visit, shape (users,); a row is an index into them. Their number stays.

        This and the next three are attributes; the engine only reads them.
        """
        ...

    @property
    def items(self) -> Sequence[Item]:
        """The catalogue. Its length stays the same during a run; see `GrowingCatalogue`."""
        ...

    @property
    def cards(self) -> Sequence[str]:
        """The card of each item without signals, see `starec_sim.cards.card`."""
        ...

    @property
    def popularity(self) -> IntArray:
        """Shape (items,): how often each item was consumed before the simulation starts."""
        ...

    def describe(self) -> Mapping[str, Any]:
        """Return counts and choices (JSON values), which are stored with each trial."""
        ...

    def history(self, user: int) -> tuple[Experience, ...]:
        """Return what the user experienced before the simulation, oldest first."""
        ...

    def begin_round(self, round: int) -> Sequence[int]:
        """Prepare a round and return the rows of the users who visit, ascending.

        Called with 0, 1, 2, ... An environment without further rounds returns no users.
        """
        ...

    def observe(self, user: int, steps: Sequence[Step]) -> Observation:
        """Return what the user is shown next, given her visit so far. Changes nothing."""
        ...

    def respond(
        self, user: int, steps: Sequence[Step], observation: Observation, decision: Decision
    ) -> Feedback:
        """Return the feedback on a decision. Changes nothing."""
        ...

    def end_round(self, visits: Sequence[Visit]) -> Mapping[str, float]:
        """Apply all visits of the round, in order of user, and return metrics of the round."""
        ...

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return everything that `restore` needs to continue exactly after the last round.

        Arrays of numbers or texts by name. It may be called at any time and changes nothing.
        """
        ...

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Set the state to one that `state` returned."""
        ...


@runtime_checkable
class OneTask(Protocol):
    """An environment, or the class of one, whose observations all ask for the same task.

    This is an optional ability. Write `task: ClassVar[Task] = RANKING` into the class. Training
    with credit by position needs the task before the first round, and refuses an environment
    without it.
    """

    task: Task


@runtime_checkable
class OwnMetrics(Protocol):
    """An environment, or the class of one, that names the metrics that its `end_round` returns.

    This is an optional ability. Write `own_metrics: ClassVar[tuple[str, ...]] = ("queue",)` into
    the class. With it, a misspelt name in `report.metrics` is refused before the run; without it,
    the report of the run says that there is no such metric.
    """

    own_metrics: Sequence[str]


@runtime_checkable
class NamedRewards(Protocol):
    """An environment, or the class of one, that names the reward components of its feedback.

    This is an optional ability. Write `reward_names: ClassVar[tuple[str, ...]] = ("tips",)` into
    the class. A training with another component is then refused before it starts, not at the first
    answer.
    """

    reward_names: tuple[str, ...]


@runtime_checkable
class ScheduledEvents(Protocol):
    """An environment, or the class of one, in which a schedule can make something happen.

    This is an optional ability. Write
    `events: ClassVar[Mapping[str, type[BaseModel]]] = {"sale": Sale}` into the class: the settings
    of each event, by its name.
    """

    events: Mapping[str, type[BaseModel]]

    def apply(self, event: str, settings: BaseModel) -> None:
        """Let an event happen. Called before `begin_round`; what it changes is part of `state`."""
        ...


@runtime_checkable
class EndingEvents(ScheduledEvents, Protocol):
    """An environment, or the class of one, whose scheduled events can end (`until`).

    This is an optional ability.
    """

    def end(self, event: str, settings: BaseModel) -> None:
        """End an event that was applied with these settings. Called before `begin_round`."""
        ...


@runtime_checkable
class ScheduledSlates(Protocol):
    """An environment, or the class of one, in which a schedule can set what a user sees first.

    This is an optional ability.
    """

    def set_slates(self, slates: Mapping[int, Sequence[int]]) -> None:
        """Set the first slate that users see in the round that begins next, and in no other.

        Called before `begin_round`. What it sets is part of `state` until `end_round`. Users who
        are not named see what they would see anyway.

        Args:
            slates: By row of the user, the rows of at least one item, each once, in the order in
                which she sees them.

        Raises:
            ConfigError: A slate cannot be shown, for example because it has too many items.
        """
        ...


@runtime_checkable
class GrowingCatalogue(Protocol):
    """An environment whose catalogue changes from round to round.

    This is an optional ability. `begin_round` and `end_round` may append to `items`, `cards` and
    `popularity`. A row never changes its item: an item that is gone keeps its row, and is shown no
    more. What `restore` sets includes the items that were appended.
    """

    def live(self) -> NDArray[np.bool_]:
        """Return which items can be shown now, shape (items,).

        Coverage and concentration of a round are measured over these.
        """
        ...


@runtime_checkable
class SlateFacts(Protocol):
    """An environment that knows facts about a slate which no user is shown.

    This is an optional ability. The engine asks for them when it commits a round, before
    `end_round`, and records them for readers of the run. No agent sees them, and no digest covers
    them.
    """

    def slate_facts(
        self, user: int, steps: Sequence[Step], observation: Observation
    ) -> Mapping[str, Sequence[float | None]]:
        """Return facts by name, each with a number for every place of the slate. Changes nothing.

        `score` is the recommender's own score, `truth` the stars that the user would give; None
        where there is no value. Other names are ignored.

        Args:
            user: Row of the user.
            steps: Her visit before this step.
            observation: What `observe` returned for this step.
        """
        ...
