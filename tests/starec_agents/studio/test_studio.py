"""The graphs open in LangGraph's own tools, where a person types who visits."""

import asyncio
import importlib.util
import json
import sys
from pathlib import Path

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from starec_agents.star import build_graph
from starec_agents.studio.graphs import star
from starec_sim import Experiment, read_run, run

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def graph():
    """The graph that langgraph.json names, loaded as LangGraph's server loads it: by file."""
    named = json.loads((ROOT / "langgraph.json").read_text("utf-8"))["graphs"]["star"]["path"]
    file, _, name = named.partition(":")
    spec = importlib.util.spec_from_file_location("graph_by_file", ROOT / file)
    module = sys.modules["graph_by_file"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield getattr(module, name)
    del sys.modules["graph_by_file"]


def told(steps):
    """What happened in the steps, without how long it took."""
    return [{**step, "turns": None} for step in steps]


def play(graph, typed):
    return asyncio.run(graph.ainvoke(typed))


def test_langgraph_json_names_a_graph_that_plays_a_visit_of_who_was_typed(graph):
    end = play(graph, {"user": 3})
    assert end["steps"][-1]["feedback"]["ending"]
    assert end["memory"] == end["steps"][-1]["memory"]
    assert told(play(graph, {"user": 3, "round": 1})["steps"]) == told(end["steps"])
    assert told(play(graph, {"user": "u4"})["steps"]) == told(end["steps"])


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
    assert list(schema["properties"]) == ["user", "round", "run", "arm", "seed"]
    assert schema["required"] == ["user"]
    assert "steps" in graph.get_output_jsonschema()["properties"]


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"user": 999}, "no user at row 999; rows go from 0 to 49"),
        ({"user": -1}, "no user at row -1"),
        ({"user": "ann"}, 'no user has the id "ann"; the first are u1, u2'),
        ({"user": 3, "round": 0}, "no round 0"),
        ({"user": 3, "arm": "a"}, "an arm or a seed is one of a run"),
        ({"user": 3, "run": "lost"}, "there are no runs|there is no run"),
        ({"round": 2}, r"does not say who visits(.|\n)*{\"user\": \"u1\"}"),
        ({"user": [1]}, r"user: Input should be a valid integer or .*, not \[1\]"),
        ({"user": 3, "round": "x"}, "round: Input should be a valid integer.*, not 'x'"),
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
        return star.copy(update={"checkpointer": saver}), {"configurable": {"thread_id": thread}}

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
    assert step["feedback"]["ending"] == "left"
    assert step["feedback"]["experiences"] == []


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


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A run with two arms, in which few users visit in a round."""
    return run(
        Experiment.model_validate(
            {
                "name": "opened",
                "rounds": 3,
                "data": {"use": "synthetic", "users": 8, "items": 100},
                "environment": {"use": "feed", "recommender": "popularity", "activity": 1.0},
                "policies": {"fast": "lexical", "slow": "lexical"},
                "arms": {"warm": {}, "cold": {"agent.gate.when": "never"}},
                "runs_dir": tmp_path_factory.mktemp("runs"),
            }
        )
    ).folder


def test_a_recorded_user_stands_where_she_stood_and_does_what_she_did(graph, recorded):
    typed = {"run": str(recorded), "user": "u2", "round": 3, "arm": "cold", "seed": 0}
    end = play(graph, typed)
    table = read_run(recorded).table("steps")
    rows = [
        at
        for at, key in enumerate(zip(table["arm"], table["user"], table["round"], strict=True))
        if key == ("cold", "u2", 2)
    ]
    assert [step["verdict"]["reason"] for step in end["steps"]] == [
        table["reason"][at] for at in rows
    ]
    assert end["memory"]["summary"] == table["summary"][rows[-1]]
    assert {turn["source"] for step in end["steps"] for turn in step["turns"]} == {"replay"}
    assert "arm cold, seed 0, user u2, round 3" in end["opened"]


def test_the_panel_wins_over_the_run(graph, recorded):
    typed = {"run": str(recorded), "user": "u2", "round": 2, "arm": "cold"}
    panel = {"gate": "always", "policy": "lexical"}
    end = asyncio.run(graph.ainvoke(typed, context=panel))
    assert any(step["verdict"]["slow"] for step in end["steps"])
    assert {turn["source"] for step in end["steps"] for turn in step["turns"]} == {"model"}


def test_a_run_of_another_agent_is_refused(recorded):
    llmrank = importlib.import_module("starec_agents.studio.graphs").llmrank
    with pytest.raises(ValueError, match="by the agent star, not by llmrank"):
        play(llmrank, {"run": str(recorded), "user": "u2"})


def test_an_edited_prompt_is_asked(graph, recorded):
    shipped = graph.get_context_jsonschema()["properties"]["prompt_feed"]["default"]
    typed = {"run": str(recorded), "user": "u2", "round": 2}
    panel = {"prompt_feed": shipped + "\nBe brief."}
    (first, *_) = asyncio.run(graph.ainvoke(typed, context=panel))["steps"]
    assert first["turns"][0]["messages"][-1][1].endswith("Be brief.")
    assert first["turns"][0]["source"] == "model"


def test_a_repair_is_an_event_of_its_own(recorded):
    """A policy that answers nonsense is asked once more, and the stream says so."""

    async def events():
        model = "langchain_core.language_models:FakeListChatModel"
        context = {"policy": f"{{use: '{model}', responses: [nonsense]}}"}
        stream = star.astream({"user": 3}, context=context, stream_mode="custom")
        return [event async for event in stream]

    first = asyncio.run(events())[0]
    assert (first["event"], first["node"], first["answer"]) == ("repair", "fast", "nonsense")
    assert first["problem"]
