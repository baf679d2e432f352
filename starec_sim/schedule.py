"""The schedule of an experiment: what changes at the beginning of which round."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, Field, model_validator

from starec_sim.environment import ScheduledEvents
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

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.set and self.event is None:
            raise ValueError("name keys in `set`, or an `event`")
        return self


class ScheduledEvent(NamedTuple):
    """An event in an environment, with its settings validated."""

    name: str
    settings: BaseModel


def scheduled_event(environment: Any, spec: Mapping[str, Any], at: str) -> ScheduledEvent:
    """Return an event with its settings validated.

    Args:
        environment: The class of the environment.
        spec: `{"use": event, **settings}`.
        at: The dotted key of the spec, for messages.

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
    settings = {key: value for key, value in spec.items() if key != "use"}
    return ScheduledEvent(name, validate(environment.events[name], settings, at))
