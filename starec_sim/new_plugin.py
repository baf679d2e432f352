"""Write a starting point for a plug-in: one file with an experiment, or a package with tests."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment as Templates
from jinja2 import PackageLoader, StrictUndefined

import starec_sim
from starec_sim.errors import ConfigError, RunError, did_you_mean, os_hint
from starec_sim.plugin_registry import PluginKind, registered, singular

KINDS: Mapping[str, PluginKind] = {
    singular(kind): kind for kind in ("environments", "recommenders")
}
"""The kinds of which a plug-in can be written, by the singular."""

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST = 40


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
    dist = _checked_name(name)
    module, title = dist.replace("-", "_"), dist.replace("-", " ").capitalize()
    cls = "".join(word.capitalize() for word in dist.split("-"))
    file = f"{module}/{kind}.py" if package else f"{module}.py"
    values = {
        **{"dist": dist, "module": module, "cls": cls, "title": title, "kind": kind},
        "group": KINDS[kind],
        "article": "an" if kind[0] in "aeiou" else "a",
        "version": starec_sim.__version__,
        "use": dist if package else f'"{module}.py:{cls}"',
        "run": f"starec run {'experiment' if package else module}.yaml",
        "check": f"starec check {dist if package else f'{module}.py:{cls}'}",
    }
    paths = {file: f"{kind}.py"}
    if package:
        _check_free(kind, dist)
        folder = folder / dist
        paths |= {
            "experiment.yaml": f"{kind}.yaml",
            f"tests/test_{kind}.py": f"package/test_{kind}.py",
            ".github/workflows/tests.yml": "package/tests.yml",
            **{each: f"package/{each}" for each in ("pyproject.toml", "README.md", "LICENSE")},
        }
    else:
        paths[f"{module}.yaml"] = f"{kind}.yaml"
    texts = {folder / path: _render(template, values) for path, template in paths.items()}
    if package:
        texts[folder / module / "__init__.py"] = f'"""{title}."""\n'
        texts[folder / module / "py.typed"] = ""
    _check_module(module, texts, kind)
    _write(texts)
    return NewPlugin(list(texts), _commands(values, package))


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


def _check_module(module: str, texts: Mapping[Path, str], kind: str) -> None:
    """Refuse files that are there, and a module that another one hides."""
    for path in texts:
        if path.exists():
            raise RunError(
                f"{path} is there already, and nothing is overwritten",
                hint="choose another name, or move the file away",
            )
    taken = module in sys.stdlib_module_names or keyword.iskeyword(module)
    if taken or importlib.util.find_spec(module) is not None:
        what = "a word of Python" if keyword.iskeyword(module) else "the name of another module"
        raise ConfigError(
            f'"{module}" is {what}, so that it cannot be imported',
            hint=f"choose another name, e.g. starec new {kind} my-{module.replace('_', '-')}",
        )


def _render(template: str, values: Mapping[str, str]) -> str:
    templates = Templates(
        loader=PackageLoader("starec_sim", "templates"),
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


def _commands(values: Mapping[str, str], package: bool) -> list[str]:
    if not package:
        return [values["check"], values["run"]]
    return [
        f"cd {values['dist']} && pip install -e '.[dev]'",
        values["check"],
        values["run"],
        "pytest",
    ]
