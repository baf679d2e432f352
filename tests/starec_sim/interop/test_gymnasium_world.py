"""Users who live in a Gymnasium environment: slates, decisions as actions, purity by replay."""

import numpy as np
import pytest

gymnasium = pytest.importorskip("gymnasium", reason="needs the extra `rl`")

from gymnasium import spaces  # noqa: E402

from starec_sim import Action, Decision, Feedback, Step, Streams  # noqa: E402
from starec_sim.checks.kinds import checks_of, result_of  # noqa: E402
from starec_sim.checks.target import CheckTarget  # noqa: E402
from starec_sim.errors import StarecError  # noqa: E402
from starec_sim.interop.gymnasium_spaces import SlateSpaces  # noqa: E402
from starec_sim.interop.gymnasium_world import GymnasiumWorld  # noqa: E402
from starec_sim.types import Memory, Verdict  # noqa: E402

HERE = __name__
KIOSK = "tests.starec_sim.interop.test_gymnasium_world:Kiosk"


class Kiosk(gymnasium.Env):
    """Three of nine papers a page, for three pages; the first place may be empty."""

    played = 0
    """Steps of all instances."""

    def __init__(self, action_space=None, slate=None):
        self.action_space = action_space or spaces.MultiDiscrete([3] * 3)
        self.observation_space = slate or spaces.Dict(
            {"slate": spaces.Box(-1, 8, (3,), np.int64), "clock": spaces.Discrete(9)}
        )

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.sum = self.page = 0
        return self._show(), {}

    def step(self, action):
        Kiosk.played += 1
        self.sum += int(np.sum(action))
        self.page += 1
        return self._show(), float(np.sum(action)), self.page == 3, False, self._told()

    def _show(self):
        slate = self.np_random.choice(9, 3, replace=False)
        slate[0] = -1 if self.page == 1 else slate[0]
        self.shown = slate
        return {"slate": slate, "clock": self.page}

    def _told(self):
        cards = [f'"paper {row}" | price: {self.page}' for row in self.shown]
        return {"cards": cards, "context": f"coins: {self.sum}", "liked": [True, False, True]}


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """Let the id find this module under the name that it has here."""
    import sys

    monkeypatch.setitem(sys.modules, KIOSK.partition(":")[0], sys.modules[HERE])


def world(**settings):
    config = {"id": KIOSK, "users": 3, "actions": ["look at", "buy"], **settings}
    return GymnasiumWorld(GymnasiumWorld.Config(**config), None, Streams(1))


def acted(shown, *kinds):
    acts = tuple(Action(item, kind) for item, kind in zip(shown.slate, kinds, strict=True))
    return Decision(actions=acts)


def step_of(shown, decision, feedback):
    return Step(shown, decision, feedback, Verdict(False, ""), (), Memory())


def made(seed):
    config = GymnasiumWorld.Config(id=KIOSK, users=3, actions=["look at", "buy"])
    return GymnasiumWorld(config, None, Streams(seed))


TARGET = CheckTarget("environment", made, None)
# Another process would need seconds to import everything.
CHECKS = [each for each in checks_of("environment") if each.name != "the same in another process"]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_it_keeps_the_contract_of_an_environment(check):
    found = result_of(check, TARGET)
    assert found.state == "passed", found.note


def test_a_decision_becomes_a_number_for_each_place_and_the_info_becomes_text():
    env = world()
    env.begin_round(0)
    first = env.observe(0, ())
    assert first.cards == tuple(f'"item {row + 1}"' for row in first.slate)
    decision = acted(first, "buy", "skip", "look at")
    feedback = env.respond(0, (), first, decision)
    assert feedback.reward == {"reward": 3.0}
    lived = [(e.item, e.rating, e.action, e.liked) for e in feedback.experiences]
    assert lived == [(first.slate[0], None, "buy", True), (first.slate[2], None, "look at", True)]
    second = env.observe(0, (step_of(first, decision, feedback),))
    assert second.context == "coins: 3"
    assert len(second.slate) == 2  # an empty place is not shown
    assert second.cards[0].endswith("price: 1")
    feedback = env.respond(
        0, (step_of(first, decision, feedback),), second, acted(second, *2 * ["buy"])
    )
    assert feedback.reward == {"reward": 4.0} and not feedback.ending


def test_a_visit_costs_its_pages_and_another_decision_plays_them_again():
    env = world(users=1)
    env.begin_round(0)
    Kiosk.played, steps, shown = 0, (), env.observe(0, ())
    for _ in range(3):
        decision = acted(shown, *["look at"] * len(shown.slate))
        feedback = env.respond(0, steps, shown, decision)
        assert env.respond(0, steps, shown, decision) == feedback
        steps += (step_of(shown, decision, feedback),)
        shown = env.observe(0, steps)
    assert feedback.ending == "done" and Kiosk.played == 3
    other = env.respond(
        0, steps[:2], steps[2].observation, acted(steps[2].observation, *["buy"] * 3)
    )
    assert other.reward == {"reward": 6.0} and Kiosk.played == 6
    assert env.observe(0, steps[:1]) == steps[1].observation and Kiosk.played == 6


def test_a_choice_of_one_is_the_first_of_a_ranking():
    env = world(arguments={"action_space": spaces.Discrete(3)})
    env.begin_round(0)
    shown = env.observe(0, ())
    assert shown.task.ranks
    order = (shown.slate[2], shown.slate[0], shown.slate[1])
    feedback = env.respond(0, (), shown, Decision(ranking=order, read=3))
    assert feedback.reward == {"reward": 2.0}
    assert [e.item for e in feedback.experiences] == [shown.slate[2]]


def test_a_visit_ends_when_she_leaves_and_after_the_most_pages():
    env = world(pages=1)
    env.begin_round(0)
    shown = env.observe(0, ())
    nothing = acted(shown, *["skip"] * 3)
    assert env.respond(0, (), shown, nothing).ending == "pages"
    leaves = Decision(actions=nothing.actions, leave=True)
    assert isinstance(feedback := env.respond(0, (), shown, leaves), Feedback)
    assert feedback.ending == "left"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"id": "NoSuchThing-v0"}, 'Gymnasium cannot make "NoSuchThing-v0"'),
        ({"id": "CartPole-v1"}, 'the observation has no key "slate"'),
        ({"id": "CartPole-v1", "slate": ""}, "holds no slate"),
        ({"actions": ["buy"]}, r"1 names \(buy\), and the action space .* has 3 numbers"),
        ({"actions": ["Buy!", "x"]}, "a name is lower-case words"),
        ({"titles": ["one"]}, "1 items, and the slates of .* have numbers for 9"),
        ({"arguments": {"action_space": spaces.Discrete(7)}}, r"it must be Discrete\(3\)"),
        ({"arguments": {"slate": spaces.Dict({"page": spaces.Discrete(3)})}}, r'no key "slate"'),
    ],
)
def test_what_does_not_fit_is_named_with_what_would(changes, said):
    with pytest.raises(StarecError, match=said) as error:
        world(**changes)
    assert error.value.hint


def test_info_has_one_value_for_each_place(monkeypatch):
    monkeypatch.setattr(Kiosk, "_told", lambda self: {"liked": [True]})
    env = world()
    env.begin_round(0)
    shown = env.observe(0, ())
    with pytest.raises(StarecError, match=r'info\["liked"\] of .* holds 1 values, .* 3 places'):
        env.respond(0, (), shown, acted(shown, *["buy"] * 3))


def test_box_slates_count_their_items_by_the_highest_number():
    env = Kiosk(spaces.MultiBinary(3))
    read = SlateSpaces.of(env, "slate", ["watch"])
    assert (read.n_items, read.places, read.task.examples) == (9, 3, ["skip", "watch"])
