"""A plug-in that fails in some visits, and one that leaks memory."""

from __future__ import annotations

import json
import re
import warnings

import pytest

from starec_sim.boundary import memory_growth
from starec_sim.boundary.memory_growth import MemoryGrowth
from starec_sim.boundary.values import BrokenContract
from starec_sim.errors import ContractWarning
from starec_sim.learning.rewards import AnswerOutcome, Rewards
from starec_sim.types import Observation
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


@pytest.fixture
def held(monkeypatch):
    """The GiB that the process holds, which tests set."""
    held = [3.0]
    monkeypatch.setattr(memory_growth, "resident_bytes", lambda: int(held[0] * 2**30))
    monkeypatch.setattr(memory_growth, "_explained", 0)
    return held


def test_a_leak_has_a_name_and_is_refused_before_the_machine_is_full(held):
    growth = MemoryGrowth("environment shop.py:Shop", most=4 * 2**30)
    with growth.call("observe"):
        held[0] += 0.9
    told = r"shop.py:Shop, observe: its calls added 2.0 GiB"
    with pytest.warns(ContractWarning, match=told), growth.call("observe"):
        held[0] += 1.1
    with pytest.raises(BrokenContract, match=r"added 5.0 GiB"), growth.call("observe"):
        held[0] += 3


def test_what_the_process_grows_by_while_visits_wait_names_their_agent(held):
    world = MemoryGrowth("environment shop.py:Shop")
    growth = MemoryGrowth("agent shop.py:Guest", most=4 * 2**30)
    with growth.waiting_call("visit"):
        held[0] += 7  # weights that the first visit needs
    held[0] += 7  # between two rounds
    with growth.waiting_call("visit"), growth.waiting_call("visit"):
        with pytest.warns(ContractWarning, match="Shop, observe"), world.call("observe"):
            held[0] += 7
        held[0] += 0.9
    told = r"shop.py:Guest, visit: the memory of the process grew by 1.9 GiB while"
    with pytest.warns(ContractWarning, match=told), growth.waiting_call("visit"):
        held[0] += 1
    with pytest.raises(BrokenContract, match=r"grew by 4.9 GiB"), growth.waiting_call("visit"):
        held[0] += 3


def test_what_a_run_keeps_of_many_visits_is_no_leak(held):
    growth = MemoryGrowth("agent shop.py:Guest")
    for _ in range(50_000):
        with growth.waiting_call("visit"):
            held[0] += 2**15 / 2**30  # 1.5 GiB together


LEAKY = """
import numpy as np

from starec_agents.star import StarAgent
from starec_sim.policies.lexical import LexicalPolicy

kept = []


class LeakyPolicy(LexicalPolicy):
    def answer(self, prompt):
        kept.append(np.ones(2**20))
        return super().answer(prompt)


class LeakyAgent(StarAgent):
    async def visit(self, call):
        kept.append(np.ones(2**20))
        return await super().visit(call)
"""


@pytest.mark.parametrize(
    ("part", "name", "said"),
    [
        ("policies.fast", "LeakyPolicy", "answer: its calls added {} to the memory of the process"),
        ("agent", "LeakyAgent", "visit: the memory of the process grew by {} while its calls"),
    ],
)
@pytest.mark.parametrize("machine_mib", [20_000, 128])
def test_what_leaks_in_a_run_is_named_and_ends_it_early(
    starec, tmp_path, monkeypatch, part, name, said, machine_mib
):
    monkeypatch.setattr(memory_growth, "WARNED", 2**25)
    monkeypatch.setattr(memory_growth, "_all_memory", lambda: machine_mib * 2**20)
    (tmp_path / "leaky.py").write_text(LEAKY)
    with warnings.catch_warnings():
        warnings.simplefilter("always", ContractWarning)
        status, _, err = starec(
            *("run", "experiments/01_quickstart", "--json", "--set", f"runs_dir={tmp_path}"),
            *(
                "--set",
                "arms={}",
                "--set",
                "rounds=1",
                "--set",
                "data.users=16",
                "--set",
                "concurrency=2",
            ),
            *("--set", f"{part}={tmp_path / 'leaky.py'}:{name}"),
        )
    assert status == (0 if machine_mib > 1000 else 2), err
    assert re.search(rf"leaky.py:{name}, {said.format('0.. GiB')}", err), err
    assert ("half of what the machine has" in err) == bool(status)


def test_a_reward_that_keeps_gigabytes_is_named(tmp_path, held):
    (tmp_path / "kept.py").write_text(
        "from starec_sim.boundary import memory_growth\n"
        "def kept(outcome):\n"
        "    held = memory_growth.resident_bytes()\n"
        "    memory_growth.resident_bytes = lambda: held + 2**31\n"
        "    return 1.0\n"
    )
    rewards = Rewards({f"{tmp_path / 'kept.py'}:kept": 1.0})
    outcome = AnswerOutcome("slow", "", False, Observation("feed", (), ()), None, None)
    with pytest.warns(ContractWarning, match=r"reward kept.py:kept: its calls added 2.0 GiB"):
        rewards.of(outcome, "user u1")
