"""One visit is one invocation of the graph: perceive, fast, respond, gate, slow, remember."""

import asyncio
import textwrap

import pytest
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from pydantic_core import to_jsonable_python

from starec_agents.base import agent
from starec_agents.star import StarAgent, build_graph
from starec_sim.errors import ContractError
from starec_sim.types import Experience, Memory, Step, Visit

RANKING = "<ranking>D > C > B > A</ranking>"
FAR_OFF = "<ranking>D > B > A > C</ranking>"
SUMMARY = "<preferences>Drama: liked</preferences>"
PAGE = "<actions>\nA: watch 5\nB: skip\nC: skip\nD: skip\n</actions>\n<next>stay</next>"

DRAWN = """\
    __start__([<p>__start__</p>]):::first
    perceive(perceive)
    fast(fast)
    respond(respond)
    gate(gate)
    slow(slow)
    remember(remember)
    __end__([<p>__end__</p>]):::last
    __start__ --> perceive;
    fast --> respond;
    gate -.-> remember;
    gate -.-> slow;
    perceive --> fast;
    remember -.-> __end__;
    remember -.-> perceive;
    respond --> gate;
    slow --> remember;
"""


def nodes_of(turns):
    return [(turn.node, turn.attempt) for turn in turns]


# --- the graph ------------------------------------------------------------------------------------


def test_the_drawn_graph_shows_the_loop_of_the_method():
    lines = build_graph().get_graph().draw_mermaid().splitlines()
    drawn = [line.strip() for line in lines if "(" in line or "->" in line]
    assert drawn == textwrap.dedent(DRAWN).splitlines()


def test_the_graph_is_compiled_once_and_shared_by_all_agents():
    first, second = StarAgent(StarAgent.Config()), StarAgent(StarAgent.Config(history_limit=3))
    assert first._graph is second._graph is build_graph()


def test_a_visit_is_one_invocation_however_many_pages_it_has(
    monkeypatch, play, tiny_world, scripted
):
    graph, invoked = build_graph(), []
    ainvoke = type(graph).ainvoke

    async def count(self, *args, **kwargs):
        invoked.append(self)
        return await ainvoke(self, *args, **kwargs)

    monkeypatch.setattr(type(graph), "ainvoke", count)
    visit = play(tiny_world(pages=5), scripted(RANKING), scripted(SUMMARY))
    assert len(visit.steps) == 5
    assert invoked == [graph]


def test_the_nodes_run_in_the_order_of_the_method(call_of, tiny_world, scripted):
    player = StarAgent(StarAgent.Config(gate={"rank_above": 2}))
    call = call_of(tiny_world(pages=2), scripted(RANKING, FAR_OFF), scripted(SUMMARY))

    async def watch():
        start = {"memory": call.memory, "steps": ()}
        stream = build_graph().astream(start, context=player.context(call), stream_mode="updates")
        return [name async for update in stream for name in update]

    assert asyncio.run(watch()) == [
        *("perceive", "fast", "respond", "gate", "remember"),
        *("perceive", "fast", "respond", "gate", "slow", "remember"),
    ]


def test_a_state_survives_the_serializer_of_langgraph(play, tiny_world, scripted):
    visit = play(tiny_world("feed", 2), scripted("broken"), scripted(SUMMARY), Memory(summary="x"))
    serializer = JsonPlusSerializer()
    back = serializer.loads_typed(serializer.dumps_typed(visit))
    assert type(back) is Visit
    assert [type(step) for step in back.steps] == [Step, Step]
    # Tuples come back as lists, nothing else is lost.
    assert to_jsonable_python(back) == to_jsonable_python(visit)


# --- a plain visit --------------------------------------------------------------------------------


def test_a_clean_answer_takes_one_call_and_what_was_lived_is_remembered(play, tiny_world, scripted):
    fast, slow = scripted(RANKING), scripted(SUMMARY)
    (step,) = play(tiny_world(), fast, slow).steps
    assert step.decision.ranking == (3, 2, 1, 0)
    assert (step.verdict.slow, step.verdict.reason) == (False, "as expected")
    assert nodes_of(step.turns) == [("fast", 0)]
    assert step.memory == Memory((Experience(2, 4.0, "world"),), "", 1)
    assert slow.asked == []


def test_the_pages_of_a_visit_follow_each_other_until_the_world_ends_it(play, tiny_world, scripted):
    fast = scripted(PAGE)
    visit = play(tiny_world("feed", pages=3), fast, scripted(SUMMARY))
    assert [step.observation.page for step in visit.steps] == [1, 2, 3]
    assert [step.feedback.ending for step in visit.steps] == ["", "", "done"]
    assert [step.memory.steps for step in visit.steps] == [1, 2, 3]
    # Each page shows what the pages before it brought.
    assert [question[1][1].count("5 stars: liked") for question in fast.asked] == [0, 1, 2]


def test_she_may_leave_before_the_last_page(play, tiny_world, scripted):
    leaving = PAGE.replace("stay", "leave")
    visit = play(tiny_world("feed", pages=9), scripted(PAGE, leaving), scripted(SUMMARY))
    assert [step.feedback.ending for step in visit.steps] == ["", "left"]


def test_fast_and_slow_may_be_different_policies(play, tiny_world, scripted):
    (step,) = play(tiny_world(), scripted(FAR_OFF), scripted(SUMMARY), gate={"rank_above": 3}).steps
    assert [(turn.node, turn.policy) for turn in step.turns] == [
        ("fast", "quick"),
        ("slow", "careful"),
    ]


def test_memory_keeps_only_the_latest_experiences(play, tiny_world, scripted):
    old = Memory(tuple(Experience(5, 1.0, "world") for _ in range(9)), "old", 9)
    visit = play(tiny_world(pages=4), scripted(RANKING), scripted(SUMMARY), old, history_limit=3)
    assert [len(step.memory.history) for step in visit.steps] == [3, 3, 3, 3]
    assert {experience.item for experience in visit.steps[-1].memory.history} == {2}
    assert visit.steps[-1].memory.steps == 13


# --- answers that cannot be read ------------------------------------------------------------------


def test_a_broken_answer_is_repaired_by_one_call_that_quotes_the_error(play, tiny_world, scripted):
    fast = scripted("<ranking>D > C > B</ranking>", RANKING)
    (step,) = play(tiny_world(), fast, scripted(SUMMARY)).steps
    assert step.decision.ranking == (3, 2, 1, 0)
    assert step.decision.repaired
    assert not step.decision.malformed
    assert nodes_of(step.turns) == [("fast", 0), ("fast", 1)]
    assert [turn.error for turn in step.turns] == ["labels are missing: A", ""]
    question, repair = fast.asked
    assert repair[:2] == question
    assert repair[2] == ("ai", "<ranking>D > C > B</ranking>")
    assert "labels are missing: A" in repair[3][1]


def test_there_is_no_second_repair_and_what_was_not_read_stands_last(play, tiny_world, scripted):
    fast = scripted("I like films.", "<ranking>D > D > X</ranking>", RANKING)
    (step,) = play(tiny_world(), fast, scripted(SUMMARY), gate={"when": "never"}).steps
    assert len(fast.asked) == 2
    assert step.decision.ranking == (3, 0, 1, 2)
    assert step.decision.read == 1
    assert step.decision.flaws == {"invented": 1, "duplicate": 1, "missing": 3}
    assert step.decision.repaired
    assert all(turn.error for turn in step.turns)


def test_a_repair_that_is_worse_than_the_answer_does_not_replace_it(play, tiny_world, scripted):
    fast = scripted("<ranking>D > C</ranking>", "sorry")
    (step,) = play(tiny_world(), fast, scripted(SUMMARY), gate={"when": "never"}).steps
    assert step.decision.ranking == (3, 2, 0, 1)
    assert (step.decision.read, step.decision.repaired) == (2, True)


def test_an_unreadable_prediction_is_thought_about(play, tiny_world, scripted):
    (step,) = play(tiny_world(), scripted("?"), scripted(SUMMARY)).steps
    assert step.verdict.reason == "the prediction could not be read"
    assert nodes_of(step.turns) == [("fast", 0), ("fast", 1), ("slow", 0)]


# --- slow thinking --------------------------------------------------------------------------------


def test_slow_thinking_rewrites_the_summary_and_the_next_page_shows_it(play, tiny_world, scripted):
    fast, slow = scripted(RANKING), scripted(SUMMARY)
    visit = play(
        tiny_world(pages=2), fast, slow, Memory(summary="Horror: liked"), gate={"when": "always"}
    )
    assert [step.memory.summary for step in visit.steps] == ["Drama: liked"] * 2
    assert "Horror: liked" in fast.asked[0][1][1]
    assert "Drama: liked" in fast.asked[1][1][1]
    assert "Horror: liked" in slow.asked[0][1][1]
    assert "Drama: liked" in slow.asked[1][1][1]


def test_a_summary_that_cannot_be_read_changes_nothing_and_its_turns_say_why(
    play, tiny_world, scripted
):
    slow = scripted("well", "<preferences></preferences>", SUMMARY)
    (step,) = play(
        tiny_world(), scripted(RANKING), slow, Memory(summary="old"), gate={"when": "always"}
    ).steps
    assert step.memory.summary == "old"
    assert nodes_of(step.turns) == [("fast", 0), ("slow", 0), ("slow", 1)]
    assert [("<preferences>" in turn.error) for turn in step.turns] == [False, True, True]
    assert "<preferences>" in slow.asked[1][3][1]
    assert not step.decision.malformed


def test_a_summary_that_is_too_long_is_cut_when_the_repair_fails_too(play, tiny_world, scripted):
    slow = scripted(f"<preferences>{'word ' * 30}</preferences>", "sorry")
    (step,) = play(
        tiny_world(), scripted(RANKING), slow, summary_words=10, gate={"when": "always"}
    ).steps
    assert step.memory.summary == " ".join(["word"] * 10)
    assert "30 words" in step.turns[1].error


def test_without_reflection_the_slow_policy_is_never_asked(play, tiny_world, scripted):
    slow = scripted(SUMMARY)
    visit = play(tiny_world(pages=3), scripted("?"), slow, gate={"when": "never"})
    assert slow.asked == []
    assert {step.memory.summary for step in visit.steps} == {""}


def test_thinking_at_every_second_step_counts_the_steps_of_a_life(play, tiny_world, scripted):
    visit = play(
        tiny_world(pages=4),
        scripted(RANKING),
        scripted(SUMMARY),
        Memory(steps=1),
        gate={"when": "every", "every": 2},
    )
    assert [step.verdict.slow for step in visit.steps] == [True, False, True, False]


# --- what a visit leaves alone --------------------------------------------------------------------


def test_a_visit_changes_nothing_outside(play, tiny_world, scripted):
    world, memory = tiny_world(pages=3), Memory(summary="old")
    before = (vars(world).copy(), world.observe(0, ()))
    visits = [
        play(world, scripted(FAR_OFF), scripted(SUMMARY), memory, gate={"when": "always"})
        for _ in range(2)
    ]
    assert (vars(world), world.observe(0, ())) == before
    assert memory == Memory(summary="old")
    assert [step.memory for step in visits[0].steps] == [step.memory for step in visits[1].steps]
    assert [step.decision for step in visits[0].steps] == [
        step.decision for step in visits[1].steps
    ]


def test_visits_that_run_at_the_same_time_do_not_mix(call_of, tiny_world, scripted):
    player = StarAgent(StarAgent.Config(gate={"when": "always"}))
    calls = [
        call_of(
            tiny_world(pages=2),
            scripted(RANKING if n % 2 else FAR_OFF),
            scripted(f"<preferences>taste {n}</preferences>"),
        )
        for n in range(20)
    ]

    async def together():
        return await asyncio.gather(*(player.visit(call) for call in calls))

    for n, visit in enumerate(asyncio.run(together())):
        assert visit.steps[-1].memory.summary == f"taste {n}"
        assert visit.steps[0].decision.ranking == ((3, 2, 1, 0) if n % 2 else (3, 1, 0, 2))


# --- what goes wrong ------------------------------------------------------------------------------


def test_a_world_without_end_is_stopped_with_a_word_to_its_author(
    monkeypatch, play, tiny_world, scripted
):
    monkeypatch.setattr(agent, "MAX_PAGES", 3)
    with pytest.raises(ContractError, match="user ann in round 1 did not end within 3 pages"):
        play(tiny_world(pages=99), scripted(RANKING), scripted(SUMMARY))


def test_a_call_that_fails_is_a_decision_nobody_could_read_and_the_visit_goes_on(
    play, tiny_world, scripted
):
    visit = play(tiny_world(), scripted(None, "yes"), scripted(SUMMARY))
    (turn,) = [turn for turn in visit.steps[0].turns if turn.node == "fast"]
    assert turn.failure.startswith('refused: the policy "quick" failed')
    decision = visit.steps[0].decision
    assert decision.malformed
    assert (decision.read, decision.repaired) == (0, False), "nothing is credited, nor repaired"


def test_a_thought_that_fails_leaves_the_summary_as_it_was(play, tiny_world, scripted):
    visit = play(tiny_world(), scripted(RANKING), scripted(None, "yes"), gate={"when": "always"})
    (turn,) = [turn for turn in visit.steps[0].turns if turn.node == "slow"]
    assert turn.failure
    assert visit.steps[0].memory.summary == ""


def test_an_agent_tells_its_templates_for_the_record():
    told = StarAgent(StarAgent.Config()).prompts()
    assert set(told) == {"ranking", "feed", "act", "reflect", "repair", "json"}
