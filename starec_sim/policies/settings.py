"""Settings of the calls of policies: limits, prices, the gateway, the budget.

This module is apart from the gateway, so that reading a configuration imports no model library.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple, Self

from pydantic import Field, model_validator

from starec_sim.errors import ConfigError
from starec_sim.settings import HINT, Settings, validate


class Limits(Settings):
    """The most calls that an endpoint gets. Policies of one name and equal limits share them."""

    requests_per_minute: float | None = Field(default=None, gt=0)
    tokens_per_minute: float | None = Field(default=None, gt=0)
    """Tokens of prompts and answers. They are estimated from the length of the prompt before a
    call, and corrected by what the endpoint reports after it."""
    in_flight: int | None = Field(default=None, ge=1)
    """Calls in flight at once. None: the model's own `max_in_flight` if it has one, else as many as
    there are visits in flight."""


class Price(Settings):
    """What an endpoint charges, in USD for a million tokens, and the date of that price."""

    tokens_in: float = Field(ge=0)
    tokens_out: float = Field(ge=0)
    as_of: date

    def of(self, tokens_in: int, tokens_out: int) -> float:
        """Return the cost of one call in USD.

        >>> Price(tokens_in=0.5, tokens_out=2, as_of=date(2026, 11, 1)).of(1_000_000, 500_000)
        1.5
        """
        return (tokens_in * self.tokens_in + tokens_out * self.tokens_out) / 1_000_000


class GatewaySettings(Settings):
    """How the gateway asks models."""

    cache: Path | None = None
    """A file of answers that runs share. Off by default: the model behind a name can change, and a
    run that reads answers from the cache measures neither speed nor cost."""
    replay: str | None = None
    """A recorded run; its answers are given, and no model is asked."""
    replay_rounds: int | None = Field(default=None, ge=1)
    """The first so many rounds are replayed, and later ones ask models; all when empty."""
    timeout_s: float = Field(default=600, gt=0)
    """The longest time of one attempt, for every model."""
    retries: int = Field(default=6, ge=0)
    """How many more attempts follow an overload, a failure of the endpoint, or a time-out. A
    time-out after which fewer calls are in flight does not count."""
    backoff_s: float = Field(default=1.0, ge=0)
    """The wait before the first of them; it doubles with each further one, up to a minute."""

    @model_validator(mode="after")
    def _has_a_recording(self) -> Self:
        if self.replay_rounds is not None and self.replay is None:
            raise ValueError("replay_rounds says how much is replayed; set replay too")
        return self


class Budget(Settings):
    """The most that a run may spend, over all its arms, seeds and processes."""

    calls: int | None = Field(default=None, ge=0)
    """Requests, retries included. Answers from the cache or from a recording are free."""
    tokens: int | None = Field(default=None, ge=0)
    usd: float | None = Field(default=None, ge=0)
    hours: float | None = Field(default=None, ge=0)
    """Of wall time."""


class EndpointTerms(NamedTuple):
    """The part of a policy's spec that is about its endpoint."""

    limits: Limits
    price: Price | None


def split_spec(spec: Mapping[str, Any], at: str) -> tuple[dict[str, Any], EndpointTerms]:
    """Split a policy's spec into the part for its model and the part about its endpoint.

    Args:
        spec: The whole spec.
        at: The dotted key of the spec in the experiment, for error messages.

    Raises:
        ConfigError: Names the key.
    """
    inner = {key: value for key, value in spec.items() if key not in ("limits", "price")}
    for key in ("limits", "price"):
        if not isinstance(spec.get(key) or {}, Mapping):
            raise ConfigError(f"{at}.{key}: must hold keys and values", hint=HINT)
    limits = validate(Limits, spec.get("limits") or {}, f"{at}.limits")
    price = validate(Price, spec["price"], f"{at}.price") if spec.get("price") else None
    return inner, EndpointTerms(limits, price)
