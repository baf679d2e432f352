"""Build plug-ins so that all their calls are checked."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

from starec_sim.boundary.agent import checked_agent
from starec_sim.boundary.call import PluginBoundary, label_of, ships
from starec_sim.boundary.dataset import OWN, CheckedReader
from starec_sim.boundary.environment import STREAMS, CheckedEnvironment
from starec_sim.boundary.recommender import RNG, CheckedRecommender
from starec_sim.errors import ContractWarning

_COPIED_UP_TO_S = 10.0
"""An environment that takes longer to build is not built a second time for the comparison."""


def build_checked(kind: str, plugin: type, config: Any, *arguments: Any, **named: Any) -> Any:
    """Return a new instance of a plug-in class, wrapped so that its calls are checked.

    Args:
        kind: The kind of plug-in, as in `starec_sim.plugins.PluginKind`.
        plugin: The class.
        config: Its validated settings.
        *arguments: Of the constructor, after the settings.
        **named: Of the constructor.

    Raises:
        ContractError: The instance breaks the contract of its kind.
        PluginError: The constructor raised an exception.
    """
    if kind == "environments":
        boundary = PluginBoundary("environment", plugin, STREAMS)
        started = time.monotonic()
        built = boundary.build((config, *arguments), named)
        took_s = time.monotonic() - started
        copy: Callable[[], Any] | None = None
        if not ships(plugin):
            if took_s <= _COPIED_UP_TO_S:
                copy = _again(boundary, config, *arguments, **named)
            else:
                _warn_of_no_copy(label_of(plugin), took_s)
        return CheckedEnvironment(built, copy)
    if kind == "agents":
        return checked_agent(PluginBoundary("agent", plugin).build((config, *arguments), named))
    if kind == "recommenders":
        built = PluginBoundary("recommender", plugin, RNG).build((config, *arguments), named)
        return CheckedRecommender(built, named["n_items"])
    if kind == "datasets":
        built = PluginBoundary("dataset", plugin, OWN).build((config, *arguments), named)
        return CheckedReader(built)
    raise AssertionError(f"{kind} are not built here")


def _warn_of_no_copy(label: str, took_s: float) -> None:
    warnings.warn(
        f"environment {label}: it took {took_s:.0f} s to build, so no second one is built, and "
        "whether state() is complete is not checked in this run; `starec check` does so",
        ContractWarning,
        stacklevel=3,
    )


def _again(boundary: PluginBoundary, config: Any, *arguments: Any, **named: Any) -> Any:
    return lambda: boundary.build((config, *arguments), named)
