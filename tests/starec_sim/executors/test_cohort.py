"""The cohort executor and the boundary: agents of others, failures of single users, fallbacks."""

import asyncio
import warnings

import pytest

from starec_sim.agent import CohortAgent
from starec_sim.boundary import checked_agent
from starec_sim.build import build_executor
from starec_sim.errors import ContractError, ContractWarning, PluginError, PolicyError
from starec_sim.executors.cohort import Cohort
from starec_sim.executors.settings import ExecutorSettings
from starec_sim.runs.trial_state import TrialState
from starec_sim.simulation import Simulation, VisitRules
from tests.rounds import MemoryRecord, ScriptedAgent, play_visit
from tests.starec_sim.test_simulation import Two, watch


class Together(ScriptedAgent):
    """Plays cohorts, and makes something of each visit."""

    def __init__(self, change=lambda visit: visit):
        super().__init__(watch)
        self.change = change
        self.sizes = []

    async def visits(self, calls, failed):
        self.sizes.append(len(calls))
        played = []
        for call in calls:
            try:
                visit = play_visit(call.environment, call.user, call.round, self.decide)
                played.append(self.change(visit))
            except Exception as error:
                failed(call, error)
                played.append(None)
        return played


def play(agent, size=8, skip_failed=False, users=(0, 1, 2), world=Two):
    simulation = Simulation(
        agent,
        world(visitors=users),
        None,
        MemoryRecord(),
        TrialState(0, "", {}, {}, None),
        visit_rules=VisitRules(1, skip_failed, Cohort(size)),
    )
    return [visit.user for visit in asyncio.run(simulation.play_round()).visits]


def fails_for(*users, error=ZeroDivisionError):
    def change(visit):
        if visit.user in users:
            raise error("no")
        return visit

    return change


def test_cohorts_have_the_size_that_is_set():
    agent = Together()
    assert play(agent, size=2) == [0, 1, 2] and agent.sizes == [2, 1]
    assert isinstance(agent, CohortAgent)


def test_an_agent_that_plays_no_cohorts_is_named_once_and_played_one_by_one():
    agent = ScriptedAgent(watch)
    with pytest.warns(
        ContractWarning, match=r"rounds:ScriptedAgent has no method `visits`"
    ) as told:
        assert play(agent) == [0, 1, 2]
    assert len(told) == 1


def test_an_agent_whose_own_visit_would_be_passed_over_is_played_one_by_one():
    class Derived(Together):
        async def visit(self, call):
            return await super().visit(call)

    agent = Derived()
    with pytest.warns(
        ContractWarning, match=r"class Derived changes `visit` and inherits `visits` from Together"
    ) as told:
        assert play(agent) == [0, 1, 2]
    assert agent.sizes == []
    for said in ("one by one", "same results", "write `visits` in that class"):
        assert said in str(told[0].message)


def test_the_error_of_one_user_names_her_and_ends_the_run():
    with pytest.raises(PluginError, match=r"visits\(user u1, round 1\): raised ZeroDivisionError"):
        play(Together(fails_for(1)))


def test_with_skip_failed_the_others_go_on():
    with pytest.warns(ContractWarning, match="a visit is left out: .*user u1"):
        assert play(Together(fails_for(1)), skip_failed=True) == [0, 2]


def test_the_error_of_a_policy_ends_the_run_also_where_failed_visits_are_left_out():
    def change(visit):
        raise PolicyError("no answer", hint="")

    with pytest.raises(PolicyError, match="no answer"):
        play(Together(change), skip_failed=True)


def test_a_wrong_visit_is_refused_with_its_user():
    with pytest.raises(ContractError, match=r"visits\(user u2, round 1\): returned 7"):
        play(Together(lambda visit: 7 if visit.user == 2 else visit))


def test_a_visit_that_is_missing_without_an_error_is_refused():
    with pytest.raises(ContractError, match=r"user u0, round 1\): returned None"):
        play(Together(lambda visit: None))


@pytest.mark.parametrize(
    ("returned", "said"),
    [(None, "is None; it must be a list"), ([], "returned 0 visits for 3 calls")],
)
def test_what_is_no_list_of_visits_is_refused(returned, said):
    agent = Together()

    async def visits(calls, failed):
        return returned

    agent.visits = visits
    with pytest.raises(ContractError, match=r"visits\(3 users, round 1\).*" + said):
        play(agent)


def test_the_word_of_an_experiment_builds_the_executor():
    assert isinstance(build_executor(ExecutorSettings(use="cohort")), Cohort)
    assert not checked_agent(Together()).why_one_by_one


def test_playing_cohorts_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        play(Together())


def test_ctrl_c_in_a_call_of_the_environment_ends_the_run():
    class Interrupting(Two):
        def observe(self, user, steps):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play(Together(), world=Interrupting, skip_failed=True)
