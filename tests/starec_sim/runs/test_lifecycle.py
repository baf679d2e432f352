"""The folder of a run is created, locked, and finished or left with the reason."""

import signal

import pytest

from starec_sim.errors import PausedError, PolicyError, RunError
from starec_sim.executors.drain import stop_if_draining
from starec_sim.policies.settings import Budget
from starec_sim.runs.lifecycle import check_same_code, create_run, open_run
from starec_sim.runs.manifest import new_manifest, read_manifest
from starec_sim.runs.schema import FILE

KINDS = ("run", "evaluation", "training", "audit")


@pytest.fixture
def create(tmp_path):
    def create(kind="run", config="name: x\n"):
        manifest = new_manifest(kind, "x", [7], config, prompts={"main": {"fast": "hash"}})
        return create_run(tmp_path / "runs", manifest, config, 7)

    return create


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_created_held_and_finished_alike(create, kind):
    folder = create(kind)
    assert (folder / "config.yaml").read_text() == "name: x\n"
    assert folder.name.startswith("x-s7-")
    assert read_manifest(folder).status == "interrupted", "nobody holds it yet"
    with open_run(folder, budget=Budget(calls=5)) as run:
        run.begin()
        assert read_manifest(folder).status == "running"
        with pytest.raises(RunError, match="in progress in another process"), open_run(folder):
            pass
        run.manifest.digest = "abc"
    manifest = read_manifest(folder)
    assert (manifest.kind, manifest.status, manifest.digest) == (kind, "finished", "abc")
    assert manifest.finished and manifest.budget == {"calls": 5}


@pytest.mark.parametrize(
    ("error", "status", "problem"),
    [
        (KeyboardInterrupt(), "paused", None),
        (PausedError("spent", reason="budget", options="--budget calls=9"), "paused", "spent"),
        (PolicyError("no answer", hint=""), "failed", "PolicyError: no answer"),
        (ValueError("a defect"), "failed", "ValueError: a defect"),
    ],
)
def test_how_a_run_ended_stands_in_its_manifest(create, error, status, problem):
    folder = create()
    with pytest.raises(type(error)), open_run(folder) as run:
        run.begin()
        raise error
    manifest = read_manifest(folder)
    assert (manifest.status, manifest.problem) == (status, problem)
    with open_run(folder) as run:
        assert run.manifest.problem is None, "the next process begins without it"
    assert read_manifest(folder).status == "finished"


@pytest.mark.parametrize("kind", KINDS)
def test_sigterm_pauses_every_kind(create, kind):
    folder = create(kind)
    with pytest.raises(PausedError, match="SIGTERM"), open_run(folder) as run:
        run.begin()
        signal.raise_signal(signal.SIGTERM)
        stop_if_draining()
    assert read_manifest(folder).status == "paused"
    stop_if_draining()  # the next run begins anew


def test_a_new_run_whose_parts_cannot_be_built_leaves_no_folder(create):
    folder = create()
    with pytest.raises(PolicyError), open_run(folder):
        raise PolicyError("no such model", hint="")
    assert not folder.exists()


def test_a_resumed_run_keeps_its_folder_also_when_it_cannot_begin_again(create):
    folder = create()
    with open_run(folder) as run:
        run.begin()
    with pytest.raises(PolicyError), open_run(folder):
        raise PolicyError("no such model", hint="")
    assert (folder / FILE).is_file() and read_manifest(folder).status == "failed"


def test_what_earlier_processes_spent_is_known_to_the_next(create):
    folder = create()
    with open_run(folder) as run:
        run.begin()
    with open_run(folder) as run:
        sessions = run.store.db.execute("SELECT COUNT(*) FROM sessions").fetchone()
    assert sessions == (2,)


def test_other_prompts_and_other_versions_are_refused_by_name(create):
    manifest = read_manifest(create())
    check_same_code(manifest, {"main": {"fast": "hash"}})
    with pytest.raises(RunError, match="the prompts changed since the run began"):
        check_same_code(manifest, {"main": {"fast": "other"}})
    manifest.versions = {"starec-sim": "0.0.1"}
    with pytest.raises(RunError, match=r"began with starec-sim 0\.0\.1, this is "):
        check_same_code(manifest, {"main": {"fast": "hash"}})
