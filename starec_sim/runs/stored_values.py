"""Check what is read back from a run's folder: the types of its rows and of its JSON.

A folder can be damaged, or made by somebody else. Everything that is read back passes a
`StoredType` once, here and in `codec`; after that the types of the code hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

from pydantic import AllowInfNan, BaseModel, Field, JsonValue, TypeAdapter, ValidationError

from starec_sim.settings import explain

if TYPE_CHECKING:
    from pydantic.plugin._schema_validator import PluggableSchemaValidator
    from pydantic_core import SchemaValidator

T = TypeVar("T")

Row = Annotated[int, Field(ge=0, lt=1 << 31)]
"""A row of users or items, a round, a step, an attempt."""
Count = Annotated[int, Field(ge=0, lt=1 << 63)]
"""How many tokens, calls, tries."""
Number = Annotated[float, AllowInfNan(False)]
Amount = Annotated[float, AllowInfNan(False), Field(ge=0)]
"""Seconds or dollars."""
JsonObject = dict[str, JsonValue]


class StoredValueError(ValueError):
    """A stored value is not of the type that is written."""


class StoredType(Generic[T]):
    """The type of a row, of a column of JSON, or of a file of JSON.

    Nothing is converted: the text "1" is no number.

    Args:
        name: What is read, for messages, e.g. `steps.decision`.
        kind: Its type.
    """

    def __init__(self, name: str, kind: Any) -> None:
        self._name = name
        self._kind = kind

    @cached_property
    def _validator(self) -> SchemaValidator | PluggableSchemaValidator:
        """Checks values. It is made at its first use, so that a command makes those it needs."""
        # `TypeAdapter` would check its arguments again with every row.
        return TypeAdapter(self._kind).validator

    def from_json(self, text: str | bytes) -> T:
        """Return the value of a JSON text.

        Raises:
            StoredValueError: It is not JSON of this type, or nested too deeply.
        """
        try:
            value: T = self._validator.validate_json(text, strict=True)
        except ValidationError as error:
            raise self._error(error) from None
        return value

    def from_row(self, row: Sequence[Any]) -> T:
        """Return a row of SQLite, its values unchanged.

        Raises:
            StoredValueError: A value has another type.
        """
        try:
            value: T = self._validator.validate_python(row, strict=True)
        except ValidationError as error:
            raise self._error(error) from None
        return value

    def _error(self, error: ValidationError) -> StoredValueError:
        return StoredValueError(first_finding(error, self._name))


def first_finding(error: ValidationError, at: str) -> str:
    """Return the first of the findings of a validation, with the field."""
    return explain(error, BaseModel, at).message.partition("\n")[0]


def missing(what: str) -> StoredValueError:
    """Return an error that says that something is referred to, and is not there."""
    return StoredValueError(f"{what} is missing")
