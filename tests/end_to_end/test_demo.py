"""`make demo`, in little: the whole story, from the anchored policy to what learning changed."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "experiments" / "00_demo"
SMALL = {
    "data.users": 40,
    "data.items": 200,
    "environment.candidates": 12,
    "agent.history_shown": 5,
    "train.grpo.steps": 2,
    "train.grpo.users": 2,
    "train.grpo.size": 3,
    "train.evaluate.users": 4,
    "train.evaluate.rounds": 1,
}


@pytest.fixture
def said(starec, monkeypatch):
    """Run a command that succeeds, in the repository; return its stdout and stderr."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "120")

    def said(*arguments, **changes):
        told = [word for key, value in changes.items() for word in ("--set", f"{key}={value}")]
        status, out, err = starec(*arguments, *told)
        assert status == 0, err
        return out, err

    return said


def test_its_plan_fits_a_coffee_break(said):
    plan = json.loads(said("train", DEMO, "--dry-run", "--json")[0])
    assert plan["parameters"] == pytest.approx(2.4e6, rel=0.05)
    assert plan["users_held_out"] >= 120
    assert plan["calls"] < 1300, "what two cores answer while somebody waits"
    assert plan["learner_gib"] < 4


@pytest.mark.slow
@pytest.mark.pictures
@pytest.mark.timeout(400)
def test_it_ends_with_what_learning_changed_for_people_it_never_met(said, tmp_path):
    out, err = said("train", DEMO, **SMALL, runs_dir=tmp_path)
    assert "4 users never trained on, before and after 2 steps of learning" in out
    rows = {line.split("  ")[0] for line in out.splitlines() if "±" in line}
    assert {"reward", "NDCG@1", "NDCG@10"} <= rows
    played = "{use: nano, max_batch: 128, model:"
    for wanted in ("plot.png", "starec show", "starec resume", "starec view", played):
        assert wanted in err, wanted

    (folder,) = tmp_path.iterdir()
    result = json.loads(said("resume", folder, "--json")[0])
    changed = result["changes"]["ndcg@10"]
    before, after = (
        entry["validation"]["ndcg@10"]["mean"] for entry in result["steps"] if "validation" in entry
    )
    assert changed["before"]["mean"] == before and changed["after"]["mean"] == after
    assert changed["change"]["mean"] == pytest.approx(after - before)
    assert changed["change"]["low"] <= changed["change"]["mean"] <= changed["change"]["high"]

    shown, _ = said("show", folder, "--json")
    assert json.loads(shown)["status"] == "finished"
    (tmp_path / "played.yaml").write_text(
        f"name: played\nrounds: 1\nruns_dir: {tmp_path}\n"
        "data: {use: synthetic, users: 30, items: 200}\n"
        "environment: {use: ranking, users: 1, candidates: 5}\n"
        "report: {metrics: [ndcg@1]}\n"
        "agent: {use: star, gate: {when: never}}\n"
        f"policies: {{fast: {json.dumps(result['policy'])}}}\n"
    )
    said("run", tmp_path / "played.yaml", "--json")
