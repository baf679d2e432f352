"""Write a starting point for a plug-in: one file with an experiment, or a package with tests."""

from __future__ import annotations

import ast
import keyword
import re
import shlex
import sys
from collections.abc import Iterable, Mapping
from importlib.machinery import PathFinder
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment as Templates
from jinja2 import PackageLoader, StrictUndefined

from starec_sim.errors import ConfigError, RunError, did_you_mean, os_hint
from starec_sim.plugin_names import SHIPPED
from starec_sim.plugin_registry import PluginKind, registered

KINDS: Mapping[str, PluginKind] = {
    "environment": "environments",
    "recommender": "recommenders",
    "agent": "agents",
    "policy": "policies",
    "dataset": "datasets",
    "reward": "rewards",
}
"""The kinds of which a plug-in can be written, by the singular."""

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST = 30
_LOWEST_VERSION = "0.3.0.dev0"
"""The first version of starec-sim that has what the templates use, as `World`."""


class NewPlugin(NamedTuple):
    """What was written."""

    files: list[Path]
    commands: list[str]
    """What to type next."""


def write_new_plugin(kind: str, name: str, folder: Path, *, package: bool = False) -> NewPlugin:
    """Write a plug-in that runs, passes its checks, and is meant to be changed.

    Args:
        kind: `environment`, `recommender`, ...
        name: Its name: `coffee-shop` becomes the module `coffee_shop` and the class `CoffeeShop`.
        folder: Where the file, or the folder of the package, is written.
        package: Whether to write a package that can be installed, with tests.

    Raises:
        ConfigError: There is no such kind, or the name cannot be used.
        RunError: A file is there already, or cannot be written. Nothing is overwritten.
    """
    if kind not in KINDS:
        raise ConfigError(
            f'there is no kind of plug-in "{kind}"; {did_you_mean(kind, KINDS)}',
            hint=f"e.g. starec new environment {name}",
        )
    values = _values(kind, _checked_name(name), package)
    if package:
        _check_free(kind, values["dist"])
    place = folder / values["dist"] if package else folder
    texts = {
        place / path: _render(template, values)
        for path, template in _templates(kind, values["module"], package).items()
    }
    if package:
        texts[place / values["module"] / "__init__.py"] = f'"""{values["title"]}."""\n'
        texts[place / values["module"] / "py.typed"] = ""
    _check_module(kind, values["module"], texts)
    codes = (
        text
        for path, text in texts.items()
        if path.name in (f"{kind}.py", f"{values['module']}.py")
    )
    _check_class(kind, values["module"], codes)
    _write(texts)
    commands = [] if folder == Path() else [f"cd {shlex.quote(str(folder))}"]
    if package:
        commands.append(f"cd {values['dist']} && pip install -e '.[dev]'")
    commands += [values["check"], values["run"]]
    return NewPlugin(list(texts), [*commands, "pytest"] if package else commands)


def _values(kind: str, dist: str, package: bool) -> dict[str, str]:
    """Return what the templates are filled with."""
    module = dist.replace("-", "_")
    cls = _class_name(module)
    found = module if kind == "reward" else cls  # a reward is a function
    reference = f"{module}.py:{found}"
    command = "train" if kind == "reward" else "run"
    return {
        "kind": kind,
        "group": KINDS[kind],
        "article": "an" if kind[0] in "aeiou" else "a",
        "dist": dist,
        "module": module,
        "cls": cls,
        "function": module,
        "task": module,
        "object": found,
        "title": dist.replace("-", " ").capitalize(),
        "version": _LOWEST_VERSION,
        "use": dist if package else f'"{reference}"',
        "run": f"starec {command} {'experiment' if package else module}.yaml",
        "check": f"starec check {dist if package else reference}",
    }


def _templates(kind: str, module: str, package: bool) -> dict[str, str]:
    """Return the template of each file, by the path of the file."""
    code = f"{module}/{kind}" if package else module
    files = {f"{code}.py": f"{kind}.py"}
    files["experiment.yaml" if package else f"{module}.yaml"] = f"{kind}.yaml"
    if kind == "dataset":
        files[f"{code}.jsonl"] = "dataset.jsonl"
    if package:
        files[f"tests/test_{kind}.py"] = f"package/{kind}_test.py"
        files[".github/workflows/tests.yml"] = "package/tests.yml"
        files |= {each: f"package/{each}" for each in ("pyproject.toml", "README.md", "LICENSE")}
    return files


def _checked_name(name: str) -> str:
    """Return a name in small letters with hyphens: `CoffeeShop` and `coffee_shop` are one name."""
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).replace("_", "-").lower()
    if _NAME.fullmatch(plain) and len(plain) <= _LONGEST:
        return plain
    words = re.findall(r"[a-z0-9]+", plain.removesuffix(".py"))
    near = "-".join(words)[: _LONGEST - 3].rstrip("-") or "coffee-shop"
    near = near if near[0].isalpha() and len(near) > 2 else f"my-{near}"
    raise ConfigError(
        f'the name "{name}" cannot be that of a Python module: it must be letters, digits and '
        f"hyphens, begin with a letter, and have at most {_LONGEST} characters",
        hint=f"e.g. {near}",
    )


def _check_free(kind: str, dist: str) -> None:
    """Refuse the registered name of another plug-in: two of one name can neither be used."""
    points = registered(KINDS[kind]).get(dist, ())
    if points:
        raise ConfigError(
            f'"{dist}" is already the name of {points[0].value}, an installed {kind}',
            hint=f"choose another name, e.g. my-{dist}",
        )


def _check_module(kind: str, module: str, texts: Mapping[Path, str]) -> None:
    """Refuse files that are there, and a module that another one hides."""
    for path in texts:
        if path.exists():
            raise RunError(
                f"{path} is there already, and nothing is overwritten",
                hint="choose another name, or move the file away",
            )
    cls = _class_name(module)
    word = keyword.iskeyword(module) or keyword.iskeyword(cls)  # none becomes the class None
    if word or module in (*sys.stdlib_module_names, *SHIPPED) or _is_installed(module):
        what = "a word of Python" if word else "the name of another module"
        raise ConfigError(
            f'"{module}" is {what}, so that it cannot be imported',
            hint=f"choose another name, e.g. starec new {kind} my-{module.replace('_', '-')}",
        )


def _check_class(kind: str, module: str, texts: Iterable[str]) -> None:
    """Refuse a class that would hide what its own file imports, as `Item` would."""
    imported = {
        alias.name
        for text in texts
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    if (cls := _class_name(module)) in imported:
        raise ConfigError(
            f'"{module}" would be the class {cls}, which hides the {cls} that its file imports',
            hint=f"choose another name, e.g. starec new {kind} my-{module.replace('_', '-')}",
        )


def _class_name(module: str) -> str:
    return "".join(word.capitalize() for word in module.split("_"))


def _render(template: str, values: Mapping[str, str]) -> str:
    templates = Templates(
        loader=PackageLoader("starec_sim", "templates"),
        block_start_string="[%",
        block_end_string="%]",
        variable_start_string="[[",
        variable_end_string="]]",
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
    return templates.get_template(f"{template}.jinja").render(values)


def _write(texts: Mapping[Path, str]) -> None:
    for path, text in texts.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise RunError(
                f"{path} cannot be written: {error.strerror}", hint=os_hint(error)
            ) from error


def _is_installed(module: str) -> bool:
    """Return whether an installed package brings a module of this name."""
    folders = [each for each in sys.path if each.endswith(("site-packages", "dist-packages"))]
    return PathFinder.find_spec(module, folders) is not None
