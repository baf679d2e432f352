import json
import tarfile
from pathlib import Path

import pytest

from starec_sim.errors import RunError
from starec_sim.runs.folder import CONFIG
from starec_sim.runs.manifest import write_manifest
from starec_sim.runs.run_tables import read_run
from tests.starec_sim.runs.conftest import a_manifest
from tests.starec_sim.runs.lives import visit

OLD_RUNS = Path(__file__).parents[2] / "golden" / "runs_of_0_1_0.tar.xz"


@pytest.fixture
def run(write, tmp_path):
    """Two rounds of two users; the record is still open."""
    (tmp_path / CONFIG).write_text("name: a\nrounds: 3\n")
    write_manifest(tmp_path, a_manifest(config_sha256="x"))
    writing = write()
    writing.commit(0, [visit(0, 0), visit(1, 0)])
    writing.commit(1, [visit(0, 1)])
    return read_run(tmp_path)


@pytest.fixture
def old_runs(tmp_path):
    with tarfile.open(OLD_RUNS) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def test_a_run_has_its_manifest_and_its_configuration(run):
    assert (run.manifest.kind, run.manifest.name) == ("run", "a")
    assert run.configuration == {"name": "a", "rounds": 3}


def test_steps_speak_in_ids_of_the_dataset(run):
    steps = list(run.steps())
    assert [(s.user, s.round, s.step) for s in steps] == [("u0", 0, 0), ("u0", 1, 0), ("u1", 0, 0)]
    last = steps[-1]
    assert (last.arm, last.seed, last.task, last.left, last.ending) == (
        "main",
        7,
        "feed",
        True,
        "left",
    )
    assert (last.slate, last.watched, last.ratings) == (("i1", "i2"), ("i1",), {"i1": 5.0})
    assert (last.slow, last.reason) == (False, "as expected")
    assert last.summary == "War: liked, round 0"


def test_turns_rewards_and_memories_belong_to_their_users(run):
    turns = list(run.turns())
    assert [turn.completion for turn in turns] == ["answer 0 0", "answer 0 1", "answer 1 0"]
    assert (turns[0].node, turns[0].tokens_in, turns[0].source) == ("fast", 12, "model")
    assert [(r.user, r.component, r.value) for r in run.rewards()][-1] == ("u1", "engagement", 0.5)
    assert [(m.user, m.steps, m.summary, m.history) for m in run.memories()] == [
        ("u0", 2, "War: liked, round 1", ("i0",)),
        ("u1", 1, "War: liked, round 0", ("i1",)),
    ]


def test_metrics_come_by_visit_and_by_round(run):
    assert [(v.user, v.round, v.metric, v.value) for v in run.visits()] == [
        ("u0", 0, "slow", 0.0),
        ("u1", 0, "slow", 0.0),
        ("u0", 1, "slow", 0.0),
    ]
    assert {(m.metric, m.value) for m in run.metrics() if m.round == 1} == {
        ("slow", 0.0),
        ("coverage", 0.5),
        ("nothing", None),
    }


def test_a_table_is_its_columns(run):
    assert run.table("users") == {
        "arm": ["main"] * 3,
        "seed": [7] * 3,
        "user": ["u0", "u1", "u2"],
        "profile": [{"age": "20"}, {"age": "21"}, {"age": "22"}],
    }
    assert run.table("trials")["rounds"] == [2]
    assert len(run.table("items")["title"]) == 6
    assert run.table("rollouts")["reward"] == [], "a table without rows has its columns"
    for name in run.tables():
        lengths = {len(column) for column in run.table(name).values()}
        assert len(lengths) == 1, name


def test_an_unknown_table_is_an_error_with_the_nearest_name(run):
    with pytest.raises(RunError, match='no table "step"; did you mean "steps"'):
        run.table("step")


def test_a_run_is_found_by_its_name_too(make, tmp_path):
    make("loop-1", status="paused")
    assert read_run("loop", tmp_path).manifest.status == "paused"
    assert read_run("latest", str(tmp_path)).folder == tmp_path / "loop-1"


def test_runs_of_0_1_0_are_read(old_runs):
    finished = read_run(old_runs / "finished")
    assert len(list(finished.steps())) == finished.manifest.counts["steps"]
    assert len(list(finished.turns())) == finished.manifest.counts["turns"]
    assert {step.task for step in finished.steps()} == {"feed"}
    evaluated = read_run(old_runs / "evaluated")
    rankings = list(evaluated.steps())
    assert all(set(step.ranking) <= set(step.slate) for step in rankings)
    assert all(step.target in step.slate for step in rankings)


def test_rollouts_of_a_training_are_read(old_runs):
    rollouts = list(read_run(old_runs / "trained").rollouts())
    assert {rollout.step for rollout in rollouts} == {0}
    assert all(rollout.tokens > 0 and rollout.node in ("fast", "slow") for rollout in rollouts)
    groups = {rollout.group for rollout in rollouts}
    assert 1 < len(groups) < len(rollouts), "several rollouts share a group"


def test_damaged_rollouts_are_named(old_runs):
    (old_runs / "trained" / "rollouts" / "000000.json.z").write_bytes(json.dumps({}).encode())
    with pytest.raises(RunError, match=r"000000\.json\.z are damaged"):
        list(read_run(old_runs / "trained").rollouts())
