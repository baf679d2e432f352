"""Generated values of every plug-in call: right ones become plain, wrong ones are one error."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from starec_sim.agent import Call
from starec_sim.boundary.agent import CheckedOpenAgent
from starec_sim.boundary.environment import CheckedEnvironment
from starec_sim.errors import ContractError
from starec_sim.tasks import FEED
from starec_sim.types import (
    Decision,
    Experience,
    Feedback,
    Item,
    Memory,
    Messages,
    Observation,
    User,
    Visit,
)
from tests.starec_sim.boundary import returned_values as values

SHOWN = Observation(FEED, (3, 1, 4), ("a", "b", "c"))
CALL = Call(
    user=1,
    round=2,
    person=User("u1"),
    memory=None,
    environment=SimpleNamespace(items=range(values.ITEMS), users=()),
    policies=None,
)


class World:
    """An environment whose methods return what a test gives it."""

    users = tuple(User(f"u{row}") for row in range(4))
    items = tuple(Item(f"i{row}", f"Item {row}") for row in range(values.ITEMS))
    cards = ("card",) * values.ITEMS
    popularity = np.ones(values.ITEMS)
    returned = None

    def _return(self, *arguments):
        return self.returned

    describe = history = begin_round = observe = respond = slate_facts = end_round = _return

    def state(self):
        return {}

    def restore(self, state):
        pass


class Person:
    """An agent whose methods return what a test gives it."""

    history_limit = 5
    returned = None

    def _return(self, *arguments):
        return self.returned

    prompts = question = decision = summary = rethink = _return

    async def visit(self, call):
        return self.returned


WORLD, PERSON = CheckedEnvironment(World()), CheckedOpenAgent(Person())
WORLD.plugin.returned = ()
for _ in range(3):  # after the first rounds, no call is repeated
    WORLD.begin_round(0)


def _visit():
    """Play a visit that awaits nothing."""
    try:
        PERSON.visit(CALL).send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("the visit awaits something")


class Method(NamedTuple):
    """A method of a plug-in, and what is known of what it returns."""

    plugin: Any
    call: Any
    """Makes the call."""
    right: Any
    """A strategy of right and plain values."""
    hint: Any
    """The type of plain values."""
    place: str = ""
    """The user and the round in messages."""


def _facts(draw_value):
    return st.fixed_dictionaries({}, optional={"score": draw_value, "truth": draw_value})


PAGE = "user u1, round 1, page 1"
METHODS: dict[str, Method] = {
    "describe": Method(WORLD, WORLD.describe, st.dictionaries(values.words, values.stars), dict),
    "history": Method(
        WORLD, lambda: WORLD.history(1), values.histories, tuple[Experience, ...], "user u1"
    ),
    "begin_round": Method(
        WORLD,
        lambda: WORLD.begin_round(0),
        st.sets(st.integers(0, 3)).map(sorted),
        list[int],
        "round 1",
    ),
    "end_round": Method(
        WORLD,
        lambda: WORLD.end_round(()),
        st.dictionaries(values.words, values.stars),
        dict[str, float],
        "round 1",
    ),
    "observe": Method(
        WORLD, lambda: WORLD.observe(1, ()), values.observations(), Observation, PAGE
    ),
    "respond": Method(
        WORLD,
        lambda: WORLD.respond(1, (), SHOWN, Decision()),
        values.feedbacks(SHOWN.slate),
        Feedback,
        PAGE,
    ),
    "slate_facts": Method(
        WORLD,
        lambda: WORLD.slate_facts(1, (), SHOWN),
        _facts(st.lists(st.none() | values.stars, min_size=3, max_size=3)),
        Mapping[str, Sequence[float | None]],
        PAGE,
    ),
    "prompts": Method(
        PERSON, PERSON.prompts, st.dictionaries(values.words, values.texts), Mapping[str, str]
    ),
    "visit": Method(PERSON, _visit, values.visits(1, 2), Visit, "user u1, round 3"),
    "question": Method(
        PERSON,
        lambda: PERSON.question(CALL, SHOWN),
        st.lists(st.tuples(values.words, values.texts), max_size=2).map(tuple),
        Messages,
        "user u1, round 3",
    ),
    "decision": Method(
        PERSON,
        lambda: PERSON.decision(CALL, "", SHOWN),
        st.tuples(values.decisions(SHOWN.slate), values.texts),
        tuple[Decision, str],
        "user u1, round 3",
    ),
    "summary": Method(
        PERSON,
        lambda: PERSON.summary(CALL, ""),
        st.tuples(st.none() | values.texts, values.texts),
        tuple[str | None, str],
        "user u1, round 3",
    ),
}


def _call(name, returned):
    method = METHODS[name]
    method.plugin.plugin.returned = returned
    got = method.call()
    return _kept(got) if name == "visit" else got


def _kept(visit):
    """Return what is kept of a visit: of the memories before the last, only the summary."""
    *earlier, last = visit.steps
    memories = [Memory((), step.memory.summary) for step in earlier]
    steps = [replace(step, memory=memory) for step, memory in zip(earlier, memories, strict=True)]
    return replace(visit, steps=(*steps, last))


def _is_right(value):
    """Return whether the numbers and rows of a plain value are in range."""
    if isinstance(value, float):  # the figures of a round may be NaN
        return not math.isinf(value)
    if isinstance(value, Observation):
        slate = value.slate
        return (
            0 < len(slate) == len(set(slate)) == len(value.cards)
            and set(slate) <= set(range(values.ITEMS))
            and value.page >= 1
        )
    if isinstance(value, Experience):
        stars = value.rating
        return value.item in range(values.ITEMS) and (stars is None or 0 <= stars <= 5)
    if isinstance(value, Decision):
        rows = [action.item for action in value.actions]
        return (
            len(rows) == len(set(rows))
            and len(value.ranking) == len(set(value.ranking))
            and 0 <= value.read <= len(value.ranking)
            and all(count >= 0 for count in value.flaws.values())
        )
    if isinstance(value, Feedback):
        return all(map(_is_right, value.experiences)) and all(
            map(math.isfinite, value.reward.values())
        )
    if isinstance(value, Visit):
        return (value.user, value.round) == (1, 2) and all(
            _is_right(part)
            for step in value.steps
            for part in (step.observation, step.decision, step.feedback, *step.memory.history)
        )
    if isinstance(value, tuple | list):
        return all(map(_is_right, value))
    return all(map(_is_right, value.values())) if isinstance(value, Mapping) else True


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=10)
@given(data=st.data())
def test_a_right_value_is_taken_and_becomes_plain(name, data):
    right = data.draw(METHODS[name].right)
    same = _call(name, right)
    assert same == (_kept(right) if name == "visit" else right)
    got = _call(name, data.draw(values.disguised(right)))
    assert got == same
    assert values.is_plain(got, METHODS[name].hint), got


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=20)
@given(data=st.data())
def test_a_wrong_value_is_one_error_that_names_the_call(name, data):
    method = METHODS[name]
    damaged = data.draw(method.right.flatmap(values.damaged))
    try:
        got = _call(name, damaged)
    except ContractError as error:
        kind = "environment" if method.plugin is WORLD else "agent"
        place = re.escape(f"{name}({method.place})")
        label = rf"{kind} tests\.starec_sim\.boundary\.test_generated_values:\w+"
        assert re.match(rf"{label}, {place}: ", error.message), error.message
        assert re.search(r" \(test_generated_values\.py:\d+\)$", error.message), error.message
        assert error.hint and error.message.isprintable() and len(error.message) < 500
    else:
        assert values.is_plain(got, method.hint), got
        assert _is_right(got), got
