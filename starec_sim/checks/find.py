"""Find what `starec check` names, and build it: a registered name, a file or an entry point."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from starec_sim import plugins
from starec_sim.checks.target import CheckTarget
from starec_sim.errors import ConfigError, PluginError, did_you_mean
from starec_sim.plugin_files import import_file
from starec_sim.plugin_registry import PluginKind, registered, singular
from starec_sim.rng import Streams

CHECKED: tuple[PluginKind, ...] = (
    *("environments", "recommenders", "agents", "policies", "datasets", "rewards"),
)
_METHODS: Mapping[PluginKind, tuple[str, ...]] = {
    "environments": ("begin_round", "observe", "respond"),
    "recommenders": ("fit", "recommend"),
    "agents": ("visit",),
    "datasets": ("load",),
}
"""Methods by which a class is told from the others."""


def find(
    reference: str,
    kind: str = "",
    settings: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
) -> CheckTarget:
    """Return the plug-in that a reference names.

    Args:
        reference: A registered name, `file.py:Class` or `package.module:Class`.
        kind: `environment`, `agent`, ...; empty if the reference or the class says it.
        settings: Settings of the plug-in.
        data: The spec of the dataset that an environment is built on; None without one.

    Raises:
        ConfigError: The kind is unclear, or a setting is wrong.
        PluginError: There is no such plug-in, or it cannot be loaded.
    """
    kinds: list[PluginKind] = list(CHECKED)
    if kind:
        kinds = [each for each in CHECKED if kind.lower() in (each, singular(each))]
    if not kinds:
        raise ConfigError(
            f'there is no kind of plug-in "{kind}"; '
            f"{did_you_mean(kind, [singular(each) for each in CHECKED])}",
            hint="e.g. --kind environment",
        )
    if ":" in reference:
        if len(kinds) > 1:
            kinds = [_kind_of(plugins.load("environments", reference), reference)]
    else:
        named: list[PluginKind] = [each for each in kinds if reference in registered(each)]
        if not named:
            known = [name for each in kinds for name in registered(each)]
            raise PluginError(
                f'no plug-in is called "{reference}"; {did_you_mean(reference, known)}',
                hint="`starec plugins` lists all names; a class in a file is written as "
                "file.py:Class",
            )
        if len(named) > 1:
            raise ConfigError(
                f'"{reference}" is the name of several plug-ins: '
                f"{', '.join(singular(each) for each in named)}",
                hint=f"add --kind {singular(named[0])}",
            )
        kinds = named
    return _target(kinds[0], reference, dict(settings or {}), data)


def from_origin(origin: Mapping[str, Any]) -> CheckTarget:
    """Return the target of an origin: that of `find`, or a suite of tests in a file."""
    if "suite" in origin:
        file, _, name = origin["suite"].rpartition(":")
        suite = getattr(import_file(Path(file)), name)()
        target: CheckTarget = suite.target()
        return target
    return _target(origin["kind"], origin["use"], origin["settings"], origin["data"])


def _kind_of(plugin: Any, reference: str) -> PluginKind:
    """Return the kind of a class or a function by what it has."""
    if _is_policy(plugin):
        return "policies"
    for kind, methods in _METHODS.items():
        if all(callable(getattr(plugin, name, None)) for name in methods):
            return kind
    if inspect.isfunction(plugin):
        return "rewards"
    raise ConfigError(
        f"{reference} does not show what kind of plug-in it is: "
        + "; ".join(
            f"{singular(kind)} has {', '.join(methods)}" for kind, methods in _METHODS.items()
        ),
        hint="add its methods, or say the kind: --kind environment",
    )


def _is_policy(plugin: Any) -> bool:
    if "langchain_core" not in sys.modules:  # then no class can be derived from one of its own
        return False
    from langchain_core.language_models.chat_models import BaseChatModel

    chat = plugin if inspect.isclass(plugin) else type(plugin)
    return issubclass(chat, BaseChatModel)


def _target(
    kind: PluginKind,
    reference: str,
    settings: dict[str, Any],
    data: Mapping[str, Any] | None,
) -> CheckTarget:
    name = singular(kind)
    if data is not None and kind != "environments":
        raise ConfigError(
            f"{reference} is checked without data: only an environment is built on some",
            hint="leave --data and --set data.KEY out",
        )
    if settings and kind == "rewards":
        raise ConfigError(
            f"{next(iter(settings))}: the reward {reference} is a function without settings",
            hint="leave --set out",
        )
    origin = {"kind": kind, "use": reference, "settings": settings, "data": data}
    spec = {"use": reference, **settings}
    if kind == "rewards":
        function = plugins.load(kind, reference, "target")
        return CheckTarget(name, lambda: function, origin)
    if kind == "policies":
        from starec_sim.build import build_policy

        plugins.check_policy(spec, "target")
        return CheckTarget(name, lambda: build_policy(spec, "target").model, origin)
    plugin = plugins.configure(kind, spec, "target")
    if kind == "environments":
        dataset = None
        if data is not None:
            dataset = plugins.configure("datasets", data, "data").build().load()
        return CheckTarget(name, lambda seed: plugin.build(dataset, Streams(seed)), origin)
    if kind == "recommenders":
        return CheckTarget(
            name,
            lambda users, items, seed: plugin.build(n_users=users, n_items=items, seed=seed),
            origin,
        )
    return CheckTarget(name, lambda: plugin.build(), origin)
