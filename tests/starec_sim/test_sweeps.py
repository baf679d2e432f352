"""A sweep plays every combination of values with every seed, once."""

import csv
import json
import math

import pytest

from starec_sim import Experiment, run
from starec_sim.cli.sweep import _seeds
from starec_sim.errors import ConfigError, RunError, StarecError
from starec_sim.metrics import student_interval
from starec_sim.runs.folder import listed
from starec_sim.runs.manifest import read_manifest
from starec_sim.stored_summary import run_summary
from starec_sim.sweeps import plan_sweep, sweep
from tests import forked

VALUES = {
    "name": "swept",
    "rounds": 2,
    "data": {"use": "synthetic", "users": 6, "items": 100},
    "environment": {"use": "feed", "recommender": "popularity", "page_size": 4, "pages": 2},
    "policies": {"fast": "lexical", "slow": "lexical"},
    "executor": "cohort",
}
PAGES = {"environment.pages": [1, 2]}


def experiment(folder, **changes):
    return Experiment.model_validate({**VALUES, "runs_dir": folder, **changes})


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("swept")
    return folder, sweep(plan_sweep(experiment(folder), PAGES, [1, 2]))


def test_every_combination_is_a_run_with_every_seed(swept):
    folder, result = swept
    assert list(result.folders) == [
        "environment.pages=1, seed 1",
        "environment.pages=1, seed 2",
        "environment.pages=2, seed 1",
        "environment.pages=2, seed 2",
    ]
    assert sorted(result.folders.values()) == sorted(listed(folder))


def test_a_run_of_a_sweep_is_the_run_of_its_configuration(swept, tmp_path):
    one = experiment(tmp_path, seed=2, environment={**VALUES["environment"], "pages": 1})
    manifest = read_manifest(swept[1].folders["environment.pages=1, seed 2"])
    assert run(one).digest == manifest.digest


def test_rows_hold_means_over_seeds_and_differences_paired_by_seed(swept):
    _, result = swept
    first, second = result.rows
    for row, pages in ((first, 1), (second, 2)):
        for seed in (1, 2):
            folder = result.folders[f"environment.pages={pages}, seed {seed}"]
            report = run_summary(folder, None).report
            mean = report.metrics["main"]["pages"].interval.mean
            assert row.by_seed["pages"][seed] == mean
    values = [second.by_seed["pages"][seed] - first.by_seed["pages"][seed] for seed in (1, 2)]
    assert second.differences["pages"] == student_interval(values)
    assert second.metrics["pages"].n == 2
    assert not first.differences


def test_what_is_recorded_is_not_played_again(swept):
    folder, result = swept
    before = listed(folder)
    over = []
    again = sweep(plan_sweep(experiment(folder), PAGES, [1, 2]), progress=over.append)
    assert again == result
    assert listed(folder) == before
    assert [each.played for each in over] == [False] * 4
    assert all(math.isnan(each.seconds_left) for each in over)


def test_a_sweep_that_is_killed_goes_on_where_it_was(swept, tmp_path):
    runs = plan_sweep(experiment(tmp_path), PAGES, [1, 2])

    def kill(over):
        if over.done == 3:
            forked.kill_self()

    assert forked.wait(forked.fork(lambda: sweep(runs, progress=kill))) == -9
    assert len(listed(tmp_path)) == 3
    over = []
    result = sweep(runs, progress=over.append)
    assert [each.played for each in over] == [False, False, False, True]
    assert result.rows == swept[1].rows


def test_a_run_that_pauses_is_named_with_its_folder(tmp_path):
    paused = experiment(tmp_path, budget={"calls": 3}, concurrency=1)
    runs = plan_sweep(paused, PAGES, [1])
    with pytest.raises(RunError, match=r"the run with environment\.pages=1, seed 1: ") as raised:
        sweep(runs)
    assert "then start the same sweep again" in raised.value.hint
    (folder,) = listed(tmp_path)
    assert str(folder) in raised.value.hint


def test_other_code_made_a_run_so_it_is_played_again(swept, tmp_path):
    runs = plan_sweep(experiment(tmp_path), {"environment.pages": [1]}, [1])
    (folder,) = sweep(runs).folders.values()
    path = folder / "manifest.json"
    values = json.loads(path.read_text())
    values["versions"]["starec-sim"] = "0.0.1"
    path.write_text(json.dumps(values))
    assert list(sweep(runs).folders.values()) != [folder]


@pytest.mark.slow
def test_two_processes_give_the_same_result_as_one(swept, tmp_path):
    runs = plan_sweep(experiment(tmp_path), PAGES, [1, 2])
    assert sweep(runs, processes=2).rows == swept[1].rows


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({"seed": [1]}, "--over seed: a sweep cannot vary this key"),
        ({"report.metrics": [[]]}, "--over report.metrics: a sweep cannot vary this key"),
        ({"environment.page_sise": [1]}, "environment.page_sise: there is no such key; did you"),
        ({"environment.pages": [1, "two"]}, "with environment.pages=two, seed 3: "),
        ({"environment.recommender.use": ["asl"]}, 'no recommender is called "asl"'),
        ({"environment.rest": range(101), "environment.pages": range(1, 101)}, "more than 10,000"),
    ],
)
def test_a_wrong_key_or_value_is_named_before_anything_is_played(tmp_path, over, message):
    with pytest.raises(StarecError) as raised:
        plan_sweep(experiment(tmp_path), over, [3])
    assert message in raised.value.message
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "seeds"), [("1..3", [1, 2, 3]), ("4,2", [4, 2]), ("7", [7]), (None, [5, 6])]
)
def test_seeds_of_a_text(text, seeds, tmp_path):
    assert _seeds(text, experiment(tmp_path, seed=5, replicates=2)) == seeds


@pytest.mark.parametrize("text", ["", "a", "1...3", "3..1", "1,1", "-1", "1..99999999"])
def test_what_are_no_seeds(text, tmp_path):
    with pytest.raises(ConfigError, match="--seeds"):
        _seeds(text, experiment(tmp_path))


def test_the_command_prints_a_table_and_writes_json_and_csv(tmp_path, starec):
    path = tmp_path / "e.yaml"
    path.write_text(json.dumps({**VALUES, "runs_dir": str(tmp_path / "runs")}))
    command = ["sweep", path, "--over", "environment.pages=1,2", "--seeds", "1,2"]
    status, out, err = starec(*command, "--csv", tmp_path / "s.csv")
    assert not status, err
    assert "run 4/4: environment.pages=2, seed 2" in err
    assert "Means over 2 seeds" in out
    assert "pages=2" in out
    lines = list(csv.DictReader((tmp_path / "s.csv").read_text().splitlines()))
    status, out, _ = starec(*command, "--json")
    rows = json.loads(out)["rows"]
    assert [row["values"] for row in rows] == [{"environment.pages": 1}, {"environment.pages": 2}]
    (line,) = [row for row in lines if row["environment.pages"] == "2" and row["metric"] == "pages"]
    assert float(line["difference_mean"]) == rows[1]["differences"]["pages"]["mean"]


@pytest.mark.parametrize(
    ("over", "message"),
    [
        (["environment.pages"], "is not KEY=VALUE,VALUE"),
        (["environment.pages=1,"], "a value is empty"),
        (["environment.pages=1,1"], "1 is there twice"),
        (["environment.pages=1", "environment.pages=2"], "--over names a key twice"),
    ],
)
def test_a_wrong_option_is_named(tmp_path, starec, over, message):
    path = tmp_path / "e.yaml"
    path.write_text(json.dumps({**VALUES, "runs_dir": str(tmp_path / "runs")}))
    options = [part for each in over for part in ("--over", each)]
    status, _, err = starec("sweep", path, *options)
    assert status
    assert message in err


def test_a_sweep_that_the_user_stops_says_how_it_goes_on(tmp_path, starec, monkeypatch):
    def stop(over):
        raise KeyboardInterrupt

    monkeypatch.setattr("starec_sim.cli.sweep_view.print_progress", stop)
    path = tmp_path / "e.yaml"
    path.write_text(json.dumps({**VALUES, "runs_dir": str(tmp_path / "runs")}))
    status, _, err = starec("sweep", path, "--over", "environment.pages=1,2")
    assert status == 130
    assert "the same command goes on from here" in err
