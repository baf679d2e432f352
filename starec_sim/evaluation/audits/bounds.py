"""Bounds on the metrics of audits: what a policy needs to be fit to simulate users with.

The bounds that ship are in `bounds.yaml`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import model_validator

from starec_sim import yaml_files
from starec_sim.errors import ConfigError, did_you_mean
from starec_sim.metrics import Interval
from starec_sim.settings import Settings, validate

Outcome = Literal["holds", "unsure", "fails"]


class Bound(Settings):
    """The values of a metric with which a policy is fit to simulate users with."""

    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.at_least is None and self.at_most is None:
            raise ValueError("a bound says at_least, at_most, or both")
        return self

    def judge(self, interval: Interval) -> Outcome:
        """Compare an interval with the bound: it fails only if no value of the interval is within.

        >>> from starec_sim.metrics import Interval
        >>> Bound(at_most=0.2).judge(Interval(0.3, 0.1, 0.5, 40))
        'unsure'
        """
        low, high = (
            (interval.mean, interval.mean)
            if np.isnan(interval.low)
            else (float(interval.low), float(interval.high))
        )
        least = -np.inf if self.at_least is None else self.at_least
        most = np.inf if self.at_most is None else self.at_most
        if np.isnan(interval.mean):
            return "unsure"
        if least <= low and high <= most:
            return "holds"
        return "fails" if high < least or low > most else "unsure"

    @property
    def short(self) -> str:
        """The bound with signs, e.g. `≤ 0.2`."""
        if self.at_least is None:
            return f"≤ {self.at_most:g}"
        if self.at_most is None:
            return f"≥ {self.at_least:g}"
        return f"{self.at_least:g} to {self.at_most:g}"

    def __str__(self) -> str:
        least = None if self.at_least is None else f"at least {self.at_least:g}"
        most = None if self.at_most is None else f"at most {self.at_most:g}"
        return " and ".join(part for part in (least, most) if part)


Bounds = Mapping[str, Mapping[str, Bound]]
"""By audit and metric."""


def read_bounds(path: Path | None = None) -> dict[str, dict[str, Bound]]:
    """Return the bounds that ship; those of another file replace them.

    Raises:
        ConfigError: The file cannot be read, or names what no audit measures.
    """
    shipped = (files("starec_sim.evaluation.audits") / "bounds.yaml").read_text("utf-8")
    bounds = _parsed(yaml_files.parse(shipped, "bounds.yaml"), "bounds.yaml")
    if path is None:
        return bounds
    own = _parsed(yaml_files.load(path, hint="e.g. position: {tau: {at_most: 0.2}}"), str(path))
    for audit, metrics in own.items():
        _named(audit, bounds, path)
        for metric in metrics:
            _named(metric, bounds[audit], path)
        bounds[audit] = {**bounds[audit], **metrics}
    return bounds


def _named(name: str, known: Iterable[str], path: Path) -> None:
    if name not in known:
        raise ConfigError(
            f'{path}: there is no bound on "{name}"; {did_you_mean(name, known)}',
            hint="the bounds that ship: starec_sim/evaluation/audits/bounds.yaml",
        )


def _parsed(values: Mapping[str, Any], at: str) -> dict[str, dict[str, Bound]]:
    if not all(isinstance(v, dict) for v in values.values()):
        raise ConfigError(
            f"{at} must hold metrics with their bounds, by audit",
            hint="e.g. position: {tau: {at_most: 0.2}}",
        )
    return {
        audit: {
            name: validate(Bound, bound if isinstance(bound, dict) else {}, f"{at}: {audit}.{name}")
            for name, bound in metrics.items()
        }
        for audit, metrics in values.items()
    }
