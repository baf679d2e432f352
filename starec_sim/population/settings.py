"""The settings of a population: kinds of users, and the calibration of one kind by another."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from starec_sim.errors import ConfigError, ContractWarning, near_name
from starec_sim.plugins import Spec, spec_or
from starec_sim.settings import Settings

_ROUNDING = 1e-6
"""Shares that add up to 1 within this do."""
_FEWEST = 2
"""Users of a calibration; one has no interval."""


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

    users: int = Field(default=200, ge=_FEWEST)
    """How many of the cheap kind."""
    between: tuple[str, ...] = ()
    """The cheap kind and the costly one; `check_calibration` says when they are not two kinds."""

    @field_validator("between", mode="before")
    @classmethod
    def _names(cls, value: Any) -> tuple[str, ...]:
        """Take whatever stands there as names: an error about it has to tell the kinds."""
        several = isinstance(value, list | tuple)
        return tuple(map(str, value)) if several else () if value is None else (str(value),)


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
    if wrong := _no_two_kinds(kinds, calibration.between):
        raise ValueError(
            f"calibration.between: must be two kinds of the population ({', '.join(kinds)}), the "
            f"cheap one and the costly one; {wrong}"
        )


def _no_two_kinds(kinds: Mapping[str, UserKind], names: Sequence[str]) -> str:
    """Return why names are not those of two kinds; empty if they are."""
    if len(names) != 2:
        verb = "is" if len(names) == 1 else "are"
        return f"there {verb} {len(names)}: {', '.join(names)}" if names else "there is none"
    for name in names:
        if name not in kinds:
            near = near_name(name, kinds)
            return f'there is no kind "{name}"; {near}'.rstrip("; ")
    return f'"{names[0]}" stands there twice' if names[0] == names[1] else ""


def check_calibrated_users(calibration: CalibrationSettings, kinds: Sequence[str]) -> None:
    """Check that a trial has as many users of the cheap kind as a calibration asks for.

    Args:
        calibration: Its settings.
        kinds: The kind of each user of the trial.

    Raises:
        ConfigError: There are fewer users in all. Fewer of the cheap kind, who are drawn, are told
            in a warning.
    """
    cheap, costly = calibration.between
    there = kinds.count(cheap)
    asked = f'calibration.users: {calibration.users:,} users of kind "{cheap}" are to be played'
    if calibration.users > len(kinds):
        raise ConfigError(
            f'{asked} as "{costly}" too, and there are {len(kinds):,} users, {there:,} of them '
            "of that kind",
            hint=f"set calibration.users to {there:,} or less"
            if there >= _FEWEST
            else f"play more users: a calibration needs {_FEWEST} of that kind",
        )
    if there < calibration.users:
        warnings.warn(
            f'{asked} as "{costly}" too, and there are {there:,}; all of them are',
            ContractWarning,
            stacklevel=2,
        )
