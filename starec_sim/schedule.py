"""The schedule of an experiment: what changes at the beginning of which round."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from starec_sim.settings import Settings


class ScheduledChange(Settings):
    """Keys of the configuration that change at the beginning of a round."""

    round: int = Field(ge=2)
    """From 1. The first round that is played with the change; what holds from round 1 on is the
    configuration itself."""
    set: dict[str, Any] = Field(min_length=1)
    """Dotted keys and their values, as in an arm: of `environment`, `agent` and `policies`."""
