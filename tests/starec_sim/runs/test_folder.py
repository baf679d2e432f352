from pathlib import Path

import pytest

from starec_sim.errors import RunError
from starec_sim.runs import folder as runs
from starec_sim.runs.folder import CONFIG
from starec_sim.runs.manifest import MANIFEST
from starec_sim.runs.schema import FILE
from tests.starec_sim.runs.conftest import a_manifest


def problem_of(reference, runs_dir):
    with pytest.raises(RunError) as raised:
        runs.find(reference, runs_dir)
    assert raised.value.hint
    return raised.value.message


def create(runs_dir, name="loop", seed=7):
    with runs.starting(runs_dir) as part:
        return runs.place(part, name, seed)


class TestCreating:
    def test_a_folder_is_named_after_the_experiment_and_the_seed(self, tmp_path):
        path = create(tmp_path / "deep" / "runs")
        assert path.is_dir()
        assert path.name.startswith("loop-s7-")

    def test_two_runs_of_one_second_get_two_folders(self, tmp_path, monkeypatch):
        monkeypatch.setattr(runs.time, "strftime", lambda form: "now")
        names = [create(tmp_path).name for _ in range(3)]
        assert names == ["loop-s7-now", "loop-s7-now-2", "loop-s7-now-3"]

    def test_a_place_where_no_folder_can_be_is_an_error(self, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(RunError, match="no run can be written"):
            create(tmp_path / "file")

    def test_a_place_with_a_line_break_in_its_name_is_an_error_on_one_line(self, tmp_path):
        with pytest.raises(RunError, match=r"runs\\nhere.* has a line break"):
            create(tmp_path / "runs\nhere")

    def test_what_an_error_interrupts_leaves_nothing(self, tmp_path):
        with pytest.raises(ZeroDivisionError), runs.starting(tmp_path):
            raise ZeroDivisionError
        assert list(tmp_path.iterdir()) == []

    def test_a_run_that_begins_is_neither_listed_nor_left_over(self, tmp_path):
        with runs.starting(tmp_path) as part:
            (part / MANIFEST).write_text("{}")
            assert (runs.listed(tmp_path), runs.leftovers(tmp_path)) == ([], [])
            path = runs.place(part, "loop", 7)
        assert (runs.listed(tmp_path), runs.leftovers(tmp_path)) == ([path], [])


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


def test_a_configuration_that_is_gone_is_an_error(make):
    path = make("a")
    with pytest.raises(RunError, match="cannot be read"):
        runs.configuration(path)
    (path / CONFIG).write_text("name: ü", "utf-8")
    assert runs.configuration(path) == "name: ü"


def test_one_stands_in_the_folder_it_was_started_from_and_comes_back(tmp_path, monkeypatch):
    started, elsewhere = tmp_path / "started", tmp_path / "elsewhere"
    (started / "runs" / "one").mkdir(parents=True)
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    relative = Path("../started/runs/one")
    with runs.where_it_started(relative, a_manifest(folder=str(started))) as run:
        assert Path.cwd() == started
        assert run == started / "runs" / "one"
    assert Path.cwd() == elsewhere


def test_a_folder_that_is_gone_is_named_with_the_way_out(tmp_path):
    gone = a_manifest(folder=str(tmp_path / "gone"))
    with (
        pytest.raises(RunError, match=r"started in .*gone, which is gone") as told,
        runs.where_it_started(tmp_path, gone),
    ):
        pytest.fail("there is nowhere to stand")
    assert "manifest.json" in told.value.hint


def test_a_folder_that_is_no_run_is_named_as_such(tmp_path):
    (tmp_path / "notes").mkdir()
    with pytest.raises(RunError, match=r"notes is a folder without a run"):
        runs.find(str(tmp_path / "notes"), tmp_path / "runs")
    with pytest.raises(RunError, match=r"there is no folder .*/nothing\n"):
        runs.find(str(tmp_path / "nothing"), tmp_path / "runs")
