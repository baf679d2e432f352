"""Plug-ins in single files: import them, find the files that they import, hash all of them."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import re
import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

from starec_sim.errors import PluginError
from starec_sim.plugin_hints import no_file_hint
from starec_sim.plugin_names import FILE_MODULE, SHIPPED

_REFERENCE = re.compile(r"(?P<path>[^:\n]+\.py):[A-Za-z_]\w*")


def import_file(path: Path) -> Any:
    """Return the module of a file, which is imported once under a unique name.

    The file can import other files and packages of its folder. Installed modules come first, so a
    file that has the name of one is refused.

    Raises:
        PluginError: There is no such file, or a file beside it cannot be imported by its name.
    """
    resolved = path.expanduser().resolve()
    if not resolved.is_file():
        raise PluginError(f"there is no file {path}", hint=no_file_hint(path))
    digest = hashlib.sha256(str(resolved).encode()).hexdigest()[:8]
    name = f"{FILE_MODULE}{resolved.stem}_{digest}"
    if name not in sys.modules:
        if str(resolved.parent) not in sys.path:
            sys.path.append(str(resolved.parent))
        beside = siblings(resolved)
        for sibling in beside:
            _check_name(sibling, resolved)
        loader = _FromSource(name, str(resolved))
        spec = importlib.util.spec_from_file_location(name, resolved, loader=loader)
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        before = set(sys.modules)
        sys.modules[name] = module
        try:
            with _without_bytecode(beside):
                loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        _imported_with.setdefault(resolved, set()).update(_own_files(resolved, before))
    return sys.modules[name]


class _FromSource(SourceFileLoader):
    """Runs a file as it is now.

    Python's own loader takes compiled code whose file has the same size and second of change, which
    an edit can keep. The manifest would have the hash of code that did not run.
    """

    def get_code(self, fullname: str) -> Any:
        """Return the code of the file."""
        return self.source_to_code(self.get_data(self.path), self.path)


@contextmanager
def _without_bytecode(files: Iterable[Path]) -> Iterator[None]:
    """Import files that were compiled before as they are now, and keep no compiled code."""
    for file in files:
        with suppress(OSError, NotImplementedError):
            Path(importlib.util.cache_from_source(str(file))).unlink(missing_ok=True)
    kept, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = kept


def _own_files(file: Path, before: Collection[str]) -> Iterator[Path]:
    """Yield the files that the import of a plug-in's file read, but for installed ones.

    Some lie in other folders, which the file put into `sys.path`, or have names that are computed.

    Args:
        file: The file of the plug-in.
        before: The names of the modules that were imported before it.
    """
    named = set(_imported(file))
    for name, module in list(sys.modules.items()):
        top = name.partition(".")[0]
        source = str(getattr(module, "__file__", None) or "")
        if (name not in before or top in named) and source.endswith(".py"):
            path = Path(source).resolve()
            ours = path == file or top in SHIPPED or top in sys.stdlib_module_names
            if not ours and not _is_installed(path, name):
                yield path


def _is_installed(path: Path, name: str) -> bool:
    """Return whether a module is part of a distribution that pip installed."""
    return any(map(_holds_distributions, path.parents[: name.count(".") + 2]))


@cache
def _holds_distributions(folder: Path) -> bool:
    return next(folder.glob("*.dist-info"), None) is not None


_imported_with: dict[Path, set[Path]] = {}
"""The files that were read as a plug-in's file was imported, by that file."""


def siblings(file: Path) -> list[Path]:
    """Return the files of its folder that a file imports, and what these import, sorted.

    Of a package in the folder, all files are returned. Imports inside of functions count too.
    """
    found: set[Path] = set()
    waiting = [file]
    while waiting:
        for name in _imported(waiting.pop()):
            for path in _files_of(file.parent, name):
                if path not in found and path != file:
                    found.add(path)
                    waiting.append(path)
    return sorted(found)


def hashes(file: Path) -> dict[str, str]:
    """Return the SHA-256 of a plug-in's file and of the files that it imports.

    Of files outside of its folder, those that its import has read; installed ones are left out.
    Paths start in the working directory if the files lie in it; others are absolute.
    """
    imported = {*siblings(file), *_imported_with.get(file, ())}
    return {short_path(path): sha256(path) for path in (file, *sorted(imported))}


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file; empty if it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def short_path(path: Path) -> str:
    """Return a path from the working directory, or an absolute one if it lies outside."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def from_folder(values: Any, folder: Path) -> Any:
    """Return a configuration in which references to files of a folder start where we are.

    A reference `file.py:Class` of a YAML file is read from the folder of that file first, and from
    the working directory otherwise.

    Args:
        values: Keys and values of a YAML file.
        folder: The folder of the file.
    """
    if isinstance(values, dict):
        return {
            from_folder(key, folder): from_folder(value, folder) for key, value in values.items()
        }
    if isinstance(values, list):
        return [from_folder(value, folder) for value in values]
    if isinstance(values, str) and (match := _REFERENCE.fullmatch(values)):
        path = folder / Path(match["path"]).expanduser()
        if path.is_file():
            return short_path(path.absolute()) + values[match.end("path") :]
    return values


def named_files(text: str) -> list[str]:
    """Return the files of plug-ins that the text of a configuration names.

    >>> named_files("environment: {use: a/shop.py:Shop, seed: 3}")
    ['a/shop.py']
    """
    found = re.findall(r"([^\s:,{}\[\]\"']+\.py):[A-Za-z_]", text)
    return list(dict.fromkeys(found))


def _imported(file: Path) -> Iterator[str]:
    """Yield the top names of the modules that a file imports."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):  # the import itself says what is wrong
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _files_of(folder: Path, name: str) -> list[Path]:
    """Return the files of a module or a package of a folder; none if it lies elsewhere."""
    if (folder / name / "__init__.py").is_file():
        return sorted((folder / name).rglob("*.py"))
    file = folder / f"{name}.py"
    return [file] if file.is_file() else []


def _check_name(sibling: Path, importer: Path) -> None:
    """Refuse a file beside a plug-in if its name leads to another module."""
    inner = sibling.relative_to(importer.parent)
    name = inner.parts[0].removesuffix(".py")
    loaded = sys.modules.get(name)
    if loaded is not None:
        leads_to = getattr(loaded, "__file__", None)
    else:
        spec = importlib.util.find_spec(name)
        leads_to = spec.origin if spec is not None else None
    own = importer.parent / inner.parts[0]
    if leads_to is None or not Path(leads_to).resolve().is_relative_to(own):
        raise PluginError(
            f"{importer.name} imports {name}, and {own.name} beside it would not be imported: "
            f"the name leads to {leads_to or 'a module of Python'}",
            hint=f"rename {own.name}",
        )
