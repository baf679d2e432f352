"""Pydantic's findings in our words: the key, what is wrong with it, and the nearest right name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from starec_sim.errors import ConfigError, did_you_mean

ModelT = TypeVar("ModelT", bound=BaseModel)

HINT = "mend the key in the file, or pass --set KEY=VALUE"
_MAX_SHOWN = 80
"""Characters of a wrong value that a message repeats."""


class Settings(BaseModel):
    """Base of every configuration: unknown keys are errors, values never change afterwards."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, ser_json_inf_nan="constants"
    )


def validate(model: type[ModelT], values: Mapping[str, Any], at: str) -> ModelT:
    """Build a model from plain values.

    Args:
        model: The pydantic model.
        values: What the user wrote.
        at: The dotted key under which the values stand; empty for the top.

    Raises:
        ConfigError: Names every wrong key by its dotted path.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise explain(error, model, at) from None


def explain(error: ValidationError, model: type[BaseModel], at: str) -> ConfigError:
    """Turn a validation error into one that points at keys."""
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
        elif kind in ("string_type", "invalid_key") and loc[-1] in ("[key]", str(value)):
            key = key.removesuffix(".[key]")
            findings.append(f'{key}: a key must be text; write "{value}" with its quotes')
        elif kind in ("dict_type", "model_type", "model_attributes_type", "mapping_type"):
            findings.append(f"{key}: must hold keys and values, got {_shown(value)}")
        else:
            # Pydantic says "Input should be a valid integer, unable to parse ..."
            message = (
                finding["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
            )
            message = re.sub(r", (unable|got) .*", "", message)
            message = re.sub(r"^\w+ should (be )?", r"must \1", message)
            findings.append(f"{key.removesuffix('.[key]')}: {message}, got {_shown(value)}")
    return ConfigError("\n".join(findings), hint=HINT)


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return f"keys ({', '.join(map(str, value)) or 'none'})"
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + "…"


def _fields(model: type[BaseModel], path: Sequence[str]) -> list[str]:
    """Return the keys that are known at a path inside a model; none where no model stands."""
    for name in path:
        field = model.model_fields.get(name)
        if field is None:
            return []
        kinds = (field.annotation, *get_args(field.annotation))
        inner = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
        if not inner:
            return []
        model = inner[0]
    return list(model.model_fields)
