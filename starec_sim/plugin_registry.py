"""Which plug-ins are registered: the entry points of all installed distributions.

Nothing is imported here, so a broken plug-in breaks only what uses it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Literal

from starec_sim.errors import PluginError

PluginKind = Literal[
    "agents",
    "environments",
    "datasets",
    "recommenders",
    "policies",
    "rewards",
    "data",
    "holdout",
]
"""The groups `starec_sim.<kind>`. `rewards` and `data` hold functions; `holdout` names the
environment that plays hold-outs, see `starec_sim.holdout.environment`."""

_SINGULAR = {"policies": "policy", "data": "data tool", "holdout": "environment for hold-outs"}


def singular(kind: str) -> str:
    """Return what one plug-in of a kind is called in messages.

    >>> singular("agents"), singular("policies")
    ('agent', 'policy')
    """
    return _SINGULAR.get(kind, kind[:-1])


@functools.cache
def registered(kind: PluginKind) -> Mapping[str, tuple[EntryPoint, ...]]:
    """Return the entry points of a kind by name; several if distributions use the same name."""
    by_name: dict[str, dict[str, EntryPoint]] = {}
    for point in entry_points(group=f"starec_sim.{kind}"):
        by_name.setdefault(point.name, {}).setdefault(point.value, point)
    return {name: tuple(points.values()) for name, points in by_name.items()}


def place_of(point: EntryPoint) -> tuple[str, str]:
    """Return module and name of what an entry point names.

    Raises:
        PluginError: It names nothing.
    """
    try:
        module, attr = point.module, point.attr
    except AttributeError:  # importlib.metadata does not check what is written there
        module, attr = "", ""
    if not module or not attr:
        raise PluginError(
            f'the entry point {point.name} = "{point.value}" of {distribution_of(point)} names no '
            "class",
            hint="write package.module:Class in the pyproject.toml of that distribution, and "
            "install it again",
        )
    return module, attr


def distribution_of(point: EntryPoint) -> str:
    """Return name and version of the distribution that registers an entry point."""
    found = point.dist
    return "an unknown distribution" if found is None else f"{found.name} {found.version}"


def clash(kind: PluginKind, name: str) -> PluginError | None:
    """Return the error that a name of several plug-ins is; None if it names one at most."""
    points = registered(kind).get(name, ())
    if len(points) < 2:
        return None
    sides = " and ".join(
        point.value if point.dist is None else f"{point.value} (of {distribution_of(point)})"
        for point in points
    )
    return PluginError(
        f'the {singular(kind)} "{name}" is registered twice: {sides}',
        hint="uninstall one of the two distributions, or write package.module:Class",
    )
