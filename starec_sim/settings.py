"""The base of every configuration: strict keys, errors that name the key, and renamed keys.

A renamed key keeps working under its old name for one release. The class lists it in `renamed`. The
old name causes a `DeprecatedKeyWarning`, which the command line prints as a hint.
"""

from __future__ import annotations

import re
import shlex
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from starec_sim.errors import (
    ConfigError,
    DeprecatedKeyWarning,
    did_you_mean,
    in_digits,
    near_name,
)

ModelT = TypeVar("ModelT", bound=BaseModel)

HINT = "mend that key where it is written"
"""What to do about a wrong setting. Whoever knows the file and the command says more."""


@contextmanager
def hinting(hint: str) -> Iterator[None]:
    """Say what to do about a wrong setting that stands in no file, such as an argument.

    Args:
        hint: Stands in place of `HINT`.

    Raises:
        ConfigError: One was raised in the block.
    """
    try:
        yield
    except ConfigError as error:
        raise ConfigError(
            error.message, hint=hint if error.hint == HINT else error.hint
        ) from error.__cause__


_MAX_SHOWN = 80
"""Characters of a wrong value that a message repeats."""


class Settings(BaseModel):
    """Base of every configuration: unknown keys are errors, and values cannot be changed."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, ser_json_inf_nan="constants"
    )

    renamed: ClassVar[Mapping[str, str]] = {}
    """Old keys and their present names. Dotted ones reach into a mapping, and only the part after
    the last dot may differ: `{"train.anchor": "train.sft"}`."""

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_values_as_numbers(cls, value: Any, info: ValidationInfo) -> Any:
        # Pydantic takes True, which is `on` or `yes` in YAML, as 1.
        if isinstance(value, bool) and info.field_name is not None:
            kinds = _kinds(cls.model_fields[info.field_name].annotation)
            if kinds & {int, float} and bool not in kinds:
                raise ValueError("must be a number")
        return value

    @model_validator(mode="before")
    @classmethod
    def _take_old_keys(cls, values: Any, info: ValidationInfo) -> Any:
        if cls.renamed and isinstance(values, Mapping):
            context = info.context or {}
            at = context.get("at", "") if context.get("model") is cls else ""
            return _renamed(cls, values, at, quiet=bool(context.get("recorded")))
        return values


def validate(
    model: type[ModelT], values: Mapping[str, Any], at: str, *, recorded: bool = False
) -> ModelT:
    """Build a model from plain values.

    Args:
        model: The pydantic model.
        values: What the user wrote.
        at: The dotted key of the values, for messages; empty for the top.
        recorded: Whether the values are from the folder of a run, which a user should not edit.
            Then old keys cause no warning.

    Raises:
        ConfigError: Keys or values are wrong; the message names every dotted key.
    """
    context = {"recorded": recorded, "model": model, "at": of_all_arms(f"{at}.") if at else ""}
    try:
        return model.model_validate(dict(values), context=context)
    except ValidationError as error:
        raise explain(error, model, at) from None


def current_values(
    model: type[BaseModel], values: Mapping[str, Any], at: str = ""
) -> dict[str, Any]:
    """Return values in which every old key has its present name, in nested models as well.

    Args:
        model: The model of the values.
        values: What the user wrote.
        at: What stands before the keys in messages; empty, or with a dot at its end.

    Warns:
        DeprecatedKeyWarning: For each old key.

    Raises:
        ConfigError: A key is present under both names.
    """
    current = _renamed(model, values, at) if issubclass(model, Settings) else dict(values)
    for name, value in current.items():
        if (inner := _inner(model, name)) is not None and isinstance(value, Mapping):
            current[name] = current_values(inner, value, f"{at}{name}.")
    return current


def current_key(model: type[BaseModel], key: str, at: str = "") -> str:
    """Return a dotted key with present names in place of old ones.

    Args:
        model: The model in which the key is.
        key: The key.
        at: What stands before it in messages; empty, or with a dot at its end.

    Warns:
        DeprecatedKeyWarning: The key is an old one.
    """
    if issubclass(model, Settings):
        for old, new in model.renamed.items():
            if f"{key}.".startswith(f"{old}."):
                warn_of_old_name(f"the key {at}{old}", f"{at}{new}")
                key = new + key.removeprefix(old)
    name, dot, rest = key.partition(".")
    inner = _inner(model, name)
    return (
        f"{name}.{current_key(inner, rest, f'{at}{name}.')}" if dot and inner is not None else key
    )


def warn_of_old_name(what: str, new: str) -> None:
    """Warn that a name is deprecated.

    Args:
        what: The old name and what it names, e.g. `the key train.anchor`.
        new: The new name.

    Warns:
        DeprecatedKeyWarning: Always.
    """
    message = f"{what} is now called {new}; the old name works in this release only"
    warnings.warn(message, DeprecatedKeyWarning, stacklevel=3)


def _renamed(
    model: type[Settings], values: Mapping[str, Any], at: str = "", *, quiet: bool = False
) -> dict[str, Any]:
    """Return a copy of values in which the model's own old keys have their present names.

    Args:
        model: The model of the values.
        values: What the user wrote.
        at: What stands before the keys in messages; empty, or with a dot at its end.
        quiet: Whether old keys cause no warning.
    """
    current = dict(values)
    for old, new in model.renamed.items():
        *path, last = old.split(".")
        place: dict[str, Any] = current
        for name in path:
            inner = place.get(name)
            if not isinstance(inner, Mapping):
                break
            place[name] = dict(inner)
            place = place[name]
        else:
            if last not in place:
                continue
            if (present := new.rpartition(".")[2]) in place:
                raise ConfigError(
                    f"{at}{old} is now called {at}{new}, and both are there",
                    hint=f"keep {at}{new} alone",
                )
            if not quiet:
                warn_of_old_name(f"the key {at}{old}", f"{at}{new}")
            place[present] = place.pop(last)
    return current


def _kinds(annotation: Any) -> set[Any]:
    """Return the types of an annotation such as `int | None`."""
    return {annotation, *get_args(annotation)}


def explain(error: ValidationError, model: type[BaseModel], at: str) -> ConfigError:
    """Return a validation error as a `ConfigError` that names the dotted keys."""
    findings = []
    for finding in error.errors():
        loc = [str(part) for part in finding["loc"]]
        key = ".".join([at, *loc] if at else loc)
        kind, value = finding["type"], finding["input"]
        if kind == "extra_forbidden":
            known = _fields(model, loc[:-1])
            near = f"; {did_you_mean(loc[-1], known)}" if known else ""
            findings.append(f"{key}: there is no such key{near}")
        elif kind == "missing":
            findings.append(f"{key}: this key is required")
        elif kind == "int_parsing" and (digits := in_digits(str(value))):
            findings.append(
                f"{key}: must be a valid integer; YAML reads {value} as text, write {digits}"
            )
        elif kind == "string_type" and isinstance(value, bool):
            # `name: on` is a truth value in YAML.
            findings.append(f"{key}: must be text, got {value}; YAML reads on, off, yes and no so")
        elif kind in ("string_type", "invalid_key") and loc[-1] in ("[key]", str(value)):
            key = key.removesuffix(".[key]")
            findings.append(f'{key}: a key must be text; write "{value}" with its quotes')
        elif kind == "path_type":
            findings.append(f"{key}: must be a path, got {_shown(value)}")
        elif kind in ("dict_type", "model_type", "model_attributes_type", "mapping_type"):
            findings.append(f"{key}: must hold keys and values, got {_shown(value)}")
        else:
            # Pydantic says "Input should be a valid integer, unable to parse ..."
            message = (
                finding["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
            )
            message = re.sub(r", (unable|got) .*", "", message)
            message = re.sub(r"^\w+ should (be )?", r"must \1", message)
            if kind == "value_error" and isinstance(value, Mapping):
                shown = ""  # the message is about several of its keys, and names them
            else:
                shown = f", got {_shown(value)}"
            if kind == "literal_error" and isinstance(value, str):
                known = re.findall(r"'([^']*)'", str(finding.get("ctx", {}).get("expected")))
                near = near_name(value, known)
                shown += f"; {near}" if near else ""
            findings.append(f"{key.removesuffix('.[key]')}: {message}{shown}".removeprefix(": "))
    return ConfigError("\n".join(findings), hint=HINT)


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return f"keys ({', '.join(map(str, value)) or 'none'})"
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + "…"


def _fields(model: type[BaseModel], path: Sequence[str]) -> list[str]:
    """Return the keys of the model at a path inside a model; none if there is no model."""
    names = iter(path)
    for name in names:
        inner = _inner(model, name)
        if inner is None:
            return []
        if get_origin(model.model_fields[name].annotation) is dict:
            next(names, None)  # the name that the file gives the entry
        model = inner
    return list(model.model_fields)


def _inner(model: type[BaseModel], name: str) -> type[BaseModel] | None:
    """Return the model of the values under a key; None if there is none."""
    field = model.model_fields.get(name)
    kinds = (field.annotation, *get_args(field.annotation)) if field is not None else ()
    return next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)


def of_all_arms(key: str) -> str:
    """Return a dotted key without the `arms.NAME.` before it."""
    return key.split(".", 2)[-1] if key.startswith("arms.") else key


def where_to_mend(message: str, path: Path, changes: Sequence[str]) -> str:
    """Return where the wrong key of a message is written, and how to mend it there."""
    key, _, problem = message.partition(": ")
    keys = [(text.partition("=")[0], text) for text in changes]
    # A key that an experiment has for all arms is checked in each, as `arms.NAME.KEY`.
    of_all = of_all_arms(key)
    of_several = "\n" not in message and ", got " not in problem  # the problem names the keys
    given = [
        text
        for name, text in keys
        if any(f"{at}.".startswith(f"{name}.") for at in (key, of_all))
        or (of_several and name.startswith(f"{key}."))
    ]
    if given:
        return f"mend {' or '.join(f'--set {shlex.quote(text)}' for text in dict.fromkeys(given))}"
    if "\n" in message:
        return f"mend these keys in {path}"
    if problem.startswith("there is no such key"):
        return f"rename or remove {key} in {path}"
    also = "" if key.startswith(("arms.", "schedule.")) else f", or pass --set {key}=VALUE"
    if problem.startswith("this key is required"):
        return f"add {key} to {path}{also}"
    if of_several:
        return f"mend the keys of {key} in {path}{also.replace('=VALUE', '.KEY=VALUE')}"
    return f"mend {key} in {path}{also}"
