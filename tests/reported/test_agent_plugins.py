"""Mistakes of agents: each error names the agent, the user, the round and the line."""

import re

import numpy as np
import pytest

from starec_sim.errors import ContractError, ContractWarning, StarecError
from starec_sim.types import Action, Decision, Step, Visit
from tests.reported.coffee_shop import drink, play_shop
from tests.rounds import ScriptedAgent


class Visiting(ScriptedAgent):
    """Returns what a function makes of the visit that was played."""

    def __init__(self, change):
        super().__init__(drink)
        self.change = change

    async def visit(self, call):
        return self.change(await super().visit(call), call)


def _other_decision(decision):
    def change(visit, call):
        step = visit.steps[0]
        return Visit(
            visit.user,
            visit.round,
            (Step(step.observation, decision, step.feedback, step.verdict, (), step.memory),),
        )

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda visit, call: None, "returned None; it must return a Visit"),
        (lambda visit, call: Visit(visit.user, visit.round, ()), "returned a visit without steps"),
        (
            lambda visit, call: Visit(3 - visit.user, visit.round, visit.steps),
            "returned the visit of the user in row 3; it was asked for row 0",
        ),
        (
            lambda visit, call: Visit(visit.user, 7, visit.steps),
            "returned a visit in round 8; it was asked for round 1",
        ),
        (_other_decision(Decision(ranking=(77,), read=1)), "the ranking: item 77 was not shown"),
        (_other_decision(None), "step 1: the decision is None; it must be a Decision"),
        (lambda visit, call: 1 / 0, "raised ZeroDivisionError: division by zero"),
    ],
    ids=[
        "None",
        "no steps",
        "another user",
        "another round",
        "item not shown",
        "no decision",
        "raises",
    ],
)
def test_what_an_agent_does_wrong_is_named(tmp_path, change, said):
    with pytest.raises(StarecError) as raised:
        play_shop(tmp_path, agent=Visiting(change))
    message = raised.value.message
    assert re.search(
        rf"^agent tests.reported.test_agent_plugins:Visiting, visit\(user u0, round 1\): .*{said}",
        message,
    ), message
    assert re.search(r" \(test_agent_plugins.py:\d+\)$", message), message


def test_a_decision_about_an_item_that_was_not_shown_does_not_reach_the_environment(tmp_path):
    def decide(user, round, observation):
        return Decision(actions=(Action(77, True),))

    with pytest.raises(
        ContractError,
        match=r"the agent's decision for user u0, round 1, page 1: the actions: item 77 was",
    ):
        play_shop(tmp_path, agent=ScriptedAgent(decide))


def test_an_agent_that_draws_from_a_global_generator_is_warned_about(tmp_path):
    def decide(user, round, observation):
        np.random.rand()
        return drink(user, round, observation)

    said = r"decide \(test_agent_plugins.py:\d+\) calls numpy.random.rand, a global generator"
    with pytest.warns(ContractWarning, match=said) as warned:
        play_shop(tmp_path, agent=ScriptedAgent(decide), rounds=1)
    assert len(warned) == 1
    assert np.random.rand.__self__ is np.random.mtrand._rand, "numpy is as it was"


def test_a_global_generator_that_was_used_by_a_function_taken_before_is_warned_about(tmp_path):
    draw = np.random.rand

    def decide(user, round, observation):
        draw()
        return drink(user, round, observation)

    with pytest.warns(ContractWarning, match=r"numpy.random was used while the visits of round 1"):
        play_shop(tmp_path, agent=ScriptedAgent(decide), rounds=1)


def test_a_history_limit_of_zero_would_keep_everything_and_is_refused(tmp_path):
    agent = ScriptedAgent(drink)
    agent.history_limit = 0
    with pytest.raises(ContractError, match="history_limit is 0; it must be at least 1"):
        play_shop(tmp_path, agent=agent)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda call: call.environment.items[2].attributes.update(kind=("free",)), '"free"'),
        (lambda call: call.person.profile.update(mood="happy"), '"happy"'),
        (lambda call: call.notes.update({3: "splendid"}), '"splendid"'),
    ],
    ids=["items", "users", "notes"],
)
def test_an_agent_that_changes_what_everybody_reads_is_named(tmp_path, change, said):
    def changes(visit, call):
        change(call)
        return visit

    with pytest.raises(
        ContractError, match=r"visit\(user u\d, round 1\): changed what it was gi"
    ) as raised:
        play_shop(tmp_path, agent=Visiting(changes))
    assert said in raised.value.message
    assert raised.value.hint.startswith("copy what you change")
