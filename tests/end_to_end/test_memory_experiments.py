"""What slow thinking is worth: the experiments on memory, small, and who comes back."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
MEMORY = ROOT / "experiments" / "07_memory"


@pytest.fixture(scope="module")
def recovery():
    spec = importlib.util.spec_from_file_location("recovery", MEMORY / "recovery.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(starec, tmp_path, monkeypatch):
    """Run an experiment with changes that make it small, and return its result."""
    monkeypatch.chdir(ROOT)

    def run(name, *changes):
        changes = [word for change in changes for word in ("--set", change)]
        runs_dir = ("--set", f"runs_dir={tmp_path}")
        status, out, err = starec("run", MEMORY / name, "--json", *changes, *runs_dir)
        assert status == 0, err
        return json.loads(out)

    return run


def level(before, after, change=12, visits=22, users=7):
    return np.tile(np.where(np.arange(visits) < change, before, after), (users, 1))


def test_what_comes_back_is_measured_above_a_random_order(recovery):
    chance = 0.2
    curves = recovery.Curves(12, {}, level(0.6, 0.6), chance)
    assert recovery.recovery(curves, level(0.5, 0.5))[-1] == "100 % [100, 100]"
    assert recovery.recovery(curves, level(0.5, 0.2))[-1] == "0 % [0, 0]"
    *_, kept, sixth, later = recovery.recovery(curves, level(0.6, 0.4))
    assert (kept, sixth, later) == ("67 % [67, 67]", "50 % [50, 50]", "50 % [50, 50]")


def test_an_agent_that_knew_nothing_has_nothing_to_come_back_to(recovery):
    curves = recovery.Curves(12, {}, level(0.6, 0.6), 0.2)
    assert recovery.recovery(curves, level(0.2, 0.2))[-3:] == ["", "", ""]


@pytest.mark.slow
@pytest.mark.pictures
def test_the_drift_experiment_ends_with_a_table_and_a_picture(run, recovery, monkeypatch, capsys):
    small = ["data.users=3", "data.interactions=20", "data.drift={at_round: 5}", "replicates=2"]
    small += ["rounds=15", "environment.choices=15", "arms.frozen={agent.gate.until: 5}"]
    small += ["report.metrics=[ndcg@10]"]
    result = run("drift.yaml", *small)
    ndcg = {arm: found["ndcg@10"] for arm, found in result["by_round"].items()}
    # The same lives and thoughts up to and with the first visit after the change, and no longer.
    assert ndcg["frozen"][:6] == ndcg["always"][:6] and ndcg["frozen"] != ndcg["always"]
    monkeypatch.setattr(sys, "argv", ["recovery.py", result["run"]])
    recovery.main()
    printed = capsys.readouterr().out
    lines = {line.split(" | ")[0].strip("| "): line for line in printed.splitlines() if "|" in line}
    assert set(lines) == {"", "---", "always", "surprise", "frozen", "never", "true taste"}
    assert lines["true taste"].count("%") == 3
    assert (Path(result["run"]) / "recovery.png").stat().st_size > 10_000


@pytest.mark.slow
def test_in_the_exam_of_swapped_memories_nobody_who_keeps_nothing_has_to_live(run):
    small = ["data.users=30", "data.items=150", "data.interactions=20", "replicates=1", "rounds=4"]
    small += ["environment.protocol.history=3", "environment.protocol.users.count=8"]
    small += ["environment.protocol.draws=2"]
    result = run("swapped.yaml", *small)
    assert set(result["metrics"]) == {"never", "own", "swapped"}
    assert all(found["ndcg@1"]["n"] == 8 for found in result["metrics"].values())
    assert [value is None for value in result["by_round"]["never"]["ndcg@1"]][-2:] == [True, False]


def test_another_policy_is_another_block_and_the_same_one_replaces_its_own(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(MEMORY))
    results = importlib.import_module("results")
    monkeypatch.setattr(results, "HERE", tmp_path)
    page = tmp_path / "NOTES.md"
    page.write_text("# Memory\n\n## What was tried\n\nThis.\n")
    results._put("reasoner", "drift", "old")
    results._put("nano", "swapped", "other")
    results._put("reasoner", "drift", "new")
    text = page.read_text()
    assert "old" not in text and text.count("new") == text.count("other") == 1
    order = ["# Memory", "## `reasoner`", "new", "## `nano`", "other", "## What was tried", "This."]
    assert [text.index(part) for part in order] == sorted(text.index(part) for part in order)
