"""Right and wrong values that a plug-in may return, as strategies, and what a plain value is."""

import enum
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from decimal import Decimal

import numpy as np
from hypothesis import strategies as st

from starec_sim.tasks import FEED, RANKING, SKIP, Task
from starec_sim.types import (
    Action,
    Decision,
    Experience,
    Feedback,
    Memory,
    Observation,
    Step,
    Turn,
    Verdict,
    Visit,
)

ITEMS = 9
"""Items in the catalogue of these tests."""


class _Str(str):
    __slots__ = ()


class _Int(int):
    pass


class _Unprintable:
    def __repr__(self):
        raise ValueError("no repr")


def _color(text):
    return enum.Enum("Color", {"ONE": text}, type=str).ONE


stars = st.sampled_from([1.0, 2.5, 4.0, 5.0])
texts = st.sampled_from(["a", "Crème", "two words", "☕"])
words = st.sampled_from(["done", "tips", "left"])
rated = st.none() | st.sampled_from([1.0, 4.0])
slates = st.lists(st.integers(0, ITEMS - 1), min_size=1, max_size=4, unique=True).map(tuple)
tasks = st.sampled_from([FEED, RANKING])
names = st.lists(words, max_size=2, unique=True)


@st.composite
def observations(draw):
    """Return an observation."""
    slate = draw(slates)
    cards = tuple(draw(texts) for _ in slate)
    return Observation(draw(tasks), slate, cards, draw(st.integers(1, 3)))


@st.composite
def decisions(draw, slate, task=FEED):
    """Return a decision about a slate."""
    ranking = tuple(draw(st.permutations(slate)))
    done = [] if task.ranks else slate[: draw(st.integers(0, len(slate)))]
    skips_and_watches = st.just((SKIP, None)) | st.tuples(st.just("watch"), rated)
    return Decision(
        ranking,
        draw(st.integers(0, len(ranking))),
        tuple(Action(item, *draw(skips_and_watches)) for item in done),
        draw(st.booleans()),
        flaws={name: draw(st.integers(0, 3)) for name in draw(names)},
        repaired=draw(st.booleans()),
    )


@st.composite
def feedbacks(draw, slate):
    """Return feedback on a decision about a slate."""
    experiences = tuple(Experience(item, draw(stars), draw(words)) for item in slate)
    reward = {name: draw(stars) for name in draw(names)}
    target = draw(st.none() | st.sampled_from(slate))
    return Feedback(experiences, target, reward, draw(words))


histories = st.lists(
    st.builds(Experience, st.integers(0, ITEMS - 1), stars, words), max_size=2
).map(tuple)
turns = st.just(Turn("fast", 0, "p", (("user", "?"),), "answer", 1, 1, 0.5))


@st.composite
def visits(draw, user, round):
    """Return a visit of a user."""
    steps = []
    for _ in range(draw(st.integers(1, 2))):
        shown = draw(observations())
        steps.append(
            Step(
                shown,
                draw(decisions(shown.slate, shown.task)),
                draw(feedbacks(shown.slate)),
                Verdict(draw(st.booleans()), draw(texts)),
                tuple(draw(st.lists(turns, max_size=1))),
                Memory(draw(histories), draw(texts), draw(st.integers(0, 5))),
                {draw(st.integers(0, ITEMS - 1)): draw(texts)},
            )
        )
    return Visit(user, round, tuple(steps))


# Written as functions, because some of these cannot be compared or copied.
_JUNK = [
    lambda: None,
    lambda: True,
    lambda: -1,
    lambda: 99,
    lambda: 10**400,
    lambda: 2.5,
    lambda: 1e9,
    lambda: float("nan"),
    lambda: float("inf"),
    lambda: np.float32("nan"),
    lambda: np.bool_(True),
    lambda: 1j,
    lambda: Decimal(3),
    lambda: "text",
    lambda: "",
    lambda: "\ud800",
    lambda: b"bytes",
    lambda: [],
    lambda: ["a"],
    lambda: [[1], [1, 2]],
    lambda: {},
    lambda: {3: 4},
    lambda: {"a": None},
    lambda: {1, 2},
    lambda: object(),
    lambda: _Unprintable(),
    lambda: len,
    lambda: Observation,
    lambda: np.array(3),
    lambda: np.zeros((2, 2)),
    lambda: np.array([None]),
    lambda: np.datetime64("2020-01-01"),
    lambda: iter([1]),
]
junk = st.sampled_from(_JUNK).map(lambda make: make())


@st.composite
def damaged(draw, value):
    """Return a value of which one part, or the whole, is replaced by something else."""
    parts = _parts(value)
    if not parts or draw(st.integers(0, 3)) == 0:
        return draw(junk)
    name = draw(st.sampled_from(parts))
    if is_dataclass(value):
        return replace(value, **{name: draw(damaged(getattr(value, name)))})
    if isinstance(value, Mapping):
        if draw(st.integers(0, 3)) == 0:
            return {draw(st.sampled_from([None, 99, -1, "", "\ud800", "x"])): value[name]}
        return {**value, name: draw(damaged(value[name]))}
    inner = [draw(damaged(part)) if at == name else part for at, part in enumerate(value)]
    return type(value)(*inner) if hasattr(value, "_fields") else type(value)(inner)


def _parts(value):
    if is_dataclass(value) and not isinstance(value, Task):
        return [field.name for field in fields(value)]
    if isinstance(value, Mapping):
        return list(value)
    return list(range(len(value))) if isinstance(value, tuple | list) else []


@st.composite
def disguised(draw, value):
    """Return an equal value made of numpy scalars, lists, enumerations and other mappings."""
    if isinstance(value, Task):
        return draw(st.sampled_from([value, value.name]))
    if is_dataclass(value):
        parts = {field.name: draw(disguised(getattr(value, field.name))) for field in fields(value)}
        return replace(value, **parts) if not isinstance(value, Turn) else value
    if isinstance(value, Mapping):
        inner = {
            (draw(disguised(key)) if isinstance(key, int) else key): draw(disguised(part))
            for key, part in value.items()
        }
        return draw(st.sampled_from([dict, types.MappingProxyType]))(inner)
    if isinstance(value, tuple | list):
        inner = [draw(disguised(part)) for part in value]
        kinds = [list, tuple]
        if value and all(type(part) is int for part in value):
            kinds.append(np.array)
        return draw(st.sampled_from(kinds))(inner)
    kinds = {
        bool: [bool, np.bool_],
        int: [int, np.int64, np.uint8, _Int],
        float: [float, np.float64, np.float32],
        str: [str, _Str, np.str_, _color],
    }.get(type(value), [lambda same: same])
    if type(value) is float and value.is_integer():
        kinds = [*kinds, int]
    return draw(st.sampled_from(kinds))(value)


def is_plain(value, hint):
    """Return whether a value, and all of its parts, have exactly the types of an annotation."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(is_plain(value, each) for each in arguments)
    if origin is typing.Literal:
        return type(value) is str and value in arguments
    if origin is tuple and arguments[-1] is Ellipsis:
        return type(value) is tuple and all(is_plain(part, arguments[0]) for part in value)
    if origin is tuple:
        pairs = zip(value, arguments, strict=True) if len(value) == len(arguments) else [(0, str)]
        return type(value) is tuple and all(is_plain(part, each) for part, each in pairs)
    if origin in (list, Sequence):
        return isinstance(value, list | tuple) and all(is_plain(p, arguments[0]) for p in value)
    if origin in (dict, Mapping):
        return isinstance(value, Mapping) and all(
            is_plain(key, arguments[0]) and is_plain(part, arguments[1])
            for key, part in value.items()
        )
    if is_dataclass(hint) and hint is not Task:
        hints = typing.get_type_hints(hint)
        return type(value) is hint and all(
            is_plain(getattr(value, name), each) for name, each in hints.items()
        )
    if hint is str:
        return type(value) is str and value.encode(errors="replace").decode() == value
    return type(value) is hint
