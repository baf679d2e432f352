"""Analytic users play any task by a formula, the same alone and in a cohort."""

import asyncio
from contextlib import nullcontext
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from starec_agents.analytic import AnalyticAgent
from starec_agents.analytic.acts import actions_on, possible_acts
from starec_agents.analytic.taste import Attributes, learned_worth, padded, satiation
from starec_sim.agent import Call, UnaskedPolicies
from starec_sim.build import build_environment, load_dataset
from starec_sim.errors import ConfigError, ContractError
from starec_sim.executors.cohort import Cohort
from starec_sim.executors.executor import PerUser
from starec_sim.experiment import Experiment
from starec_sim.runs.trial_state import TrialState
from starec_sim.simulation import Simulation, VisitRules
from starec_sim.tasks import FEED, STARS, ActionKind, Amount, FreeText, OneOf, Task
from starec_sim.trials import Trials
from starec_sim.types import Action, Experience, Memory
from tests.rounds import MemoryRecord, play_rounds

FEED_WORLD = {"use": "feed", "recommender": "popularity", "page_size": 4, "pages": 3}
WORLD_DATA = {"use": "synthetic", "users": 12, "items": 60, "interactions": 15}
CHOICES = {"use": "ranking", "candidates": 5, "choices": 2}


@pytest.fixture(scope="module")
def dataset():
    return load_dataset("synthetic", users=12, items=60, interactions=15)


def agent(**values):
    return AnalyticAgent(AnalyticAgent.Config(**values))


def played(dataset, world, player, executor=None, seed=5):
    simulation = Simulation(
        player,
        build_environment(world, dataset, seed),
        UnaskedPolicies("analytic users ask nothing"),
        MemoryRecord(),
        TrialState(0, "", {}, {}, None)._replace(labels={"seed": seed}),
        visit_rules=VisitRules(64, executor=executor or Cohort(100)),
    )
    return [visit for round in play_rounds(simulation, 2) for visit in round]


@pytest.mark.parametrize(
    ("world", "values"),
    [
        (FEED_WORLD, {"worth": "known", "satiation": 0.5}),
        (FEED_WORLD, {"choice": {"model": "cascade"}, "leaves": 0.5}),
        (CHOICES, {}),
    ],
    ids=["known worth", "cascade", "ranking"],
)
def test_a_visit_is_the_same_alone_and_in_a_cohort_of_any_size(dataset, world, values):
    alone = played(dataset, world, agent(**values), PerUser())
    assert any(step.decision.chosen for visit in alone for step in visit.steps)

    @given(st.integers(1, 14))
    @settings(max_examples=3, deadline=None)
    def check(size):
        assert played(dataset, world, agent(**values), Cohort(size)) == alone

    check()


@pytest.mark.parametrize("world", ["shop", "news", "short-video", "bubble"])
def test_worlds_with_actions_of_their_own_are_played(world):
    spec = {"use": world, "users": 5}
    alone = played(None, spec, agent(), PerUser())
    assert alone == played(None, spec, agent(), Cohort(3))
    done = {act.kind for visit in alone for step in visit.steps for act in step.decision.actions}
    assert done - {"skip"}


def test_another_seed_draws_other_choices(dataset):
    one, other = (
        [
            step.decision
            for visit in played(dataset, FEED_WORLD, agent(), seed=5)
            for step in visit.steps
        ],
        [
            step.decision
            for visit in played(dataset, FEED_WORLD, agent(), seed=6)
            for step in visit.steps
        ],
    )
    assert one != other


def test_users_who_know_the_worth_of_items_like_what_they_choose(dataset):
    def stars(worth):
        visits = played(dataset, FEED_WORLD, agent(worth=worth, choice={"noise": 0.1}))
        found = [
            e.rating for visit in visits for step in visit.steps for e in step.feedback.experiences
        ]
        return sum(found) / len(found)

    assert stars("known") > stars("learned")


def test_who_finds_nothing_worth_it_leaves_at_once(dataset):
    bored = agent(choice={"nothing": 20})
    for visit in played(dataset, FEED_WORLD, bored):
        (step,) = visit.steps
        assert step.decision.leave and not step.decision.chosen


def test_satiation_takes_stars_from_what_is_like_what_was_chosen(tiny_world):
    attributes = Attributes(tiny_world().items)  # 0 Horror, Sci-Fi; 1 Animation; 3 Horror
    slates, _ = padded([(0, 1, 3), (1,)])
    assert satiation(attributes, [(3,), ()], slates).tolist() == [[0.5, 0.0, 1.0], [0.0, 0.0, 0.0]]


def test_learned_worth_follows_the_attributes_of_what_was_liked(tiny_world):
    attributes = Attributes(tiny_world().items)
    history = (Experience(3, 5.0, "world"), Experience(1, 1.0, "world"))
    slates, _ = padded([(0, 1, 2)])
    ((horror, animation, crime),) = learned_worth(attributes, [history], slates, 5.0)
    usual = (3.5 * 5 + 6) / 7
    assert crime == pytest.approx(usual)
    assert horror == pytest.approx(usual + (5 - usual) / 6)
    assert animation == pytest.approx(usual + (1 - usual) / 6)


def test_items_without_attributes_are_worth_what_is_usual():
    slates, _ = padded([(0, 1)])
    attributes = Attributes([replace(item, attributes={}) for item in _items(2)])
    assert learned_worth(attributes, [()], slates, 5.0).tolist() == [[3.5, 3.5]]


def _items(count):
    from starec_sim.types import Item

    return [Item(str(row), "") for row in range(count)]


def test_an_environment_that_knows_no_worth_is_named_with_what_to_do(dataset):
    with pytest.raises(ConfigError, match="does not say what the items shown to user") as raised:
        played(dataset, CHOICES, agent(worth="known"))
    assert "agent.worth: learned" in raised.value.hint


def test_a_world_without_end_is_stopped(monkeypatch, tiny_world):
    monkeypatch.setattr("starec_agents.analytic.agent.MAX_PAGES", 2)
    world = tiny_world("feed", pages=9)
    call = Call(0, 0, world.users[0], Memory(), world, UnaskedPolicies(""))
    with pytest.raises(ContractError, match="did not end within 2 pages"):
        asyncio.run(agent(choice={"nothing": -20}).visit(call))


SHOP = Task(
    "shop",
    (
        ActionKind("comment", FreeText(20)),
        ActionKind("look at"),
        ActionKind("buy", Amount(1, 5), at_most=1),
        ActionKind("rate", Amount(1, 3, unit=STARS)),
    ),
)


def test_stronger_wishes_get_stronger_actions_as_far_as_they_are_limited():
    acts = actions_on(SHOP, (7, 8, 9, 5), (4.0, 4.0, 4.9, 4.4), (0.0, None, 0.9, 0.5))
    assert acts == (Action(7, "look at"), Action(8), Action(9, "rate", 3.0), Action(5, "buy", 4.0))
    again = actions_on(SHOP, (1, 2), (4.0, 4.0), (0.5, 0.4))
    assert [act.kind for act in again] == ["buy", "look at"]


def test_a_feed_is_watched_with_the_stars_that_are_expected():
    acts = actions_on(FEED, (1, 2), (3.6, 9.0), (0.1, 2.0))
    assert acts == (Action(1, "watch", 4.0), Action(2, "watch", 5.0))


def test_words_of_a_list_are_those_of_the_example_and_texts_are_never_written():
    kinds = (
        ActionKind("tag", OneOf(("good", "bad"))),
        ActionKind("say", FreeText(9), optional=True),
    )
    assert [each.act for each in possible_acts(Task("tagging", kinds))] == [
        ("tag", "good"),
        ("say", None),
    ]
    with pytest.raises(ConfigError, match='every action of the task "notes" needs one: write'):
        possible_acts(Task("notes", (ActionKind("write", FreeText(9)),)))


@pytest.mark.parametrize(
    ("world", "refused"), [(CHOICES, True), ({"use": "shop"}, True), (FEED_WORLD, False)]
)
def test_known_worth_is_refused_before_anything_is_played_where_no_item_has_one(world, refused):
    values = {
        "name": "x",
        "environment": world,
        "agent": {"use": "analytic", "worth": "known"},
        "data": None if world["use"] == "shop" else WORLD_DATA,
    }
    with (
        pytest.raises(ConfigError, match=r"agent\.worth: known, but") if refused else nullcontext()
    ) as raised:
        Trials(Experiment.model_validate(values))
    assert not refused or "agent.worth: learned" in raised.value.hint
