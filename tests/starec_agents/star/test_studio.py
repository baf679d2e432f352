"""The graph opens in LangGraph's own tools, where a person types who visits."""

import asyncio
import importlib.util
import json
import sys
from pathlib import Path

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from starec_agents.star import build_graph
from starec_agents.star.studio import Start, TypedState, _with_visit
from starec_sim.types import Experience

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def graph():
    """The graph that langgraph.json names, loaded as LangGraph's server loads it: by file."""
    named = json.loads((ROOT / "langgraph.json").read_text("utf-8"))["graphs"]["star"]
    file, _, name = named.partition(":")
    spec = importlib.util.spec_from_file_location("graph_by_file", ROOT / file)
    module = sys.modules["graph_by_file"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield getattr(module, name)
    del sys.modules["graph_by_file"]


def told(steps):
    """What happened in the steps, without how long it took."""
    return [(s.observation, s.decision, s.feedback, s.verdict, s.memory) for s in steps]


def play(graph, typed):
    return asyncio.run(graph.ainvoke(typed))


def test_langgraph_json_names_a_graph_that_plays_a_visit_of_who_was_typed(graph):
    end = play(graph, {"user": 3})
    assert end["steps"][-1].feedback.ending
    assert end["memory"] == end["steps"][-1].memory
    assert all(isinstance(experience, Experience) for experience in end["memory"].history)
    assert told(play(graph, {"user": 3, "round": 0})["steps"]) == told(end["steps"])


def test_users_and_rounds_differ(graph):
    steps = [told(play(graph, typed)["steps"]) for typed in ({"user": 3}, {"user": 4})]
    assert steps[0] != steps[1]
    assert told(play(graph, {"user": 3, "round": 2})["steps"]) != steps[0]


def test_it_is_the_graph_that_every_run_uses_and_brings_no_checkpointer(graph):
    assert graph.get_graph().draw_mermaid() == build_graph().get_graph().draw_mermaid()
    assert graph.checkpointer is None
    for name, node in graph.nodes.items():
        if name != "__start__":
            assert node.bound.afunc.__wrapped__ is build_graph().nodes[name].bound.afunc


def test_the_form_of_the_input_asks_for_a_user_and_perhaps_a_round(graph):
    schema = graph.get_input_jsonschema()
    assert {name: kind["type"] for name, kind in schema["properties"].items()} == {
        "user": "integer",
        "round": "integer",
    }
    assert schema["required"] == ["user"]
    assert "steps" in graph.get_output_jsonschema()["properties"]


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"user": 999}, "no user 999; .* from 0 to 49"),
        ({"user": -1}, "no user -1"),
        ({"round": 0}, "no user None"),
        ({"user": 3, "round": -1}, "no round -1"),
        ({"user": "ann"}, "valid integer"),
    ],
)
def test_who_is_not_there_is_refused_with_the_range_that_is(graph, typed, message):
    with pytest.raises(ValueError, match=message):
        play(graph, typed)


@pytest.fixture(params=[True, None], ids=["trusting", "strict"])
def stepper(request):
    """The same graph behind a checkpointer; a strict one, the coming default, restores no types."""

    def build(thread):
        saver = InMemorySaver(serde=JsonPlusSerializer(allowed_msgpack_modules=request.param))
        graph = build_graph(_with_visit, TypedState, Start).copy(update={"checkpointer": saver})
        return graph, {"configurable": {"thread_id": thread}}

    return build


NODES = ["perceive", "fast", "respond", "gate", "slow", "remember"]


def test_stepping_through_a_visit_node_by_node_changes_nothing_about_it(graph, stepper):
    stepped, thread = stepper("steps")

    async def step():
        end, passed = await stepped.ainvoke({"user": 3}, thread, interrupt_before=NODES), []
        while waiting := (await stepped.aget_state(thread)).next:
            passed += waiting
            end = await stepped.ainvoke(None, thread, interrupt_before=NODES)
        return end, passed

    end, passed = asyncio.run(step())
    whole = play(graph, {"user": 3})
    assert passed.count("perceive") == passed.count("remember") == len(whole["steps"])
    assert told(end["steps"]) == told(whole["steps"])


def test_an_edited_decision_is_what_the_world_answers(stepper):
    stepped, thread = stepper("edits")

    async def edit():
        await stepped.ainvoke({"user": 3}, thread, interrupt_before=["respond"])
        shown = (await stepped.aget_state(thread)).values["observation"]
        slate = shown["slate"] if isinstance(shown, dict) else shown.slate
        actions = [{"item": slate[0], "watched": False}]
        edited = {"decision": {"actions": actions, "leave": True}}
        await stepped.aupdate_state(thread, edited, as_node="fast")
        return await stepped.ainvoke(None, thread)

    (step,) = asyncio.run(edit())["steps"]
    assert step.feedback.ending == "left"
    assert step.feedback.experiences == ()


def test_whoever_is_typed_next_on_a_thread_begins_a_visit_of_her_own(graph, stepper):
    stepped, thread = stepper("guests")

    async def guests():
        whole = await stepped.ainvoke({"user": 3}, thread)
        again = await stepped.ainvoke({"user": 3}, thread)
        await stepped.ainvoke({"user": 4}, thread, interrupt_after=["respond"])
        return whole, again, await stepped.ainvoke({"user": 5}, thread)

    whole, again, other = asyncio.run(guests())
    assert told(again["steps"]) == told(whole["steps"])
    assert told(other["steps"]) == told(play(graph, {"user": 5})["steps"])
