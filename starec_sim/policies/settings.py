"""What an experiment may say about the calls of its policies: limits, prices, budget.

They stand here, apart from the gateway, so that reading a configuration imports no model library.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field

from starec_sim.errors import ConfigError
from starec_sim.settings import HINT, Settings, validate


class Limits(Settings):
    """How hard an endpoint may be asked. Policies of one name and equal limits share them."""

    requests_per_minute: float | None = Field(default=None, gt=0)
    tokens_per_minute: float | None = Field(default=None, gt=0)
    """Tokens read and written; what a call will need is guessed from its length beforehand and
    corrected by what the endpoint reports."""
    in_flight: int | None = Field(default=None, ge=1)
    """Calls under way at once. Empty: the model's own `max_in_flight` if it has one, else as many
    as there are visits in flight."""


class Price(Settings):
    """What an endpoint charges, in USD for a million tokens, and since when that is known."""

    tokens_in: float = Field(ge=0)
    tokens_out: float = Field(ge=0)
    as_of: date

    def of(self, tokens_in: int, tokens_out: int) -> float:
        """Return the price of one call in USD.

        >>> Price(tokens_in=0.5, tokens_out=2, as_of=date(2026, 11, 1)).of(1_000_000, 500_000)
        1.5
        """
        return (tokens_in * self.tokens_in + tokens_out * self.tokens_out) / 1_000_000


class GatewaySettings(Settings):
    """How models are asked."""

    cache: Path | None = None
    """A file of answers that runs share. Off by default: what stands behind a model's name can
    change, and a run that reads another's answers measures neither speed nor cost."""
    replay: str | None = None
    """A recorded run whose answers are given instead of asking any model."""
    timeout_s: float = Field(default=600, gt=0)
    """The longest that one attempt may take, whatever the model is."""
    retries: int = Field(default=6, ge=0)
    """Further attempts after an overload, a failure of the endpoint, or a time-out."""
    backoff_s: float = Field(default=1.0, ge=0)
    """The wait before the first of them; it doubles with each, up to a minute."""


class Budget(Settings):
    """What a run may spend in all, over all its arms, seeds and processes."""

    calls: int | None = Field(default=None, ge=0)
    """Requests sent, retries included; what comes from a cache or a recording is free."""
    tokens: int | None = Field(default=None, ge=0)
    usd: float | None = Field(default=None, ge=0)
    hours: float | None = Field(default=None, ge=0)
    """Of wall time."""


class Terms(NamedTuple):
    """What a policy's spec says of its endpoint rather than to its model."""

    limits: Limits
    price: Price | None


def split(spec: Mapping[str, Any], at: str) -> tuple[dict[str, Any], Terms]:
    """Return a policy's spec without the keys that are the gateway's, and what those say.

    Raises:
        ConfigError: Names the key.
    """
    inner = {key: value for key, value in spec.items() if key not in ("limits", "price")}
    for key in ("limits", "price"):
        if not isinstance(spec.get(key) or {}, Mapping):
            raise ConfigError(f"{at}.{key}: must hold keys and values", hint=HINT)
    limits = validate(Limits, spec.get("limits") or {}, f"{at}.limits")
    price = validate(Price, spec["price"], f"{at}.price") if spec.get("price") else None
    return inner, Terms(limits, price)
