"""Read YAML strictly, and parse the KEY=VALUE pairs of the command line.

All YAML of the project is read here. A key that occurs twice in one mapping is an error. (Most YAML
libraries keep the last of the two.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from starec_sim.errors import ConfigError
from starec_sim.settings import HINT

_MAX_VALUES = 1_000_000
"""Values that a YAML text unfolds to at most."""


def load(path: Path, hint: str = "") -> dict[str, Any]:
    """Return the keys and values of a YAML file.

    Args:
        path: The file.
        hint: What to do if there is no such file, or if it holds something else.

    Raises:
        ConfigError: The file is missing or cannot be read, is not YAML, holds a key twice, or
            holds something other than keys and values.
    """
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise ConfigError(f"there is no file {path}", hint=hint) from None
    except IsADirectoryError:
        raise ConfigError(f"{path} is a folder", hint="name the YAML file in it") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} cannot be read: {error}", hint="it must be a YAML file in UTF-8"
        ) from None
    return parse(text, str(path), hint)


def parse(text: str, at: str, hint: str = "") -> dict[str, Any]:
    """Return the keys and values of a YAML text.

    Args:
        text: The YAML.
        at: The source of the text, for messages.
        hint: What to do if the text holds something other than keys and values.

    Raises:
        ConfigError: The text is not YAML, holds a key twice, or is no mapping.
    """
    try:
        values = parse_value(text)
    except _DoubledKeyError as error:
        raise ConfigError(f"{at}, {error}", hint="keep one of the two") from None
    except ValueError as error:
        raise ConfigError(
            f"{at} is not valid YAML: {error}",
            hint="indent with spaces, and quote text that holds : # [ ] { } or *",
        ) from None
    if not isinstance(values, dict):
        kind = "nothing" if values is None else f"a {type(values).__name__}"
        raise ConfigError(f"{at} must hold keys and values, not {kind}", hint=hint)
    return values


def parse_value(text: str) -> Any:
    """Return the value of a YAML text, which may be of any type.

    Raises:
        ValueError: The text is not YAML, or holds a key twice. The message says where.

    >>> parse_value("[1, two, 3.5]")
    [1, 'two', 3.5]
    """
    try:
        value = yaml.load(text, _StrictLoader)
    except yaml.YAMLError as error:
        raise ValueError(str(error).replace('in "<unicode string>", ', "")) from None
    except (RecursionError, OverflowError):
        raise ValueError("it is nested too deeply, or a number is too large") from None
    if _count(value, {}) > _MAX_VALUES:
        raise ValueError(f"its anchors (&) unfold to more than {_MAX_VALUES:,} values")
    return value


def _count(value: Any, counts: dict[int, int]) -> int:
    """Return how many values a value unfolds to; those that an anchor repeats count each time.

    Raises:
        ValueError: It contains itself.
    """
    if not isinstance(value, dict | list):
        return 1
    if (known := counts.get(id(value))) is not None:
        if known == 0:  # it is being counted
            raise ValueError("it holds an anchor (&) that refers to itself")
        return known
    counts[id(value)] = 0
    inner = value.values() if isinstance(value, dict) else value
    counts[id(value)] = 1 + sum(_count(each, counts) for each in inner)
    return counts[id(value)]


def dump(values: Mapping[str, Any]) -> str:
    """Return keys and values as YAML, in their order."""
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def key_value(text: str, option: str, example: str) -> tuple[str, Any]:
    """Return the key and the value of one `KEY=VALUE`; the value is YAML.

    Args:
        text: What the user wrote.
        option: The option with the pair, for messages, e.g. `--set`.
        example: A correct use of the option, for the hint.

    Raises:
        ConfigError: There is no `=`, a part of the key is empty, or the value is not YAML.

    >>> key_value("environment.pages=3", "--set", "e.g. --set rounds=5")
    ('environment.pages', 3)
    """
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not all(key.split(".")):
        raise ConfigError(f'{option} "{text}" is not KEY=VALUE', hint=example)
    try:
        return key, parse_value(value)
    except _DoubledKeyError as error:
        raise ConfigError(f"{option} {key}: {error}", hint="keep one of the two") from None
    except ValueError:
        raise ConfigError(
            f'{option} {key}: "{value}" is not valid YAML',
            hint=f"quote it twice, once for the shell: '{key}=\"{value}\"'",
        ) from None


def put_all(values: dict[str, Any], changes: Iterable[tuple[str, Any]], at: str = "") -> None:
    """Set dotted keys in nested mappings: outer keys first, and a plug-in before its settings.

    >>> values = {"recommender": {"use": "als", "factors": 8}}
    >>> put_all(values, [("recommender.shrink", 3), ("recommender.use", "item-knn")])
    >>> values
    {'recommender': {'use': 'item-knn', 'shrink': 3}}
    """
    for key, value in sorted(
        changes, key=lambda change: (change[0].count("."), not change[0].endswith(".use"))
    ):
        put(values, key, value, at)


def put(values: dict[str, Any], key: str, value: Any, at: str = "") -> None:
    """Set one dotted key in nested mappings.

    If a key `use` names another plug-in, the settings of the old plug-in are removed.

    Args:
        values: Is changed; the nested mappings on the path are copied.
        key: A dotted key.
        value: The new value; it replaces the old one entirely.
        at: A prefix of the key, for messages.

    Raises:
        ConfigError: The key leads through a value that holds no keys.
    """
    *path, last = key.split(".")
    place = values
    for depth, name in enumerate(path):
        inner = place.setdefault(name, {})
        if isinstance(inner, str):
            inner = {"use": inner}
        if inner is None:
            inner = {}
        if not isinstance(inner, dict):
            raise ConfigError(
                f"{at}{key}: {'.'.join(path[: depth + 1])} is {inner!r}, which holds no keys",
                hint=HINT,
            )
        # Copy it: with YAML anchors two keys can share one mapping, and only one is changed.
        place[name] = dict(inner)
        place = place[name]
    if last == "use" and place.get("use", value) != value:
        place.clear()
    place[last] = value


class _DoubledKeyError(ValueError):
    """A key occurs twice in one mapping."""


class _StrictLoader(yaml.SafeLoader):
    """A YAML loader that refuses a key that occurs twice in one mapping."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        # Check here, because later the keys that `<<` merges are among the others.
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            if (key.tag, key.value) in seen:
                raise _DoubledKeyError(
                    f'line {key.start_mark.line + 1}: the key "{key.value}" is there already'
                )
            seen.add((key.tag, key.value))
        return node
