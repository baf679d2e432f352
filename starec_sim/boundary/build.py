"""Build plug-ins so that all their calls are checked."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from starec_sim.boundary.agent import checked_agent
from starec_sim.boundary.call import PluginBoundary, ships
from starec_sim.boundary.dataset import OWN, CheckedReader
from starec_sim.boundary.environment import STREAMS, CheckedEnvironment
from starec_sim.boundary.recommender import RNG, CheckedRecommender

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
        quick = time.monotonic() - started <= _COPIED_UP_TO_S
        copy: Callable[[], Any] | None = None
        if quick and not ships(plugin):
            copy = _again(boundary, config, *arguments, **named)
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


def _again(boundary: PluginBoundary, config: Any, *arguments: Any, **named: Any) -> Any:
    return lambda: boundary.build((config, *arguments), named)
