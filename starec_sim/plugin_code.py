"""Which code of others a run uses: note it as it is loaded, hash it, refuse what is not allowed."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.metadata import packages_distributions as distributions_of_packages
from pathlib import Path
from types import ModuleType

from pydantic import BaseModel

from starec_sim.errors import StarecError
from starec_sim.plugin_files import hashes, sha256, short_path
from starec_sim.plugin_names import SHIPPED


class PluginCode(BaseModel):
    """The code of a plug-in that does not ship with starec-sim."""

    use: str
    """The reference in the configuration: `shop.py:Shop`, `package.module:Class`, or a name."""
    files: dict[str, str] = {}
    """SHA-256 by path, of code that no installed distribution holds. The first is the plug-in's."""
    distribution: str = ""
    """The name of the installed distribution; empty for a file."""
    version: str = ""


_used: ContextVar[dict[str, PluginCode] | None] = ContextVar("used code", default=None)
_refuse: ContextVar[Callable[[str], StarecError | None] | None] = ContextVar(
    "refused code", default=None
)


@contextmanager
def noted_code() -> Iterator[dict[str, PluginCode]]:
    """Collect the code of others that is loaded inside the block, by reference."""
    used: dict[str, PluginCode] = {}
    token = _used.set(used)
    try:
        yield used
    finally:
        _used.reset(token)


@contextmanager
def allowed_code(
    allowed: Collection[str] | None, error: Callable[[str], StarecError]
) -> Iterator[None]:
    """Refuse to load a file or a module that is not allowed, inside the block.

    Args:
        allowed: References that may be loaded; None allows all of them. Registered names and what
            ships with starec-sim may always be loaded.
        error: Takes a refused reference; returns the error that is raised.
    """
    token = _refuse.set(
        None if allowed is None else lambda use: None if use in allowed else error(use)
    )
    try:
        yield
    finally:
        _refuse.reset(token)


def check_allowed(reference: str, location: str) -> None:
    """Raise the error of `allowed_code` if a file or a module may not be loaded.

    Args:
        reference: As in the configuration.
        location: Its file or its module.
    """
    refuse = _refuse.get()
    if refuse is not None and not _ships(location) and (error := refuse(reference)) is not None:
        raise error


def note_code(reference: str, location: str, owner: Distribution | None = None) -> None:
    """Note that a plug-in was loaded.

    Args:
        reference: As in the configuration.
        location: Its file or its module.
        owner: The distribution that registers it, if one does.
    """
    used = _used.get()
    if used is None or reference in used or _ships(location):
        return
    if location.endswith(".py"):
        file = Path(location).expanduser().resolve()
        used[reference] = PluginCode(use=reference, files=hashes(file))
        return
    owner = owner or _owner_of(location.partition(".")[0])
    code = PluginCode(use=reference)
    if owner is not None:
        code = PluginCode(use=reference, distribution=owner.name, version=owner.version)
    if owner is None or _is_editable(owner):
        code.files = _module_files(location)
    used[reference] = code


def changed_code(codes: Sequence[PluginCode]) -> list[str]:
    """Return what has changed in the code of plug-ins, a phrase for each change."""
    changes = []
    for code in codes:
        for file, digest in code.files.items():
            if not Path(file).is_file():
                changes.append(f"{file} is gone")
            elif sha256(Path(file)) != digest:
                changes.append(f"{file} was changed")
        if code.distribution:
            try:
                now = distribution(code.distribution).version
            except PackageNotFoundError:
                changes.append(f"{code.distribution} {code.version} is not installed")
                continue
            if now != code.version:
                changes.append(f"{code.distribution} {code.version} is now version {now}")
    return list(dict.fromkeys(changes))


def present_code(codes: Sequence[PluginCode]) -> list[PluginCode]:
    """Return the same plug-ins with the present hashes and versions."""
    now = []
    for code in codes:
        main = next((Path(file).resolve() for file in code.files), None)
        if not code.distribution and code.use.rpartition(":")[0].endswith(".py") and main:
            kept = {file: sha256(Path(file)) for file in code.files}
            now.append(code.model_copy(update={"files": kept | hashes(main)}))
            continue
        version = code.version
        if code.distribution:
            version = distribution(code.distribution).version
        files = {file: sha256(Path(file)) for file in code.files}
        now.append(code.model_copy(update={"files": files, "version": version}))
    return now


def _ships(location: str) -> bool:
    return not location.endswith(".py") and location.partition(".")[0] in SHIPPED


def _owner_of(package: str) -> Distribution | None:
    names = distributions_of_packages().get(package)
    return distribution(names[0]) if names else None


def _is_editable(owner: Distribution) -> bool:
    """Return whether a distribution runs from its sources, which may change."""
    try:
        told = json.loads(owner.read_text("direct_url.json") or "{}")
    except ValueError:
        return False
    return bool(told.get("dir_info", {}).get("editable"))


def _module_files(module: str) -> dict[str, str]:
    """Return the SHA-256 of the files of a module's top package, by path."""
    top = module.partition(".")[0]
    loaded = sys.modules.get(top)
    if isinstance(loaded, ModuleType):
        spec = loaded.__spec__
    else:  # nothing is imported yet, or something that is no module stands in its place
        spec = None if loaded is not None else importlib.util.find_spec(top)
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return {}
    main = Path(spec.origin)
    files = sorted(main.parent.rglob("*.py")) if main.name == "__init__.py" else [main]
    return {short_path(file): sha256(file) for file in files}
