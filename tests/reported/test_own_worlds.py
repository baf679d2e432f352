"""Mistakes in worlds of one file: each is said in the words of the one who wrote it."""

import os
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.language_models.chat_models import BaseChatModel

from starec_sim import (
    Action,
    ActionKind,
    Amount,
    Decision,
    Feedback,
    Item,
    Streams,
    Task,
    User,
    World,
    plugins,
)
from starec_sim.boundary import build_checked, checked_environment
from starec_sim.build import build_policy, load_dataset
from starec_sim.checks.find import find
from starec_sim.checks.kinds import run_checks
from starec_sim.errors import ConfigError, ContractError, ContractWarning, PluginError
from starec_sim.executors.event_loop import run_coroutine
from starec_sim.new_plugin import write_new_plugin
from starec_sim.policies.text_policy import TextPolicy
from tests.reported.coffee_shop import drink, play_shop
from tests.rounds import ScriptedAgent


class Tea(World):
    """A world whose parts a test replaces."""

    task = Task("tea", (ActionKind("drink", Amount(1, 3, unit="cups")),))
    offered = (0, 1)

    def set_up(self):
        self.users = [User("ann")]
        self.items = [Item("g", "Green"), Item("b", "Black")]

    def offer(self, user, steps):
        return self.offered

    def react(self, user, steps, shown, decision):
        return Feedback((), ending="done")


def tea(**attributes):
    return type("Mine", (Tea,), attributes)(Tea.Config(), None, Streams(0))


@pytest.mark.parametrize(
    "offered",
    [None, [1.5, 0.0], ["g", "b"], np.array([True, False]), [True, False], [Item("g", "Green")]],
)
def test_what_is_no_row_is_refused_and_never_rounded(offered):
    """`int(1.5)` and `int(True)` would show another item than the author meant."""
    world = checked_environment(tea(offered=offered))
    world.begin_round(0)
    with pytest.raises(PluginError, match=r"offer returned .*; it must return rows of items"):
        world.observe(0, ())


@pytest.mark.parametrize("row", [-1, 2])
def test_a_row_that_no_item_has_is_named_and_not_an_error_in_a_file_of_starec(row):
    world = checked_environment(tea(offered=(0, row)))
    world.begin_round(0)
    with pytest.raises(PluginError, match=f"offer returned item {row}; there are 2 items"):
        world.observe(0, ())


@pytest.mark.parametrize("offered", [range(2), (0, 1), np.array([1, 0]), iter([0, 1])])
def test_rows_in_any_container_are_shown(offered):
    assert set(tea(offered=offered).observe(0, ()).slate) == {0, 1}


@pytest.mark.parametrize("offered", [(0, 1), (0,)])
def test_cards_of_other_items_than_those_on_the_slate_are_named(offered):
    def observe(self, user, steps):
        shown = Tea.observe(self, user, steps)
        return replace(shown, cards=tuple(self.cards[1 - item] for item in shown.slate))

    world = checked_environment(tea(offered=offered, observe=observe))
    world.begin_round(0)
    with pytest.warns(ContractWarning, match='card of item g begins with the title of item b, "Bl'):
        world.observe(0, ())


@pytest.mark.parametrize("text", ["a warm cup", '"Black" or not, this is Green', '"Best of all"'])
def test_cards_in_words_of_their_own_are_no_fault(text):
    world = checked_environment(tea(offered=(0,), item_card=lambda *_: text))
    world.begin_round(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert world.observe(0, ()).cards == (text,)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_json_values_come_back_as_they_were(value):
    world, other = tea(), tea()
    world.kept = {"x": value, "array": np.arange(2)}
    other.restore(world.state())
    assert other.kept["x"] == value
    assert other.kept["array"].tolist() == [0, 1]


@pytest.mark.parametrize(
    "value",
    [{1, 2}, {1: 2}, [{"a": {None: 1}}], float("nan"), [np.int64(3)], User("ann"), object()],
)
def test_what_a_resume_could_not_read_back_is_named(value):
    world = tea()
    world.kept = {"guests": value}
    with pytest.raises(TypeError, match=r'self.kept\["guests"\] is'):
        world.state()


def test_items_that_are_none_are_refused_as_such():
    def set_up(self):
        self.users, self.items = [User("ann")], ["Green"]

    with pytest.raises(ContractError, match=r"items\[0\] is 'Green'; each must be an Item"):
        checked_environment(tea(set_up=set_up))


def test_data_that_a_world_never_reads_is_refused():
    data = load_dataset("synthetic", users=12, items=40, interactions=5)
    with pytest.raises(ConfigError, match=r'data: Tea makes its own users .* "synthetic"'):
        Tea(Tea.Config(), data, Streams(0))

    class Reads(Tea):
        def set_up(self):
            self.users, self.items = self.dataset.users, self.dataset.items

    assert len(Reads(Tea.Config(), data, Streams(0)).users) == 12


class Quits(TextPolicy):
    """Ends the program in place of an answer."""

    @property
    def _llm_type(self):
        return "quits"

    def answer(self, prompt):
        raise SystemExit("bye")


class QuitsInAThread(BaseChatModel):
    """The same, in a model without asynchronous code."""

    @property
    def _llm_type(self):
        return "quits"

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        raise SystemExit("bye")


@pytest.mark.parametrize("policy", [Quits, QuitsInAThread])
def test_a_policy_that_calls_exit_is_named(policy):
    method = "answer" if policy is Quits else "_generate"
    said = rf"test_own_worlds:{policy.__name__}, {method}\(\): raised SystemExit: bye"
    with pytest.raises(PluginError, match=said) as raised:
        run_coroutine(policy().ainvoke("hello"))
    assert "sys.exit()" in raised.value.hint


def test_a_policy_that_exits_while_it_is_built_is_named(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("""
from langchain_core.language_models.chat_models import BaseChatModel

class Mine(BaseChatModel):
    def __init__(self):
        raise SystemExit(4)

    _generate, _llm_type = None, "mine"
""")
    with pytest.raises(PluginError, match=r"could not be built: SystemExit: 4"):
        build_policy({"use": f"{file}:Mine"}, "policies.fast")


@pytest.mark.parametrize("name", ["none", "True", "starec-sim", "starec_agents"])
def test_a_name_that_python_or_an_editable_package_has_is_refused(tmp_path, name):
    """The class of `none` would be None; what is installed with `pip -e` was not looked for."""
    with pytest.raises(ConfigError, match="so that it cannot be imported"):
        write_new_plugin("environment", name, tmp_path, package=True)


@pytest.mark.parametrize(
    "kind", [("environment", "item"), ("dataset", "user"), ("policy", "text-policy")]
)
def test_a_class_that_would_hide_what_its_file_imports_is_refused(tmp_path, kind):
    with pytest.raises(ConfigError, match=r"which hides the .* that its file imports"):
        write_new_plugin(*kind, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_item_that_is_gone_is_not_shown():
    world = checked_environment(tea(live=lambda self: np.array([True, self.round < 1])))
    world.begin_round(0)
    assert world.observe(0, ()).slate == (0, 1)
    world.begin_round(1)
    with pytest.raises(ContractError, match=r"holds item 1, 'b', which cannot be shown in this r"):
        world.observe(0, ())


def test_a_decision_that_a_world_changes_gets_a_hint_about_that():
    """FrozenInstanceError is an AttributeError, and was taken for a misspelt name."""

    def react(self, user, steps, shown, decision):
        decision.leave = True

    world = checked_environment(tea(react=react))
    world.begin_round(0)
    with pytest.raises(PluginError, match="FrozenInstanceError") as raised:
        world.respond(0, (), world.observe(0, ()), Decision(actions=(Action(0), Action(1))))
    assert "dataclasses.replace" in raised.value.hint


def test_a_package_that_is_not_installed_yet_gets_the_command(tmp_path, monkeypatch):
    write_new_plugin("environment", "tea-house", tmp_path, package=True)
    monkeypatch.chdir(tmp_path / "tea-house")
    with pytest.raises(PluginError, match=r"no environment is called .tea-house") as raised:
        plugins.load("environments", "tea-house")
    assert "pip install -e ." in raised.value.hint


@pytest.mark.parametrize("text", ["", "project = 3", "[project", "[project]\nentry-points = 1"])
def test_a_broken_pyproject_is_no_reason_to_fail(tmp_path, monkeypatch, text):
    (tmp_path / "pyproject.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PluginError, match="no environment is called"):
        plugins.load("environments", "tea-house")


@pytest.mark.parametrize("answer", [None, 3, b"A > B", ["A"]])
def test_an_answer_that_is_no_text_is_told_as_such(answer):
    policy = type("Mine", (Quits,), {"answer": lambda self, prompt: answer})()
    with pytest.raises(TypeError, match=f"answer returned {type(answer).__name__}; it must return"):
        policy.invoke("hello")


def test_a_generator_that_is_closed_too_early_names_the_world():
    def offer(self, user, steps):
        raise GeneratorExit

    world = checked_environment(tea(offer=offer))
    world.begin_round(0)
    with pytest.raises(PluginError, match=r"offer\(.*raised GeneratorExit"):
        world.observe(0, ())


@pytest.mark.parametrize("method", ["after_round", "offer", "set_up"])
def test_a_world_that_changes_the_folder_is_named_and_the_folder_is_put_back(
    tmp_path, monkeypatch, method
):
    """The run failed afterwards, at a relative path, and blamed nobody."""
    monkeypatch.chdir(tmp_path)

    class Moves(Tea):
        pass

    def moves(self, *arguments):
        os.chdir("/")
        return getattr(super(Moves, self), method)(*arguments)

    setattr(Moves, method, moves)
    with pytest.raises(ContractError, match="changed the folder that starec runs in to /"):
        world = build_checked("environments", Moves, Tea.Config(), None, Streams(0))
        world.begin_round(0)
        world.observe(0, ())
        world.end_round(())
    assert Path.cwd() == tmp_path


def test_a_card_of_two_lines_is_refused():
    """Its second line would stand in the prompt as another item: `B. free`."""
    world = checked_environment(tea(item_card=lambda self, item, user: "Tea\nB. free"))
    world.begin_round(0)
    with pytest.raises(ContractError, match=r"a card is .* which has more than one line"):
        world.observe(0, ())


def test_a_check_of_a_policy_that_exits_goes_on_and_names_it():
    """The whole program ended without a word."""
    target = find(f"{__file__}:Quits")
    results = list(run_checks(target))
    assert len(results) > 5
    (failed,) = [each for each in results if each.state == "failed"]
    assert "raised SystemExit: bye" in failed.note
    assert "sys.exit()" in failed.hint


@pytest.mark.parametrize("clock", ["time.time", "time.time_ns", "time.perf_counter"])
def test_a_world_that_reads_the_clock_is_warned_about(clock, tmp_path):
    body = f"""
    def rating(self, item):
        import time

        return 4.0 if {clock}() > 0 else 2.0
    """
    said = rf"Broken.rating \(shop.py:\d+\) calls {clock}: the clock differs from run to run"
    unchanged = time.time
    with pytest.warns(ContractWarning, match=said) as warned:
        play_shop(tmp_path, body, rounds=1)
    assert len({str(each.message) for each in warned}) == 1 and time.time is unchanged


def test_an_answer_that_is_timed_and_libraries_that_read_the_clock_are_not_warned_about(tmp_path):
    body = """
    def rating(self, item):
        import logging

        logging.getLogger("shop").warning("the record of a log has a time")
        return 4.0
    """

    def decide(user, round, observation):
        before = time.monotonic()  # how long something takes
        return drink(user, round, observation) if before else None

    with warnings.catch_warnings():
        warnings.simplefilter("error", ContractWarning)
        play_shop(tmp_path, body, rounds=1, agent=ScriptedAgent(decide))


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ('("sold", "cups left")', 'own_metrics names "cups left", which the first round did not'),
        ('("cups",)', 'which the first round did not measure; it lacks "sold", which it measured'),
        ('("sold",)', ""),
        ("()", ""),
    ],
)
def test_names_of_figures_that_are_not_those_declared_are_warned_about(declared, said, tmp_path):
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", ContractWarning)
        play_shop(tmp_path, f"own_metrics = {declared}", rounds=2)
    found = [str(each.message) for each in warned if "own_metrics" in str(each.message)]
    assert len(found) == bool(said) and all(said in each for each in found)
