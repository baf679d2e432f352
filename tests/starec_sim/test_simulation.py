"""A trial is played round by round: each round is played, then committed, with its events."""

import asyncio

import numpy as np
import pytest

from starec_sim.environment import Environment
from starec_sim.errors import ContractError, PluginError
from starec_sim.events import RunEvents
from starec_sim.simulation import PlayedRound
from starec_sim.tasks import FEED
from starec_sim.types import (
    Action,
    Decision,
    Experience,
    Feedback,
    Item,
    Memory,
    Observation,
    Step,
    User,
    Verdict,
    Visit,
)
from tests.rounds import MemoryRecord, ScriptedAgent, play_rounds, simulate


class Two:
    """Three users, two of whom visit; each is shown one item."""

    def __init__(self, metrics=None, visitors=(0, 2)):
        self.users = tuple(User(f"u{row}") for row in range(3))
        self.items = (Item("a", "A", {"genre": ("Drama",)}), Item("b", "B", {"genre": ("War",)}))
        self.cards = ("A", "B")
        self.popularity = np.array([3, 1])
        self.metrics = metrics or {}
        self.visitors = visitors
        self.ended = []

    def describe(self):
        return {}

    def history(self, user):
        return tuple(Experience(0, 4.0, "logged") for _ in range(50))

    def begin_round(self, round):
        return self.visitors

    def observe(self, user, steps):
        return Observation(FEED, (1,), ("B",))

    def respond(self, user, steps, observation, decision):
        return Feedback((Experience(1, 5.0, "world"),), ending="done")

    def end_round(self, visits):
        self.ended.append([visit.user for visit in visits])
        return self.metrics

    def state(self):
        return {"rounds": np.array([len(self.ended)])}

    def restore(self, state):
        self.ended = [None] * int(state["rounds"][0])


def watch(user, round, observation):
    return Decision(actions=(Action(1, "watch", 5.0),))


class Heard(RunEvents):
    def __init__(self):
        self.events = []

    def round_started(self, round, visitors):
        self.events.append(("started", round, visitors))

    def visit_finished(self, visit):
        self.events.append(("visit", visit.user))

    def round_finished(self, round, metrics):
        self.events.append(("finished", round))


class Noting(ScriptedAgent):
    """Writes a note about item 1, and remembers how often it was called."""

    def __init__(self):
        self.calls = []

    async def visit(self, call):
        self.calls.append((call.user, call.round, call.memory, dict(call.notes)))
        memory = call.memory.after_step((), f"{call.user} in {call.round}", 40)
        step = Step(
            call.environment.observe(call.user, ()),
            watch(call.user, call.round, None),
            Feedback((), ending="done"),
            Verdict(False, ""),
            (),
            memory,
            {1: f"by {call.user}"},
        )
        return Visit(call.user, call.round, (step,))


def test_a_round_is_played_without_changing_anything_and_committed_in_one_go():
    world, record = Two(), MemoryRecord()
    simulation = simulate(world, ScriptedAgent(watch), record=record)
    played = asyncio.run(simulation.play_round())
    assert [visit.user for visit in played.visits] == [0, 2]
    assert (simulation.rounds, simulation.digest, world.ended) == (0, "", [])
    assert record.log == [("taken", 0), ("taken", 2), ("flushed",)]
    simulation.commit(played)
    assert (simulation.rounds, simulation.digest, world.ended) == (1, "/0", [[0, 2]])
    kind, round, users, metrics, state = record.log[-1]
    assert (kind, round, users) == ("committed", 0, [0, 2])
    assert metrics["click_through"] == 1.0 and state["rounds"] == [1]


def test_run_plays_up_to_a_round_from_where_the_record_stands():
    world = Two()
    simulation = simulate(world, ScriptedAgent(watch), first_round=3)
    assert asyncio.run(simulation.run(5)) == "/3/4"
    assert len(world.ended) == 2
    assert asyncio.run(simulation.run(5)) == "/3/4", "nothing is left to play"


def test_memory_and_notes_reach_the_next_round_and_not_this_one():
    agent = Noting()
    play_rounds(simulate(Two(), agent), 2)
    (_, _, first, none), (_, _, second, none_too), (_, _, third, notes), _ = agent.calls
    assert len(first.history) == 40 and first.summary == "" and second.summary == ""
    assert none == none_too == {} and notes == {1: "by 2"}, "the last in order of user"
    assert isinstance(third, Memory) and third.summary == "0 in 0" and third.steps == 1


def test_events_are_told_in_order():
    heard = Heard()
    play_rounds(simulate(Two(), ScriptedAgent(watch), events=heard), 1)
    assert heard.events == [("started", 0, 2), ("visit", 0), ("visit", 2), ("finished", 0)]


def test_visitors_can_be_left_out():
    record, asked = MemoryRecord(), []

    def choose(round, visitors):
        asked.append((round, list(visitors)))
        return [user for user in visitors if user != 0]

    play_rounds(simulate(Two(), ScriptedAgent(watch), record=record, choose_visitors=choose), 1)
    assert asked == [(0, [0, 2])] and record.log[-1][2] == [2]


@pytest.mark.parametrize("visitors", [(2, 0), (1, 1)])
def test_visitors_out_of_order_or_twice_break_the_contract(visitors):
    simulation = simulate(Two(visitors=visitors), ScriptedAgent(watch))
    with pytest.raises(
        ContractError, match=r"begin_round\(round 1\): returned .* each visitor once"
    ):
        asyncio.run(simulation.play_round())


def test_an_infinite_metric_of_the_environment_breaks_the_contract_and_commits_nothing():
    record = MemoryRecord()
    simulation = simulate(Two({"sales": float("inf")}), ScriptedAgent(watch), record=record)
    with pytest.raises(ContractError, match=r"end_round\(round 1\): the figure \"sales\" is inf"):
        play_rounds(simulation, 1)
    assert simulation.rounds == 0 and record.log[-1] == ("flushed",)


def test_a_visit_that_fails_ends_the_round_but_its_answers_are_flushed():
    def fail(user, round, observation):
        raise KeyError("broken")

    record = MemoryRecord()
    with pytest.raises(PluginError, match=r"visit\(user u0, round 1\): raised KeyError: 'broken'"):
        play_rounds(simulate(Two(), ScriptedAgent(fail), record=record), 1)
    assert record.log == [("flushed",)]


def test_rounds_are_committed_in_order():
    simulation = simulate(Two(), ScriptedAgent(watch))
    with pytest.raises(AssertionError, match="in order"):
        simulation.commit(PlayedRound(1, []))


def test_the_environment_of_these_tests_is_one():
    world: Environment = Two()
    assert world.users


class Telling(Two):
    """Knows what its items are worth, and notes who asks."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def slate_facts(self, user, steps, observation):
        self.asked.append(user)
        return {"truth": [5.0]}


@pytest.mark.parametrize(("keeps", "asked"), [(True, [0, 2]), (False, [])])
def test_facts_of_a_slate_are_asked_only_where_they_are_stored(keeps, asked):
    environment, record = Telling(), MemoryRecord()
    record.keeps_facts = keeps
    play_rounds(simulate(environment, ScriptedAgent(watch), record=record), 1)
    assert environment.asked == asked
