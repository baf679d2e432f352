"""Checks of single values. Each returns the value as a plain Python value, or refuses it.

The checks of this package are functions of what a plug-in returned. They know neither the plug-in
nor the call: the boundary adds both to the message.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from starec_sim.types import STAR_RANGE, Experience

T = TypeVar("T")

MAX_SHOWN = 80
"""Characters of a wrong value that a message repeats."""
LARGEST = 2**63 - 1
"""The largest whole number that a record can hold."""


class BrokenContract(Exception):  # noqa: N818 - it is turned into an error by the boundary
    """A value breaks the contract of a plug-in.

    Args:
        what: What is wrong, with the value and what was expected: `returned None; it must ...`.
        hint: What to change; empty if the message says it.
        part: The part of the value that is wrong, if a method of its own may make it: `cards`.
    """

    def __init__(self, what: str, hint: str = "", part: str = "") -> None:
        super().__init__(what)
        self.what, self.hint, self.part = what, hint, part


def shown(value: Any) -> str:
    """Return a value as a message repeats it: short, on one line.

    >>> shown(None), shown("a" * 3), shown(np.zeros((2, 3)))
    ('None', "'aaa'", 'an array of float64 of shape (2, 3)')
    """
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} of shape {value.shape}"
    try:
        text = " ".join(repr(value).split())
    except Exception:  # the repr of a plug-in's own class
        text = f"a {type(value).__name__}"
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


def value_text(value: Any) -> str:
    """Return a text that is equal for equal values, NaN included, and for no others.

    >>> value_text({"b": (1, float("nan")), "a": np.array([2])})
    '{"a": ["int64", [2]], "b": [1, NaN]}'
    """
    return json.dumps(value, default=plain_value, sort_keys=True)


def plain_value(value: Any) -> Any:
    """Return a value as JSON can write it: the `default` of `json.dumps`."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: getattr(value, name) for name in names}
    if isinstance(value, np.ndarray):
        return [str(value.dtype), value.tolist()]
    if isinstance(value, Mapping):
        return {str(name): inner for name, inner in value.items()}
    return repr(value)


def whole_number(value: Any, what: str) -> int:
    """Return a whole number as an int."""
    if type(value) is int and -LARGEST <= value <= LARGEST:
        return value
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        if abs(int(value)) > LARGEST:
            raise BrokenContract(f"{what} is {shown(value)}, which no record can hold")
        return int(value)
    raise BrokenContract(f"{what} is {shown(value)}; it must be a whole number")


def count(value: Any, what: str) -> int:
    """Return a whole number from 0 as an int."""
    plain = whole_number(value, what)
    if plain < 0:
        raise BrokenContract(f"{what} is {plain}; no count is negative")
    return plain


def flag(value: Any, what: str) -> bool:
    """Return a truth value as a bool."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise BrokenContract(f"{what} is {shown(value)}; it must be True or False")


def number(value: Any, what: str) -> float:
    """Return a number as a float; it may be NaN or infinite."""
    if type(value) is float:
        return value
    if isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise BrokenContract(f"{what} is {shown(value)}, which is too large") from None
    raise BrokenContract(f"{what} is {shown(value)}; it must be a number")


def finite_number(value: Any, what: str) -> float:
    """Return a finite number as a float."""
    plain = number(value, what)
    if not math.isfinite(plain):
        raise BrokenContract(f"{what} is {plain}; it must be a finite number")
    return plain


def stars(value: Any, what: str) -> float:
    """Return a rating, stars from 0 to 5, as a float."""
    plain = number(value, what)
    if math.isnan(plain):
        raise BrokenContract(
            f"{what} is NaN; ratings are stars from 0 to 5",
            "leave out what has no rating, or find where the NaN comes from",
        )
    if not STAR_RANGE[0] <= plain <= STAR_RANGE[1]:
        raise BrokenContract(
            f"{what} is {plain:g}; ratings are stars from 0 to 5", "map your scale to stars"
        )
    return plain


def text(value: Any, what: str) -> str:
    """Return a text as a str."""
    if not isinstance(value, str):
        raise BrokenContract(f"{what} is {shown(value)}; it must be text")
    plain = value if type(value) is str else str.__str__(value)
    if not is_plain_text(plain):
        raise BrokenContract(
            f"{what} is {shown(plain)}, which holds half of a character (a lone surrogate)",
            'decode bytes with errors="replace", and cut texts between characters',
        )
    return plain


WORD_CHARACTERS = 60
"""The most characters of an ending or a source."""


LONGEST_TEXT = 200_000
"""The most characters of a card, and of the context of a page: a prompt holds all of them."""
MOST_NAMES = 1_000
"""The most figures of a round, and parts of a reward: the record and each table hold all."""
NAME_CHARACTERS = 200
"""The most characters of such a name."""


def bounded(plain: str, what: str) -> str:
    """Refuse a text that no prompt can hold."""
    if len(plain) > LONGEST_TEXT:
        raise BrokenContract(f"{what} has {len(plain):,} characters; at most {LONGEST_TEXT:,}")
    return plain


def few(names: Mapping[str, Any], what: str) -> None:
    """Refuse more names than a table can hold, and names that are long or no line."""
    if len(names) > MOST_NAMES:
        raise BrokenContract(f"{what} have {len(names):,} names; at most {MOST_NAMES:,}")
    for name in names:
        if len(name) > NAME_CHARACTERS or not name.isprintable():
            raise BrokenContract(
                f"a name in {what} is {shown(name)}; it must be one line of at most "
                f"{NAME_CHARACTERS} characters"
            )


def word(value: Any, what: str) -> str:
    """Return a short text of one line without control characters."""
    plain = text(value, what)
    hint = "write one short word; texts belong into Observation.context"
    if (length := len(plain)) > WORD_CHARACTERS:
        problem = f"of {length:,} characters; at most {WORD_CHARACTERS}"
        raise BrokenContract(f"{what} is {shown(plain)}, {problem}", hint)
    if not plain.isprintable():
        problem = "which holds a line break or another control character"
        raise BrokenContract(f"{what} is {shown(plain)}, {problem}", hint)
    return plain


def is_plain_text(value: object) -> bool:
    r"""Return whether a value is a str that can be written as UTF-8.

    >>> is_plain_text("a"), is_plain_text("\ud800"), is_plain_text(None)
    (True, False, False)
    """
    if type(value) is not str:
        return False
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return False
    return True


def choice(value: Any, known: Sequence[str], what: str) -> Any:
    """Return a text that must be one of several."""
    plain = text(value, what)
    if plain not in known:
        raise BrokenContract(
            f"{what} is {shown(plain)}; it must be one of {', '.join(map(repr, known))}"
        )
    return plain


def with_parts(value: T, **parts: Any) -> T:
    """Return a dataclass with other parts; the same object if no part is another object."""
    if all(getattr(value, name) is part for name, part in parts.items()):
        return value
    return replace(value, **parts)  # type: ignore[type-var]


def instance(value: Any, kind: type[T], verb: str = "returned") -> T:
    """Return a value of a class; anything else is refused."""
    if not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "AEIO" else "a"
        raise BrokenContract(
            f"{verb} {shown(value)}; it must return {article} {kind.__name__}",
            f"{kind.__name__} is imported from {kind.__module__}",
        )
    return value


def sequence(value: Any, what: str) -> Sequence[Any]:
    """Return a sequence that is no text; an array becomes a list."""
    if type(value) is tuple or type(value) is list:
        return value
    if isinstance(value, np.ndarray) and value.ndim:
        return value.tolist()  # type: ignore[no-any-return]
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Sequence):
        raise BrokenContract(f"{what} is {shown(value)}; it must be a list or a tuple")
    return value


def rows(value: Any, total: int, what: str, of: str) -> tuple[int, ...]:
    """Return rows of users or items as a tuple of ints.

    Args:
        value: A sequence or an array of whole numbers.
        total: How many users or items there are.
        what: What holds the rows, for messages: `the slate`.
        of: What a row is of: `item` or `user`.
    """
    plain = tuple(value) if type(value) is tuple else tuple(sequence(value, what))
    if not set(map(type, plain)) <= {int}:
        plain = tuple(whole_number(row, f"{what} holds what is no {of}: a row") for row in plain)
    if plain and not (min(plain) >= 0 and max(plain) < total):
        outside = next(row for row in plain if not 0 <= row < total)
        raise BrokenContract(
            f"{what} holds {of} {shown(outside)}; there are {total} {of}s, rows 0 to {total - 1}"
        )
    return plain


def unique(values: Sequence[int], what: str, of: str) -> None:
    """Refuse a row that occurs twice."""
    if len(set(values)) < len(values):
        twice = next(row for row in values if values.count(row) > 1)
        raise BrokenContract(f"{what} holds {of} {twice} twice; each {of} may be there once")


def experiences(value: Any, items: int, what: str) -> tuple[Experience, ...]:
    """Return experiences with plain values: items of the catalogue, ratings in stars."""
    given = value if type(value) is tuple else tuple(sequence(value, what))
    for experience in given:
        if (
            type(experience) is not Experience
            or type(experience.item) is not int
            or type(experience.rating) is not float
            or type(experience.source) is not str
            or not experience.source.isascii()
            or len(experience.source) > WORD_CHARACTERS
            or not experience.source.isprintable()
            or not 0 <= experience.item < items
            or not 1.0 <= experience.rating <= 5.0
            or type(experience.action) is not str
            or experience.action
            or experience.like is not None
        ):
            return tuple(_experience(each, items, what) for each in given)
    return given


def _experience(value: Any, items: int, what: str) -> Experience:
    if not isinstance(value, Experience):
        raise BrokenContract(f"{what} hold {shown(value)}; each must be an Experience")
    (item,) = rows((value.item,), items, f"one of {what}", "item")
    of, rating, like = f"of item {item}", value.rating, value.like
    if like is not None and not isinstance(like, bool | np.bool_):
        raise BrokenContract(
            f"{what}: the like {of} is {shown(like)}; it must be true, false or None"
        )
    return Experience(
        item,
        None if rating is None else stars(rating, f"{what}: the rating {of}"),
        word(value.source, f"{what}: the source {of}"),
        text(value.action, f"{what}: the action {of}"),
        None if like is None else bool(like),
    )


def as_array(value: Any, what: str) -> NDArray[Any]:
    """Return a value as an array."""
    try:
        return np.asarray(value)
    except (ValueError, TypeError, OverflowError):
        raise BrokenContract(
            f"{what} is {shown(value)}, of which no array can be made",
            "rows of an array are equally long",
        ) from None


def mapping(value: Any, what: str, plain: Callable[[Any, str], T]) -> dict[str, T]:
    """Return a mapping from names to plain values.

    Args:
        value: The mapping.
        what: What it is, for messages: `the reward`.
        plain: Checks a value; takes it and its name for messages.
    """
    if type(value) is not dict and not isinstance(value, Mapping):
        raise BrokenContract(f"{what} is {shown(value)}; it must be a dict of names and values")
    return {
        text(name, f"a name in {what}"): plain(inner, f'{what} "{name}"')
        for name, inner in value.items()
    }


def json_value(value: Any, what: str) -> Any:
    """Return a JSON value with numpy scalars and arrays made plain."""
    if value is None or isinstance(value, bool | np.bool_):
        return None if value is None else bool(value)
    if isinstance(value, str):
        return text(value, what)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return finite_number(value, what)
    if isinstance(value, Mapping):
        return {
            text(name, f"a name in {what}"): json_value(inner, f"{what}.{name}")
            for name, inner in value.items()
        }
    if isinstance(value, np.ndarray):
        return json_value(value.tolist(), what)
    if isinstance(value, Sequence):
        return [json_value(inner, f"{what}[{at}]") for at, inner in enumerate(value)]
    raise BrokenContract(f"{what} is {shown(value)}; it must be a JSON value")
