"""Users as agents of PettingZoo: its own tests, and what the spaces of tasks mean."""

import warnings

import numpy as np
import pytest

pytest.importorskip("pettingzoo", reason="needs the extra `rl`")

from hypothesis import given, settings
from hypothesis import strategies as st
from pettingzoo.test import parallel_api_test, parallel_seed_test

from starec_sim import FEED, RANKING, ActionKind, Amount, FreeText, Observation, OneOf, Task
from starec_sim.errors import ConfigError, StarecError
from starec_sim.interop.user_actions import UserActions
from starec_sim.interop.users_env import UsersEnv

SMALL = {"use": "synthetic", "users": 24, "items": 80, "interactions": 20}
FEED_OF_4 = {"use": "feed", "users": 4, "recommender": "popularity", "page_size": 4}
COFFEE = {
    "environment": {"use": "docs/examples/coffee_shop.py:CoffeeShop", "guests": 3},
    "data": None,
    "reward": "bill",
}
SHOP = Task(
    "shop",
    actions=(
        ActionKind("look at"),
        ActionKind("buy", Amount(1, 5), at_most=1),
        ActionKind("weigh", Amount(0, 2.5, whole=False)),
        ActionKind("feel", OneOf(("bored", "curious"))),
        ActionKind("comment", FreeText(20)),
    ),
    per_item=2,
    after=(ActionKind("search", FreeText(40)),),
)


def users_env(**changes):
    return UsersEnv(**{"environment": FEED_OF_4, "data": SMALL, "rounds": 2, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"environment": "ranking", "reward": "tier"},
        {"actions": "text"},
        COFFEE,
    ],
    ids=["feed", "ranking", "text", "own task"],
)
def test_pettingzoos_tests_have_nothing_to_say(changes, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parallel_api_test(users_env(**changes), num_cycles=30)
        parallel_seed_test(lambda: users_env(**changes), num_cycles=6)


def test_a_user_who_left_is_absent_until_the_next_round():
    env = users_env(environment={**FEED_OF_4, "activity": 1.0})
    seen, _ = env.reset(seed=1)
    assert all(each["present"] == 1 for each in seen.values())
    stay = {"kinds": np.zeros(4, np.int64), "amounts": np.zeros(4, np.float32), "next": 0}
    seen, *_ = env.step({agent: {**stay, "next": int(agent == "user_2")} for agent in env.agents})
    assert [each["present"].item() for each in seen.values()] == [1, 1, 0, 1]
    assert not seen["user_2"]["slate"].any()
    # A user who is absent needs no action.
    env.step({agent: stay for agent in env.agents if agent != "user_2"})
    seen, *_, infos = env.step({agent: {**stay, "next": 1} for agent in env.agents})
    assert infos["user_2"]["round"] == 1 and seen["user_2"]["present"] == 1


def test_what_a_user_lives_through_is_in_her_next_observation():
    env = users_env(environment={**FEED_OF_4, "activity": 1.0}, history=3)
    seen, _ = env.reset(seed=2)
    watch = {"kinds": np.array([1, 0, 0, 0]), "amounts": np.ones(4, np.float32), "next": 0}
    after, *_ = env.step(dict.fromkeys(env.agents, watch))
    for agent in env.agents:
        assert after[agent]["history_items"][-1] == seen[agent]["slate"][0]
        assert 1 <= after[agent]["history_stars"][-1] <= 5
        assert after[agent]["history_liked"][-1] == 1 + (after[agent]["history_stars"][-1] > 3)


def test_in_a_world_without_stars_likes_are_seen():
    env = users_env(**COFFEE, history=4)
    env.reset(seed=0)
    order = {"kinds": np.array([1, 0, 1]), "amounts": np.zeros(3, np.float32), "next": 0}
    after, *_ = env.step(dict.fromkeys(env.agents, order))  # a hot drink and a cold one
    assert after["user_0"]["history_liked"].tolist() == [2, 1, 0, 0]
    assert after["user_1"]["history_liked"].tolist() == [1, 2, 0, 0]
    assert not after["user_0"]["history_stars"].any()


def test_a_world_that_makes_its_own_users_needs_no_data_to_be_named():
    env = UsersEnv(COFFEE["environment"], reward="bill")
    assert env.possible_agents == ["user_0", "user_1", "user_2"]


def test_a_text_is_read_as_an_answer_of_a_model():
    env = users_env(**COFFEE, actions="text")
    _, infos = env.reset(seed=0)
    assert "Act on all 3 items" in infos["user_0"]["messages"][1][1]
    answer = "<actions>\nA: order 2\nB: skip\nC: skip\n</actions>\n<next>leave</next>"
    _, rewards, _, _, infos = env.step({"user_0": answer, "user_1": "no", "user_2": ""})
    assert rewards == {"user_0": 5.0, "user_1": 0.0, "user_2": 0.0}
    assert infos["user_0"]["malformed"] == ""
    assert "actions" in infos["user_1"]["malformed"] and infos["user_2"]["malformed"]


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_every_action_of_a_space_is_read_without_a_flaw_but_limits(data):
    task = data.draw(st.sampled_from([SHOP, FEED, RANKING]))
    places = data.draw(st.integers(1, 5))
    slate = tuple(range(data.draw(st.integers(1, places))))
    shown = Observation(task, slate, tuple(f'"{n}"' for n in slate))
    actions = UserActions(task, places)
    space = actions.space()
    space.seed(data.draw(st.integers(0, 1000)))
    decision = actions.decision(space.sample(), shown)
    assert set(decision.flaws) <= {"too many"}
    if task.ranks:
        assert sorted(decision.ranking) == list(slate) and decision.read == len(slate)
    else:
        assert [act.item for act in decision.actions] == list(slate)
        assert sum(act.kind == "buy" for act in decision.actions) <= (task is SHOP)


def test_an_amount_is_a_place_in_its_range():
    actions = UserActions(SHOP, 3)
    assert actions.names["kinds"] == ["skip", "look at", "buy", "weigh", "feel"]
    assert actions.names["next"] == ["stay", "leave"]
    action = {"kinds": np.array([2, 3, 4]), "amounts": np.array([1.0, 0.5, 0.9]), "next": 1}
    decision = actions.decision(action, Observation(SHOP, (5, 6, 7), ('"a"', '"b"', '"c"')))
    done = [(act.item, act.kind, act.value) for act in decision.actions]
    assert done == [(5, "buy", 5.0), (6, "weigh", 1.25), (7, "feel", "curious")]
    assert decision.leave


def test_a_wrong_argument_is_changed_where_it_is_passed():
    with pytest.raises(ConfigError, match="rounds: must be greater") as raised:
        users_env(rounds=0)
    assert raised.value.hint == "change that argument of UsersEnv(...)"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"reward": "satisfacton"}, 'did you mean "satisfaction"'),
        ({"actions": "words"}, "actions: must be 'numbers' or 'text'"),
        ({"rounds": 0}, "rounds: must be greater than or equal to 1"),
        ({"history": 0}, "history: must be greater than or equal to 1"),
        ({"environment": {"use": "feed", "page_sise": 3}}, "page_sise: there is no such key"),
        ({"environment": "feet"}, 'no environment is called "feet"'),
    ],
)
def test_a_wrong_setting_is_named(changes, said):
    with pytest.raises(StarecError, match=said) as error:
        users_env(**changes)
    assert error.value.hint


def test_a_missing_action_and_a_wrong_one_are_named():
    env = users_env(environment={**FEED_OF_4, "activity": 1.0})
    env.reset(seed=0)
    with pytest.raises(ConfigError, match="user_0 is shown page 1 and has no action"):
        env.step({})
    with pytest.raises(ConfigError, match="the action of user_0 is 3, which is not in"):
        env.step(dict.fromkeys(env.agents, 3))


@pytest.mark.parametrize("argument", ["environment", "data", "agent"])
def test_what_is_no_spec_is_named(argument):
    changes = {argument: ["feed"]}
    with pytest.raises(ConfigError, match=rf"{argument}: \['feed'\] must be the name of a plug-in"):
        users_env(**changes, actions="text")


def test_an_agent_that_nobody_outside_can_answer_for_is_refused():
    said = "the agent analytic has no decision, question, .*, which answers from outside need"
    with pytest.raises(StarecError, match=said):
        users_env(agent="analytic", actions="text")
