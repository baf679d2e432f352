"""The schedule of an experiment: what changes at the beginning of which round."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, model_validator

from starec_sim.plugins import Spec
from starec_sim.settings import Settings


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
