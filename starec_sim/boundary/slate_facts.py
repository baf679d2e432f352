"""Check of the facts that an environment tells about a slate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from starec_sim.boundary.values import BrokenContract, finite_number, mapping, sequence


def checked_slate_facts(value: Any, places: int) -> Mapping[str, Sequence[float | None]]:
    """Return facts with plain numbers, one or None for each place of the slate."""
    if type(value) is dict and all(
        type(name) is str and name.isascii() and _is_plain(numbers, places)
        for name, numbers in value.items()
    ):
        return value
    return mapping(value, "the facts", lambda numbers, name: _checked(numbers, places, name))


def _checked(value: Any, places: int, what: str) -> list[float | None]:
    numbers = sequence(value, what)
    if len(numbers) != places:
        raise BrokenContract(
            f"{what} has {len(numbers)} values; the slate has {places} places",
            "return one number for each place, or None",
        )
    return [None if n is None else finite_number(n, f"a value of {what}") for n in numbers]


def _is_plain(numbers: Any, places: int) -> bool:
    return (
        type(numbers) is list
        and len(numbers) == places
        and set(map(type, numbers)) == {float}
        and isfinite(sum(numbers))
    )
