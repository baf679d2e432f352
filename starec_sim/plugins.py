"""Names to classes: the same door for what ships and for what others write.

A reference is one of

* a name that an installed distribution registers as an entry point (`feed`),
* `package.module:Class`,
* `path/to/file.py:Class`, so that a first plug-in is one file.

A plug-in class carries its configuration as a pydantic model named `Config`; it is validated
before anything starts.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal

from starec_sim.errors import PluginError, did_you_mean
from starec_sim.validation import validate

Kind = Literal["agents", "environments", "datasets", "recommenders", "policies", "data"]
"""The groups `starec_sim.<kind>`; `data` holds two functions, `detect` and `fetch`."""


@functools.cache
def registered(kind: Kind) -> Mapping[str, EntryPoint]:
    """Return the entry points of a kind by name.

    Raises:
        PluginError: Two distributions registered one name.
    """
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=f"starec_sim.{kind}"):
        other = found.get(point.name)
        if other is not None and other.value != point.value:
            raise PluginError(
                f'the name "{point.name}" in starec_sim.{kind} is registered twice: '
                f"{other.value} and {point.value}",
                hint="uninstall one of the two distributions, or refer to package.module:Class",
            )
        found[point.name] = point
    return found


def load(kind: Kind, reference: str) -> Any:
    """Return the class a reference names.

    Raises:
        PluginError: Nothing goes by that name, or importing it failed.
    """
    singular = {"policies": "policy", "data": "data tool"}.get(kind, kind[:-1])
    try:
        if ":" in reference:
            location, _, attribute = reference.rpartition(":")
            module = (
                _import_file(Path(location))
                if location.endswith(".py")
                else importlib.import_module(location)
            )
            return getattr(module, attribute)
        points = registered(kind)
        if reference not in points:
            raise PluginError(
                f'no {singular} is called "{reference}"; {did_you_mean(reference, points)}',
                hint="a class of your own is written as package.module:Class or path/file.py:Class",
            )
        return points[reference].load()
    except PluginError:
        raise
    except Exception as error:
        raise PluginError(
            f'the {singular} "{reference}" cannot be loaded: {type(error).__name__}: {error}',
            hint="check the spelling and that its package is installed in this environment",
        ) from error


def _import_file(path: Path) -> Any:
    """Import a single file under a name of its own, once."""
    resolved = path.expanduser().resolve()
    if not resolved.is_file():
        raise PluginError(f"there is no file {path}", hint=f"the path is read from {Path.cwd()}")
    digest = hashlib.sha256(str(resolved).encode()).hexdigest()[:8]
    name = f"starec_plugin_{resolved.stem}_{digest}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, resolved)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


def configure(kind: Kind, spec: Mapping[str, Any], at: str) -> tuple[Any, Any]:
    """Return the class a spec names and its validated configuration.

    Args:
        kind: Which sort of plug-in is wanted.
        spec: `{"use": reference, **settings}`.
        at: The dotted key under which the spec stands, for messages.

    Raises:
        ConfigError: The settings are not what the class's `Config` asks for.
        PluginError: The reference leads nowhere.
    """
    settings = {key: value for key, value in spec.items() if key != "use"}
    found = load(kind, str(spec["use"]))
    if not hasattr(found, "Config"):
        raise PluginError(
            f'{at}.use: "{spec["use"]}" has no `Config`, the pydantic model of its settings',
            hint="add `class Config(Settings): ...` to the class (from starec_sim.validation)",
        )
    return found, validate(found.Config, settings, at)
