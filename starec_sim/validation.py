"""Pydantic's findings in our words: the key, what is wrong with it, and the nearest right name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from starec_sim.errors import ConfigError, did_you_mean

ModelT = TypeVar("ModelT", bound=BaseModel)


class Settings(BaseModel):
    """Base of every configuration: unknown keys are errors, values never change afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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
        key = ".".join([at, *map(str, finding["loc"])] if at else map(str, finding["loc"]))
        if finding["type"] == "extra_forbidden":
            known = [*model.model_fields] if len(finding["loc"]) == 1 else []
            near = did_you_mean(str(finding["loc"][-1]), known) if known else ""
            findings.append(f"{key}: there is no such key" + (f"; {near}" if near else ""))
        elif finding["type"] == "missing":
            findings.append(f"{key}: this key is required")
        else:
            got = f", got {finding['input']!r}" if not isinstance(finding["input"], dict) else ""
            message = finding["msg"].removeprefix("Value error, ")
            findings.append(f"{key}: {message[0].lower()}{message[1:]}{got}")
    return ConfigError(
        "\n".join(findings), hint="mend the key in the file, or pass --set KEY=VALUE"
    )
