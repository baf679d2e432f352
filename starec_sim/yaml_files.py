"""Read YAML strictly, and parse the KEY=VALUE pairs of the command line.

All YAML of the project is read here. A key that occurs twice in one mapping is an error. (Most YAML
libraries keep the last of the two.)
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from starec_sim.errors import ConfigError, did_you_mean, near_name, os_hint
from starec_sim.settings import HINT
from starec_sim.yaml_hints import yaml_hint

_MAX_VALUES = 1_000_000
"""Values that a YAML text unfolds to at most."""


def is_yaml(path: Path) -> bool:
    """Return whether the name of a file says that it holds YAML."""
    return path.suffix.casefold() in (".yaml", ".yml")


def load(path: Path, hint: str = "") -> dict[str, Any]:
    """Return the keys and values of a YAML file.

    Args:
        path: The file.
        hint: What to do if it holds something other than keys and values.

    Raises:
        ConfigError: The file is missing or cannot be read, is not YAML, holds a key twice, or
            holds something other than keys and values.
    """
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise ConfigError(f"there is no file {path}", hint=_nearest(path)) from None
    except IsADirectoryError:
        near = _nearest(path / "")
        raise ConfigError(f"{path} is a folder", hint=f"name a YAML file in it; {near}") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", hint=os_hint(error)) from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path} cannot be read: byte {error.start} is not UTF-8", hint="save it as UTF-8"
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
    except _RefusedError as error:
        raise ConfigError(f"{at}, {error}", hint=error.hint) from None
    except ValueError as error:
        raise ConfigError(f"{at} is not valid YAML: {error}", hint=yaml_hint(str(error))) from None
    if not isinstance(values, dict):
        kind = "nothing" if values is None else f"a {type(values).__name__}"
        raise ConfigError(f"{at} must hold keys and values, not {kind}", hint=hint)
    return values


def _nearest(path: Path) -> str:
    """Return which YAML file may be meant, or where a path is read from."""
    folder = path if path.is_dir() else path.parent
    if not folder.is_dir():
        return f"there is no folder {folder} either; relative paths start at {Path.cwd()}"
    with contextlib.suppress(OSError):
        names = [each.name for each in folder.iterdir() if is_yaml(each)]
        if names:
            where = "" if folder == Path() else f"{folder}/"
            near = near_name(path.name, names).replace('"', f'"{where}', 1)
            return near or did_you_mean(path.name, names)
    return f"{folder} holds no YAML file; relative paths start at {Path.cwd()}"


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

    A value that begins with `%`, such as the format of a time, is text; YAML refuses it.

    Args:
        text: What the user wrote.
        option: The option with the pair, for messages, e.g. `--set`.
        example: A correct use of the option, for the hint.

    Raises:
        ConfigError: There is no `=`, a part of the key is empty, or the value is not YAML.

    >>> key_value("environment.pages=3", "--set", "e.g. --set rounds=5")
    ('environment.pages', 3)
    >>> key_value("data.time_format=%d/%m/%Y", "--set", "")
    ('data.time_format', '%d/%m/%Y')
    """
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not all(key.split(".")):
        raise ConfigError(f'{option} "{text}" is not KEY=VALUE', hint=example)
    if value.lstrip().startswith("%"):
        return key, value.strip()
    try:
        return key, parse_value(value)
    except _RefusedError as error:
        raise ConfigError(f"{option} {key}: {error}", hint=error.hint) from None
    except ValueError as error:
        raise ConfigError(
            f'{option} {key}: "{value}" is not valid YAML: {_first_line(error)}',
            hint=f"to mean the text, quote it twice, once for the shell: '{key}=\"{value}\"'",
        ) from None


def key_value_pairs(texts: Iterable[str], option: str, example: str) -> list[tuple[str, Any]]:
    """Return the keys and values of several `KEY=VALUE`, see `key_value`; each key once.

    Raises:
        ConfigError: One is wrong, or a key has two values.

    >>> key_value_pairs(["rounds=5", "seed=1", "rounds=5"], "--set", "")
    [('rounds', 5), ('seed', 1)]
    """
    found: dict[str, Any] = {}
    for text in texts:
        key, value = key_value(text, option, example)
        if key in found and repr(found[key]) != repr(value):  # 1 and True are equal in Python
            raise two_values(option, key, found[key], value)
        found[key] = value
    return list(found.items())


def two_values(option: str, key: str, first: object, second: object) -> ConfigError:
    """Return the error of a key that an option sets twice."""
    return ConfigError(
        f"{option} {key} is there twice, with {first!r} and {second!r}", hint="keep one of the two"
    )


def key_values(text: str, option: str, example: str) -> tuple[str, list[Any]]:
    """Return the key and the values of one `KEY=VALUE,VALUE`; each value is YAML.

    Raises:
        ConfigError: There is no `=`, a value is empty or not YAML, or is there twice.

    >>> key_values("environment.pages=1,[2, 3]", "--over", "e.g. --over environment.pages=1,2")
    ('environment.pages', [1, [2, 3]])
    """
    key, equals, values = text.partition("=")
    if not equals:
        raise ConfigError(f'{option} "{text}" is not KEY=VALUE,VALUE', hint=example)
    parts = _split_at_commas(values)
    if not all(part.strip() for part in parts):
        raise ConfigError(f'{option} "{text}": a value is empty', hint=example)
    found = [key_value(f"{key}={part}", option, example) for part in parts]
    for number, (_, value) in enumerate(found):
        if any(value == other and type(value) is type(other) for _, other in found[:number]):
            raise ConfigError(
                f'{option} "{text}": {value} is there twice', hint="name each value once"
            )
    return found[0][0], [value for _, value in found]


def _first_line(error: ValueError) -> str:
    return str(error).partition("\n")[0]


def read_spec(text: str, what: str, example: str) -> dict[str, Any]:
    """Return the spec of a plug-in from its text on the command line.

    Args:
        text: A name, with settings after commas (`openai,model=qwen3:8b`), or the path of a YAML
            file with `use` and settings.
        what: What it is, for messages: `policy` or `data`.
        example: A correct use, for the hint.

    Raises:
        ConfigError: A setting is no KEY=VALUE or is there twice, or the file cannot be read.

    >>> read_spec("csv,path=log.csv,rating_scale=[1, 10]", "data", "")
    {'use': 'csv', 'path': 'log.csv', 'rating_scale': [1, 10]}
    """
    if is_yaml(Path(text)):
        return load(Path(text), hint="write `use: NAME` and the settings")
    name, *settings = _split_at_commas(text)
    values: dict[str, Any] = {"use": name}
    for setting in settings:
        key, value = key_value(setting, f'{what} "{text}":', example)
        if key in values:
            raise ConfigError(
                f'{what} "{text}": the key {key} is there already', hint="keep one of the two"
            )
        put(values, key, value, f'{what} "{text}": ')
    return values


def _split_at_commas(text: str) -> list[str]:
    """Return the parts between commas; a comma within brackets or quotes is none.

    >>> _split_at_commas("csv,a=[1, 2],delimiter=','")
    ['csv', 'a=[1, 2]', "delimiter=','"]
    """
    parts, depth, quote = [""], 0, ""
    for char in text:
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'" and parts[-1].endswith(("=", "[", "{", " ", ",")):
            quote = char
        elif char in "[{":
            depth += 1
        elif char in "]}":
            depth -= 1
        if char == "," and depth <= 0 and not quote:
            parts.append("")
        else:
            parts[-1] += char
    return parts


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


class _RefusedError(ValueError):
    """Something is YAML, and refused here, because it is easily misread."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def _misread(node: Any, value: float) -> _RefusedError:
    return _RefusedError(
        f"line {node.start_mark.line + 1}: YAML reads {node.value} as {value}",
        f'write {value} for the number, "{node.value}" for the text',
    )


class _StrictLoader(yaml.SafeLoader):
    """A YAML loader that refuses doubled keys, and numbers that are not what they look like."""

    def construct_yaml_int(self, node: Any) -> int:
        # YAML 1.1 reads 010 as 8 and 1:30 as 90.
        text = node.value.replace("_", "").lstrip("+-")
        value = int(super().construct_yaml_int(node))
        if ":" in text or (len(text) > 1 and text[0] == "0" and text.isdigit()):
            raise _misread(node, value)
        return value

    def construct_yaml_float(self, node: Any) -> float:
        value = float(super().construct_yaml_float(node))
        if ":" in node.value:
            raise _misread(node, value)
        return value

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        # Check here, because later the keys that `<<` merges are among the others.
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            if (key.tag, key.value) in seen:
                raise _RefusedError(
                    f'line {key.start_mark.line + 1}: the key "{key.value}" is there already',
                    "keep one of the two",
                )
            seen.add((key.tag, key.value))
        return node


for _tag in ("int", "float"):
    _StrictLoader.add_constructor(
        f"tag:yaml.org,2002:{_tag}", getattr(_StrictLoader, f"construct_yaml_{_tag}")
    )
