"""A cohort plays the visits that users play one by one: the same steps, errors and traces."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.runnables.config import var_child_runnable_config

from starec_agents.base import agent as base_agent
from starec_agents.base.cohort import CohortContext, VisitPlace, compile_cohort
from starec_agents.star import StarAgent
from starec_agents.star.graph import PLAN
from starec_sim.agent import Call
from starec_sim.build import build_agent, build_environment, build_policy, load_dataset
from starec_sim.errors import ContractError
from starec_sim.executors.cohort import Cohort
from starec_sim.executors.executor import PerUser
from starec_sim.policies.gateway import Gateway, Policy
from starec_sim.rng import Streams
from starec_sim.runs.trial_state import TrialState
from starec_sim.simulation import Simulation, VisitRules
from starec_sim.types import Memory, User
from tests.rounds import MemoryRecord, play_rounds
from tests.turn_store import Turns

RANKING = "<ranking>D > C > B > A</ranking>"
SUMMARY = "<preferences>horror</preferences>"
FEED = {"use": "feed", "recommender": "popularity", "page_size": 4, "pages": 3}
CHOICES = {"use": "ranking", "candidates": 5, "choices": 2}
ALWAYS = {"use": "star", "gate": {"when": "always"}}
CASES = {
    "feed": (FEED, {"use": "star"}, "lexical"),
    "ranking": (CHOICES, {"use": "llmrank"}, "lexical"),
    "reflection": (CHOICES, ALWAYS, "reasoner"),
    "notes about items": (CHOICES, {"use": "agentcf"}, "lexical"),
}


@pytest.fixture(scope="module")
def dataset():
    return load_dataset("synthetic", users=12, items=60, interactions=15)


def played(dataset, case, executor, concurrency=64):
    """Return all visits of two rounds, without what differs from run to run."""
    world, spec, policy = case
    chat = Policy(policy, build_policy({"use": policy}, "policies.fast").model)
    simulation = Simulation(
        build_agent(spec),
        build_environment(world, dataset, 5),
        Gateway({"fast": chat, "slow": chat}, Streams(5), Turns()),
        MemoryRecord(),
        TrialState(0, "", {}, {}, None),
        visit_rules=VisitRules(concurrency, executor=executor),
    )
    return [_without_times(visit) for round in play_rounds(simulation, 2) for visit in round]


def _without_times(visit):
    steps = (
        replace(step, turns=tuple(replace(turn, latency_s=0.0) for turn in step.turns))
        for step in visit.steps
    )
    return replace(visit, steps=tuple(steps))


@pytest.mark.parametrize("name", CASES)
def test_cohorts_of_any_size_play_the_visits_that_users_play_one_by_one(dataset, name):
    one_by_one = played(dataset, CASES[name], PerUser())
    assert len({len(visit.steps) for visit in one_by_one}) > 1 or name != "feed"

    @given(st.integers(1, 14), st.sampled_from([1, 8, 64]))
    @settings(max_examples=3, deadline=None)
    def check(size, concurrency):
        assert played(dataset, CASES[name], Cohort(size), concurrency) == one_by_one

    check()


def cohort_calls(tiny_world, fast, slow, users=3, pages=1):
    world = tiny_world(pages=pages)
    world.users = [User(f"u{row}") for row in range(users)]
    policies = {"fast": Policy("quick", fast), "slow": Policy("careful", slow)}
    gateway = Gateway(policies, Streams(0), Turns())
    return [Call(row, 0, world.users[row], Memory(), world, gateway) for row in range(users)]


def fail(call, error):
    raise error


def test_the_graph_of_a_cohort_has_the_nodes_and_fixed_edges_of_the_agents_graph():
    lifted, own = compile_cohort(PLAN).builder, PLAN.compile().builder
    assert set(lifted.nodes) == set(own.nodes)
    assert compile_cohort(PLAN) is compile_cohort(PLAN)


def test_users_of_a_cohort_ask_together(tiny_world, scripted):
    together, most = 0, 0

    class Counting(type(scripted(RANKING))):
        async def _agenerate(self, *args, **named):
            nonlocal together, most
            together, most = together + 1, max(most, together + 1)
            await asyncio.sleep(0)
            together -= 1
            return self._generate(*args)

    calls = cohort_calls(tiny_world, Counting(answers=[RANKING]), scripted(SUMMARY), users=9)
    visits = asyncio.run(StarAgent(StarAgent.Config()).visits(calls, fail))
    assert [visit.user for visit in visits] == list(range(9))
    assert most == 9


def test_a_visit_that_never_ends_fails_alone(monkeypatch, tiny_world, scripted):
    monkeypatch.setattr(base_agent, "MAX_PAGES", 3)
    calls = cohort_calls(tiny_world, scripted(RANKING), scripted(SUMMARY))
    endless = tiny_world(pages=99)
    endless.users = calls[0].environment.users
    calls[1] = replace(calls[1], environment=endless)
    failed = {}
    player = StarAgent(StarAgent.Config())
    visits = asyncio.run(
        player.visits(calls, lambda call, error: failed.update({call.user: error}))
    )
    assert [visit and visit.user for visit in visits] == [0, None, 2]
    assert isinstance(failed[1], ContractError)
    assert "user u1 in round 1 did not end within 3 pages" in str(failed[1])


def test_a_callback_handler_hears_of_the_cohort_once_and_of_each_users_calls(tiny_world, scripted):
    names, users = [], []

    class Handler(AsyncCallbackHandler):
        async def on_chain_start(self, serialized, inputs, *, parent_run_id=None, **named):
            if parent_run_id is None:
                names.append((named["name"], named["metadata"]["round"]))

        async def on_chat_model_start(self, serialized, messages, *, metadata, **named):
            users.append(metadata["user"])

    async def play():
        var_child_runnable_config.set({"callbacks": [Handler()]})
        await StarAgent(StarAgent.Config()).visits(calls, fail)

    calls = cohort_calls(tiny_world, scripted(RANKING), scripted(SUMMARY))
    asyncio.run(play())
    assert names == [("star cohort of 3 round 1", 1)]
    assert set(users) == {"u0", "u1", "u2"}


def test_a_repair_is_streamed_with_its_user(tiny_world, scripted):
    calls = cohort_calls(tiny_world, scripted("what?", RANKING), scripted(SUMMARY), users=2)
    player = StarAgent(StarAgent.Config())
    context = CohortContext([player.context(call) for call in calls], fail, 9)
    start = {
        n: VisitPlace("perceive", {"memory": call.memory, "steps": ()})
        for n, call in enumerate(calls)
    }

    async def events():
        stream = compile_cohort(PLAN).astream(
            {"visits": start}, context=context, stream_mode="custom"
        )
        return [event async for event in stream]

    (event,) = asyncio.run(events())
    assert (event["event"], event["user"], event["node"]) == ("repair", "u0", "fast")
