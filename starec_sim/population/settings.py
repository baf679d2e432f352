"""The settings of a population: kinds of users, and the calibration of one kind by another."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from starec_sim.errors import did_you_mean
from starec_sim.plugins import Spec, spec_or
from starec_sim.settings import Settings

_ROUNDING = 1e-6
"""Shares that add up to 1 within this do."""


class KindPolicySpecs(Settings):
    """The policies of a kind; a node without one has that of the experiment."""

    fast: Annotated[Spec | None, spec_or("nano")] = None
    slow: Annotated[Spec | None, spec_or("nano")] = None


class UserKind(Settings):
    """One kind of users. What it does not set is as the experiment says."""

    share: float | None = Field(default=None, gt=0, le=1)
    """The share of the users whom no condition meets; each is drawn by her id and the seed."""
    when: dict[str, str | int | float] | None = Field(default=None, min_length=1)
    """Facts of a profile with their values; whoever has all of them is of this kind."""
    agent: Annotated[Spec | None, spec_or("star")] = None
    policies: KindPolicySpecs = KindPolicySpecs()

    @model_validator(mode="after")
    def _has_users(self) -> Self:
        if (self.share is None) == (self.when is None):
            found = "neither" if self.share is None else "both"
            raise ValueError(
                f"a kind has either a `share` or a condition `when`, and this one has {found}"
            )
        return self

    def specs(self, agent: Mapping[str, Any], policies: Mapping[str, Any]) -> dict[str, Any]:
        """Return the agent and the policies of the kind, given those of the experiment."""
        own = {node: spec for node, spec in self.policies if spec is not None}
        return {"agent": self.agent or agent, "policies": {**policies, **own}}


def _kind_name(name: str) -> str:
    if not name.replace("-", "").replace("_", "").isalnum() or len(name) > 40:
        raise ValueError("the name of a kind must be 1 to 40 letters, digits, - and _")
    return name


def _whole(kinds: dict[str, UserKind]) -> dict[str, UserKind]:
    shares = {name: kind.share for name, kind in kinds.items() if kind.share is not None}
    if shares and abs(math.fsum(shares.values()) - 1) > _ROUNDING:
        each = ", ".join(f"{name} {share:g}" for name, share in shares.items())
        total = f"{math.fsum(shares.values()):.6g}"
        raise ValueError(f"the shares add up to {total} ({each}); they must add up to 1")
    return kinds


PopulationKinds = Annotated[
    dict[Annotated[str, AfterValidator(_kind_name)], UserKind], AfterValidator(_whole)
]
"""The kinds of a population by name."""


class CalibrationSettings(Settings):
    """Some users of a cheap kind are played a second time, as a costly kind plays them."""

    users: int = Field(default=200, ge=2)
    """How many of the cheap kind."""
    between: tuple[str, str]
    """The cheap kind and the costly one."""


def check_calibration(
    kinds: Mapping[str, UserKind], calibration: CalibrationSettings | None, record: str
) -> None:
    """Check that a calibration is between two kinds of the population, and will be on record.

    Args:
        kinds: Of the population.
        calibration: None if there is none.
        record: How much is recorded.

    Raises:
        ValueError: It is not.
    """
    if calibration is None:
        return
    if not kinds:
        raise ValueError(
            "calibration: is between two kinds, and there is no `population` that has kinds"
        )
    if record == "metrics":
        raise ValueError(
            "calibration: compares users, and `record: metrics` keeps none; set `record: decisions`"
        )
    cheap, costly = calibration.between
    for name in calibration.between:
        if name not in kinds:
            raise ValueError(
                f'calibration.between: the population has no kind "{name}"; '
                f"{did_you_mean(name, kinds)}"
            )
    if cheap == costly:
        raise ValueError(f'calibration.between: "{cheap}" stands there twice; name two kinds')
