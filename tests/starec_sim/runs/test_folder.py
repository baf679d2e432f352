import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from starec_sim.errors import RunError
from starec_sim.runs import folder as runs
from starec_sim.runs.folder import CONFIG, LOCK, MANIFEST
from starec_sim.runs.store import FILE

HOLD = """
import sys, time
from pathlib import Path
from starec_sim.runs.folder import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def manifest(started="2026-01-01T00:00:00", status="finished", **more):
    return {
        "name": "a",
        "status": status,
        "started": started,
        "seeds": [0],
        "arms": ["main"],
        "config_sha256": "",
        **more,
    }


@pytest.fixture
def make(tmp_path):
    def make(name, **values):
        path = tmp_path / name
        path.mkdir()
        runs.write(path, manifest(**values))
        return path

    return make


@pytest.fixture
def held(make):
    """A run that says it runs, and the process that runs it."""
    path = make("live", status="running")
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield path, process
    process.kill()
    process.wait()
    process.stdout.close()


def problem_of(reference, runs_dir):
    with pytest.raises(RunError) as raised:
        runs.find(reference, runs_dir)
    assert raised.value.hint
    return raised.value.message


class TestCreating:
    def test_a_folder_is_named_after_the_experiment_and_the_seed(self, tmp_path):
        path = runs.create(tmp_path / "deep" / "runs", "loop", 7)
        assert path.is_dir()
        assert path.name.startswith("loop-s7-")

    def test_two_runs_of_one_second_get_two_folders(self, tmp_path, monkeypatch):
        monkeypatch.setattr(runs.time, "strftime", lambda form: "now")
        names = [runs.create(tmp_path, "loop", 7).name for _ in range(3)]
        assert names == ["loop-s7-now", "loop-s7-now-2", "loop-s7-now-3"]

    def test_a_place_where_no_folder_can_be_is_an_error(self, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(RunError, match="no run can be written"):
            runs.create(tmp_path / "file", "loop", 7)


class TestFinding:
    def test_by_path_by_name_by_the_start_of_the_name_and_as_the_latest(self, make, tmp_path):
        loop, other = make("loop-s1-x", started="2026-01-02"), make("other", started="2026-01-01")
        assert runs.find(str(loop), Path("elsewhere")) == loop
        assert runs.find("loop-s1-x", tmp_path) == loop
        assert runs.find("ot", tmp_path) == other
        assert runs.find("latest", tmp_path) == loop

    def test_a_whole_name_is_not_the_start_of_another(self, make, tmp_path):
        make("loop-2")
        assert runs.find("loop", make("loop").parent).name == "loop"

    def test_a_start_of_several_names_is_an_error_that_lists_them(self, make, tmp_path):
        make("loop-1"), make("loop-2")
        assert problem_of("loop", tmp_path) == '2 runs start with "loop": loop-1, loop-2'

    def test_an_unknown_name_is_an_error_with_the_nearest_one(self, make, tmp_path):
        make("quickstart")
        assert 'did you mean "quickstart"?' in problem_of("quikstart", tmp_path)

    def test_where_there_are_no_runs_that_is_said(self, tmp_path):
        assert "there are no runs in" in problem_of("latest", tmp_path)
        assert "there are no runs in" in problem_of("x", tmp_path / "nowhere")

    def test_no_name_is_no_run(self, make, tmp_path, monkeypatch):
        make("a"), make("b")
        monkeypatch.chdir(tmp_path)
        problem_of("", tmp_path)

    def test_runs_are_listed_oldest_first_and_damaged_ones_before(self, make, tmp_path):
        make("b", started="2026-01-02"), make("a", started="2026-01-03")
        make("c", started="2026-01-01"), (make("z") / MANIFEST).write_text('{"name": "z", "sta')
        (tmp_path / "no run").mkdir(), (tmp_path / "file").touch()
        lost = tmp_path / "lost"
        lost.mkdir(), (lost / FILE).touch()
        assert [path.name for path in runs.listed(tmp_path)] == ["lost", "z", "c", "b", "a"]


class TestManifest:
    def test_what_is_written_is_read(self, make):
        path = make("a", arms=["ü", "b"])
        assert runs.read(path)["arms"] == ["ü", "b"]

    @pytest.mark.parametrize(
        "text", ["", "{", '{"name": "a", "stat', "[]", "3", "{}", "\xff", json.dumps({"name": "a"})]
    )
    def test_a_damaged_one_is_an_error_that_says_how_to_go_on(self, make, text):
        path = make("a")
        (path / MANIFEST).write_bytes(text.encode("latin-1"))
        with pytest.raises(RunError, match="is damaged") as raised:
            runs.read(path)
        assert "starec run" in raised.value.hint

    def test_a_missing_one_is_an_error(self, tmp_path):
        with pytest.raises(RunError, match="is damaged: No such file"):
            runs.read(tmp_path)

    def test_a_reader_never_sees_half_of_it(self, make):
        path = make("a", note="x" * 100_000)
        stop, seen = threading.Event(), []

        def read():
            while not stop.is_set():
                seen.append(len(runs.read(path)["note"]))

        reader = threading.Thread(target=read)
        reader.start()
        for number in range(100):
            runs.write(path, manifest(note="y" * (100_000 + number)))
        stop.set()
        reader.join()
        assert min(seen) >= 100_000
        assert [file.name for file in path.iterdir()] == [MANIFEST]

    def test_a_write_that_fails_leaves_the_old_one(self, make, monkeypatch):
        path = make("a")
        monkeypatch.setattr(os, "fsync", lambda fd: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            runs.write(path, manifest(status="failed"))
        assert runs.read(path)["status"] == "finished"

    def test_a_configuration_that_is_gone_is_an_error(self, make):
        path = make("a")
        with pytest.raises(RunError, match="cannot be read"):
            runs.configuration(path)
        (path / CONFIG).write_text("name: ü", "utf-8")
        assert runs.configuration(path) == "name: ü"


class TestLock:
    def test_a_run_of_another_process_is_running_and_cannot_be_resumed(self, held):
        path, _ = held
        assert runs.read(path)["status"] == "running"
        with pytest.raises(RunError, match="is in progress in another process"), runs.locked(path):
            pass

    def test_a_run_whose_process_was_killed_is_interrupted_and_free(self, held):
        path, process = held
        process.kill()
        process.wait()
        assert runs.read(path)["status"] == "interrupted"
        with runs.locked(path):
            pass

    def test_looking_at_a_run_does_not_hold_it(self, make):
        path = make("a", status="running")
        for _ in range(3):
            assert runs.read(path)["status"] == "interrupted"
        with runs.locked(path):
            pass

    def test_a_finished_run_needs_no_lock(self, make):
        path = make("a")
        assert runs.read(path)["status"] == "finished"
        assert not (path / LOCK).exists()

    def test_the_lock_is_let_go_after_an_error(self, make):
        path = make("a")
        with pytest.raises(ZeroDivisionError), runs.locked(path):
            1 / 0  # noqa: B018
        with runs.locked(path):
            pass


def test_the_surroundings_name_versions_and_the_state_of_the_code():
    found = runs.surroundings()
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["versions"]["starec-sim"]
    assert found["git"] is None or set(found["git"]) == {"commit", "clean"}


def test_one_stands_in_the_folder_it_was_started_from_and_comes_back(tmp_path, monkeypatch):
    started, elsewhere = tmp_path / "started", tmp_path / "elsewhere"
    (started / "runs" / "one").mkdir(parents=True)
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    relative = Path("../started/runs/one")
    with runs.where_it_started(relative, {"folder": str(started)}) as run:
        assert Path.cwd() == started
        assert run == started / "runs" / "one"
    assert Path.cwd() == elsewhere


def test_a_folder_that_is_gone_is_named_with_the_way_out(tmp_path):
    gone = {"folder": str(tmp_path / "gone")}
    with (
        pytest.raises(RunError, match=r"started in .*gone, which is gone") as told,
        runs.where_it_started(tmp_path, gone),
    ):
        pytest.fail("there is nowhere to stand")
    assert "manifest.json" in told.value.hint
