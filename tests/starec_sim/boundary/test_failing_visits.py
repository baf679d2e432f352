"""A plug-in that fails in some visits, and one that leaks memory."""

from __future__ import annotations

import json

import pytest

from starec_sim.boundary import memory_growth
from starec_sim.boundary.memory_growth import MemoryGrowth
from starec_sim.boundary.values import BrokenContract
from starec_sim.errors import ContractWarning
from tests.reported.coffee_shop import write_shop

FAILS_FOR_SOME = """
def respond(self, user, steps, observation, decision):
    if user % 3 == 0:
        raise KeyError("cup")
    return super().respond(user, steps, observation, decision)
"""


@pytest.fixture
def play(starec, tmp_path):
    def play(body, *more):
        experiment = tmp_path / "shop.yaml"
        use = write_shop(tmp_path, body)
        experiment.write_text(
            f"name: shop\nrounds: 2\nruns_dir: {tmp_path / 'runs'}\n"
            f"policies: {{fast: lexical, slow: lexical}}\nenvironment: {{use: '{use}'}}\n"
        )
        return starec("run", experiment, "--json", *more)

    return play


def test_a_visit_in_which_a_plugin_fails_ends_the_run_unless_it_may_be_skipped(play):
    status, _, err = play(FAILS_FOR_SOME)
    assert status == 2
    assert "respond(user" in err and "KeyError: 'cup'" in err


@pytest.mark.filterwarnings("ignore::starec_sim.errors.ContractWarning")
def test_failed_visits_are_left_out_named_and_counted(play):
    status, out, err = play(FAILS_FOR_SOME, "--set", "plugin_errors=skip")
    assert status == 0, err
    found = json.loads(out)
    assert 0 < found["metrics"]["main"]["skipped"]["mean"] < 1


def test_where_every_visit_fails_the_run_stops(play):
    status, _, err = play(
        FAILS_FOR_SOME.replace("user % 3 == 0", "True"), "--set", "plugin_errors=skip"
    )
    assert status == 2
    assert "KeyError: 'cup'" in err


def test_a_leak_has_a_name_and_is_refused_before_the_machine_is_full(monkeypatch):
    held = [0]
    monkeypatch.setattr(memory_growth, "resident_bytes", lambda: held[0])
    growth = MemoryGrowth("environment shop.py:Shop", most=4 * 2**30)
    growth.add("observe", 0)
    held[0] = 2 * 2**30
    with pytest.warns(ContractWarning, match=r"shop.py:Shop, observe: its calls added 2.0 GiB"):
        growth.add("observe", 0)
    held[0] += 3 * 2**30
    with pytest.raises(BrokenContract, match=r"added 5.0 GiB"):
        growth.add("observe", 2 * 2**30)
