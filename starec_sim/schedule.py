"""The schedule of an experiment: what changes at the beginning of which round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple, Self

from pydantic import BaseModel, Field, model_validator

from starec_sim.environment import EndingEvents, ScheduledEvents, ScheduledSlates
from starec_sim.errors import ConfigError, did_you_mean
from starec_sim.plugins import Spec
from starec_sim.settings import Settings, validate


class ScheduledChange(Settings):
    """What happens at the beginning of a round: keys change, or an event in the environment."""

    round: int = Field(ge=2)
    """From 1. The first round that is played with the change; what holds from round 1 on is the
    configuration itself."""
    set: dict[str, Any] = Field(default={})
    """Dotted keys and their values, as in an arm: of `environment`, `agent` and `policies`."""
    event: Spec | None = None
    """An event that the environment knows, and its settings: `{use: remove, items: [i7]}`."""
    memory: dict[str, Annotated[str, Field(min_length=1, max_length=4000)]] = Field(default={})
    """By the id of a user, the summary that replaces hers; what she experienced stays."""
    slate: dict[str, Annotated[tuple[str, ...], Field(min_length=1, max_length=1000)]] = Field(
        default={}
    )
    """By the id of a user, the ids of the items that she sees on the first page of this round."""
    until: int | None = Field(default=None, ge=3)
    """The first round without the event; it holds until the end of the run when empty."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.set and self.event is None and not self.memory and not self.slate:
            raise ValueError("name keys in `set`, an `event`, or users in `memory` or `slate`")
        if self.until is not None and self.event is None:
            raise ValueError("`until` ends an `event`; another entry sets keys back")
        if self.until is not None and self.until <= self.round:
            raise ValueError(f"`until` is round {self.until}, and the event begins in {self.round}")
        return self


class Due(NamedTuple):
    """What an entry of a schedule does in one round; an event begins in one, ends in another."""

    round: int
    """From 1."""
    key: str
    """The dotted key of the entry, for messages."""
    set: Mapping[str, Any]
    event: Mapping[str, Any] | None
    ends: bool = False
    """Whether the event ends in this round."""
    memory: Mapping[str, str] = MappingProxyType({})
    """By user, the summary that replaces hers."""
    slate: Mapping[str, Sequence[str]] = MappingProxyType({})
    """By user, the items that she sees first."""


def in_order(schedule: Sequence[ScheduledChange], rounds: int, at: str) -> list[Due]:
    """Return what is due by round: first keys change, then events end, then others begin.

    Args:
        schedule: The entries.
        rounds: Of the run.
        at: What stands before the key of an entry.

    Raises:
        ConfigError: A round is not played.
    """
    due = []
    for number, entry in enumerate(schedule):
        key = f"{at}schedule.{number}"
        for name, round in (("round", entry.round), ("until", entry.until)):
            if round is not None and round > rounds:
                raise ConfigError(
                    f"{key}.{name}: is {round}, and the run has {rounds} rounds",
                    hint="name a round that is played, or raise rounds",
                )
        here = Due(entry.round, key, entry.set, entry.event, False, entry.memory, entry.slate)
        due.append(here)
        if entry.until is not None:
            due.append(Due(entry.until, key, {}, entry.event, ends=True))
    return sorted(due, key=lambda each: (each.round, not each.set, not each.ends))


def check_sets_slates(environment: Any, at: str) -> None:
    """Check that a schedule can set slates of an environment.

    Args:
        environment: The class of the environment.
        at: The dotted key of the slates, for messages.

    Raises:
        ConfigError: It cannot.
    """
    if not issubclass(environment, ScheduledSlates):
        raise ConfigError(
            f"{at}: the environment {environment.__name__} lets no schedule set what users see",
            hint="`feed` does; in an environment of yours, write a method `set_slates`",
        )


class ScheduledEvent(NamedTuple):
    """An event in an environment, with its settings validated."""

    name: str
    settings: BaseModel
    ends: bool = False
    """Whether it ends; otherwise it happens."""


def scheduled_event(
    environment: Any, spec: Mapping[str, Any], at: str, *, ends: bool = False
) -> ScheduledEvent:
    """Return an event with its settings validated.

    Args:
        environment: The class of the environment.
        spec: `{"use": event, **settings}`.
        at: The dotted key of the spec, for messages.
        ends: Whether it ends; otherwise it happens.

    Raises:
        ConfigError: The environment has no such event, or a setting is wrong.
    """
    uses, name = environment.__name__, str(spec["use"])
    if not isinstance(environment, ScheduledEvents):
        raise ConfigError(
            f"{at}: the environment {uses} has no events",
            hint="change keys with `set`, or write `events` and `apply` into the environment",
        )
    if name not in environment.events:
        raise ConfigError(
            f'{at}.use: {uses} has no event "{name}"; {did_you_mean(name, environment.events)}',
            hint="name one of its events",
        )
    if ends and not isinstance(environment, EndingEvents):
        raise ConfigError(
            f"{at.removesuffix('event')}until: the events of {uses} do not end",
            hint=f"remove `until`, or write a method `end` into {uses}, beside `apply`",
        )
    settings = {key: value for key, value in spec.items() if key != "use"}
    return ScheduledEvent(name, validate(environment.events[name], settings, at), ends)
