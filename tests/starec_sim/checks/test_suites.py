"""`starec_sim.testing` and `starec check`: the same checks, by pytest and on the command line."""

import json
from pathlib import Path

import pytest

from starec_sim import Streams
from starec_sim.checks import other_process
from starec_sim.checks.kinds import checks_of
from starec_sim.plugin_files import import_file
from starec_sim.testing import EnvironmentSuite

FILE = Path(__file__).parents[2] / "broken_plugins" / "environments.py"


class TestSound(EnvironmentSuite):
    """Every check but the one in another process, which takes a second, and is tested once."""

    def make(self, seed):
        sound = import_file(FILE).Sound
        return sound(sound.Config(), None, Streams(seed))

    @classmethod
    def target(cls):
        target = super().target()
        target.origin = None
        return target


class Broken(EnvironmentSuite):
    def make(self, seed):
        broken = import_file(FILE).ObserveReturnsNone
        return broken(broken.Config(), None, Streams(seed))


def test_a_failing_check_is_a_failing_test_with_message_and_hint():
    first, second, *_ = checks_of("environment")
    with pytest.raises(pytest.fail.Exception) as failed:
        Broken().test_contract(first)
    said = str(failed.value)
    assert "ObserveReturnsNone, observe(user u0, round 1, page 1): returned None; it must" in said
    assert "\nhint: " in said
    with pytest.raises(pytest.skip.Exception, match="the fault above is in its way"):
        Broken().test_contract(second)


def test_a_suite_says_how_another_process_builds_it():
    assert Broken.target().origin == {"suite": f"{__file__}:Broken"}


@pytest.fixture
def quick(monkeypatch):
    """Leave other processes out: each takes a second."""
    monkeypatch.setattr(other_process, "_journal", lambda origin: pytest.fail("started a process"))
    monkeypatch.setattr(other_process, "compare", lambda *arguments: None)
    monkeypatch.setattr(other_process, "_journal", lambda origin: {})


def test_the_command_prints_each_check(starec, quick, monkeypatch):
    monkeypatch.chdir(FILE.parent)
    status, out, _ = starec("check", "environments.py:Sound", "--set", "shown=4")
    assert status == 0
    assert out.startswith("environment environments.py:Sound\n  passed    values fit the contract")
    assert out.endswith("all 14 passed\n")


def test_a_fault_gives_a_status_and_its_hint(starec, quick, monkeypatch):
    monkeypatch.chdir(FILE.parent)
    status, out, _ = starec("check", "environments.py:Prints")
    assert status == 2
    said = " ".join(out.split())
    assert "failed nothing is printed environment environments.py:Prints, end_round(round" in said
    assert "hint: remove the print" in said
    assert out.endswith("1 of 14 failed\n")


def test_json_has_every_check(starec, quick, monkeypatch):
    monkeypatch.chdir(FILE.parent)
    status, out, _ = starec("check", "environments.py:NobodyVisits", "--json")
    answer = json.loads(out)
    assert (status, answer["status"], answer["kind"]) == (2, "failed", "environment")
    assert [check["state"] for check in answer["checks"]] == ["failed"] + ["not made"] * 13


def test_data_and_their_settings_are_taken(starec, quick):
    status, out, _ = starec(
        *("check", "ranking", "--data", "synthetic", "--set", "choices=2"),
        *("--set", "data.users=5", "--set", "data.items=40", "--set", "data.interactions=12"),
    )
    assert status == 0, out
    assert "all 14 passed" in out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("feed", "--set", "data.users=5"), "--set data.users: there is no --data to which"),
        (("popularity", "--data", "synthetic"), "popularity is checked without data"),
        (("ndcg", "--kind", "reward", "--set", "k=5"), "k: the reward ndcg is a function without"),
    ],
)
def test_settings_that_would_do_nothing_are_refused(starec, arguments, problem):
    status, out, err = starec("check", *arguments)
    assert status == 2
    assert problem in " ".join((out + err).split())


def test_an_environment_without_its_data_says_which_option_it_lacks(starec):
    status, out, _ = starec("check", "feed")
    assert status == 2
    assert "this environment needs data" in out
    assert "--data synthetic" in out
