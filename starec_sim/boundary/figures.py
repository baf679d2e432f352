"""Checks of the figures of a round that an environment measures itself."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from starec_sim.boundary.values import BrokenContract, few, number, shown
from starec_sim.errors import ContractWarning
from starec_sim.glossary import METRICS

_WANTED = "figures are finite numbers by name; NaN where there is none"


def _plain_name(name: str) -> str:
    """Return a name without case and without what separates words."""
    return re.sub(r"[\s_-]+", "", name).casefold()


_BUILT_IN = {
    _plain_name(shown_as): name for name, info in METRICS.items() for shown_as in (name, info.label)
}
"""The built-in metrics by name and by the label that is printed."""


def checked_figures(value: Any, allowed: frozenset[str] = frozenset()) -> dict[str, float]:
    """Return the figures of a round with plain values.

    Args:
        value: What `end_round` returned.
        allowed: Names of built-in metrics that this environment measures.
    """
    if not isinstance(value, Mapping):
        raise BrokenContract(
            f"returned {shown(value)}; it must return a dict of figures",
            "return {} if the environment measures nothing itself",
        )
    figures = {}
    for name, figure in value.items():
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            raise BrokenContract(f"the name of a figure is {shown(name)}; it must be text", _WANTED)
        taken = _BUILT_IN.get(_plain_name(name))
        if taken and taken not in allowed:
            raise BrokenContract(
                f'the figure "{name}" has the name of a built-in metric '
                f"({METRICS[taken].meaning}), and one would hide the other",
                f'rename it, e.g. "my_{name}"',
            )
        plain = _plain(figure, name)
        if math.isinf(plain):
            raise BrokenContract(f'the figure "{name}" is {plain}, which is infinite', _WANTED)
        figures[name] = plain
    few(figures, "the figures")
    return figures


def warn_of_other_names(label: str, declared: Sequence[str], figures: Mapping[str, float]) -> None:
    """Warn of figures that are declared and do not come, and of others where some are declared.

    Args:
        label: The environment.
        declared: Its `own_metrics`.
        figures: Those of the first round.
    """
    absent = [name for name in declared if name not in figures]
    others = [name for name in figures if name not in declared]
    if not declared or not (absent or others):
        return
    said = [f'names "{name}", which the first round did not measure' for name in absent]
    said += [f'lacks "{name}", which it measured' for name in others]
    warnings.warn(
        f"{label}: own_metrics {'; it '.join(said)}. Name there what the environment returns of "
        "each round; NaN where there is no figure",
        ContractWarning,
        stacklevel=2,
    )


def _plain(figure: Any, name: str) -> float:
    try:
        return number(figure, f'the figure "{name}"')
    except BrokenContract as broken:
        raise BrokenContract(broken.what, _WANTED) from None
