"""Runs with users of several kinds, and their calibration."""

import json
from pathlib import Path

import numpy as np
import pytest

from starec_sim import runner
from starec_sim.build import of_one_kind
from starec_sim.errors import ConfigError, ContractWarning, PluginError, RunError
from starec_sim.experiment import Experiment
from starec_sim.policies.lexical import LexicalPolicy
from starec_sim.population.calibration import SECOND
from starec_sim.population.estimators import CalibrationSample
from starec_sim.population.estimators import calibrated as calibrate
from starec_sim.reopen import reopen
from starec_sim.runs import queries
from starec_sim.runs.reader import reading
from starec_sim.runs.recorder import Recorder
from starec_sim.traces.compare import compare
from starec_sim.workers import start
from tests.starec_sim.workers.in_process import InProcess

PAID = Path(__file__).parents[1] / "workers" / "counted_policy.py"
KINDS = {
    "cheap": {"share": 0.6, "agent": {"use": "analytic"}},
    "model": {"share": 0.2},
    "paid": {"share": 0.2, "policies": {"fast": {"use": f"{PAID}:CountedPolicy"}}},
}


@pytest.fixture
def experiment(tmp_path):
    def experiment(name, **changes):
        values = {
            "name": name,
            "rounds": 2,
            "runs_dir": tmp_path / "runs",
            "data": {"use": "synthetic", "users": 60, "items": 40, "interactions": 8},
            "environment": {"use": "feed", "recommender": "popularity", "page_size": 5},
            "policies": {"fast": "lexical", "slow": "lexical"},
            "population": KINDS,
            "executor": "cohort",
        }
        return Experiment(**values | changes)

    return experiment


def kinds_on_record(folder):
    with reading(folder) as reader:
        (trial,) = reader.trials()
        return trial, {user.id: user.profile["kind"] for _, user in reader.users(trial)}


@pytest.mark.slow
def test_all_executors_play_each_user_as_her_kind(experiment, monkeypatch):
    alone = runner.run(experiment("alone", executor="per_user"))
    together = runner.run(experiment("together", executor={"use": "cohort", "size": 7}))
    monkeypatch.setattr(start, "_transport", lambda *settings: InProcess(3))
    divided = runner.run(experiment("divided", executor="processes"))
    assert alone.digest == together.digest == divided.digest
    asks = {"cheap": set(), "model": {"lexical"}, "paid": {f"{PAID}:CountedPolicy"}}
    trial, kinds = kinds_on_record(alone.folder)
    assert set(kinds.values()) == set(KINDS)
    assert trial.facts["population"] == {
        kind: list(kinds.values()).count(kind) for kind in sorted(KINDS)
    }
    with reading(alone.folder) as reader:
        for row, user in reader.users(trial):
            asked = {
                turn.policy
                for step in reader.steps(trial, row)
                for turn in step.turns
                if turn.node == "fast"
            }
            assert asked <= asks[user.profile["kind"]]
    by_kind = alone.report.kinds["main"]
    assert sum(summary.users for summary in by_kind.values()) == len(kinds)
    whole = alone.report.metrics["main"]["pages"].interval
    parts = [summary.metrics["pages"] for summary in by_kind.values()]
    assert whole.mean == pytest.approx(sum(p.mean * p.n for p in parts) / whole.n)


def test_a_person_keeps_her_kind_when_more_people_are_there(experiment):
    data = {"use": "synthetic", "users": 80, "items": 40, "interactions": 8}
    few = kinds_on_record(runner.run(experiment("few", rounds=1)).folder)[1]
    more = kinds_on_record(runner.run(experiment("more", rounds=1, data=data)).folder)[1]
    both = few.keys() & more.keys()
    assert len(both) > 5 and {few[user] for user in both} > {"cheap"}
    assert [few[user] for user in both] == [more[user] for user in both]


def test_one_kind_with_all_users_plays_as_a_run_without_kinds(experiment):
    only = experiment("only", population={"all": {"share": 1}})
    assert runner.run(only).digest == runner.run(experiment("none", population={})).digest


CALIBRATION = {"users": 6, "between": ("cheap", "model")}


@pytest.fixture
def calibrated(experiment):
    kinds = {"cheap": KINDS["cheap"] | {"share": 0.7}, "model": {"share": 0.3}}
    return lambda name, **changes: experiment(name, **{"population": kinds} | changes)


@pytest.mark.slow
def test_a_calibration_changes_nothing_and_is_the_same_in_all_executors(calibrated, monkeypatch):
    plain = runner.run(calibrated("plain"))
    alone = runner.run(calibrated("alone", calibration=CALIBRATION))
    monkeypatch.setattr(start, "_transport", lambda *settings: InProcess(2))
    divided = runner.run(
        calibrated("divided", calibration=CALIBRATION, executor="processes", record="decisions")
    )
    assert plain.digest == alone.digest == divided.digest
    assert not plain.report.calibrations
    (found,) = alone.report.calibrations.values()
    assert found == divided.report.calibrations["main"]
    assert (found.cheap, found.costly, found.users) == ("cheap", "model", 6)
    assert found.cheap_users > 6 and found.calls > 6 and found.metrics["slow"].cheap == 0
    compared = compare(alone.folder, divided.folder).metrics
    assert compared and not any(each.metric.startswith(SECOND) for each in compared)
    pages = found.metrics["pages"]
    assert pages.corrected.mean == pytest.approx(pages.cheap - pages.bias.mean)


def test_a_kind_calibrated_by_one_that_is_equal_has_no_bias(calibrated):
    twins = {"one": {"share": 0.5}, "other": {"share": 0.5}}
    settings = {"users": 5, "between": ("one", "other")}
    found = runner.run(calibrated("twins", population=twins, calibration=settings)).report
    for name, metric in found.calibrations["main"].metrics.items():
        assert metric.bias.mean == 0, name


TIRED = """
from starec_agents.analytic.agent import AnalyticAgent


class Tired(AnalyticAgent):
    async def visit(self, call):
        if call.round == 1 and call.user % 2:
            raise ValueError("tired")
        return await super().visit(call)
"""


def test_a_second_visit_that_fails_is_left_out_with_its_first_visit(calibrated, tmp_path):
    """Both kinds are alike, so a difference is one of rounds that count on one side only."""
    (tmp_path / "tired.py").write_text(TIRED)
    tired = {"share": 0.5, "agent": {"use": f"{tmp_path}/tired.py:Tired"}}
    twins = {"one": {"share": 0.5, "agent": {"use": "analytic"}}, "other": tired}
    changes = {"population": twins, "plugin_errors": "skip", "executor": "per_user"}
    changes["calibration"] = {"users": 5, "between": ("one", "other")}
    with pytest.warns(ContractWarning, match="a second visit, of the calibration, is left out"):
        found = runner.run(calibrated("tired", **changes)).report.calibrations["main"]
    for name, metric in found.metrics.items():
        assert metric.bias.mean == pytest.approx(0, abs=1e-12), name


def test_if_everybody_is_calibrated_the_corrected_figure_is_that_of_the_costly_kind(calibrated):
    """The synthetic world tells the truth: one round of everybody as the costly kind."""
    kinds = {"cheap": KINDS["cheap"] | {"share": 0.99}, "model": {"share": 0.01}}
    settings = {"users": 11, "between": ("cheap", "model")}
    changes = {"rounds": 1, "population": kinds, "calibration": settings}
    with pytest.warns(UserWarning, match='of kind "model", whose share is 0.01'):
        found = runner.run(calibrated("all", **changes)).report.calibrations["main"]
    truth = runner.run(calibrated("truth", rounds=1, population={})).report.metrics["main"]
    assert found.users == found.cheap_users
    for name in ("pages", "click_through", "satisfaction", "slow"):
        corrected = found.metrics[name].corrected
        assert corrected.low == corrected.high == pytest.approx(truth[name].interval.mean), name


@pytest.mark.slow
def test_in_the_synthetic_world_the_intervals_hold_the_figures_of_the_costly_kind(calibrated):
    """Everybody is played by both kinds; then samples of them are taken as calibrations."""
    everybody = calibrated(
        "world",
        rounds=1,
        data={"use": "synthetic", "users": 160, "items": 40, "interactions": 20},
        calibration={"users": 120, "between": ("cheap", "model")},
    )
    with pytest.warns(ContractWarning, match="all of them are"):
        folder = runner.run(everybody).folder
    with reading(folder) as reader:
        means = queries.user_means(reader.db, [0], range(1))
    users = list(means["calibration.calls"])
    rng, n = np.random.default_rng(5), len(users) // 2
    assert len(users) > 40
    for name in ("pages", "click_through", "satisfaction", "popularity_lift"):
        cheap = np.array([means[name].get(user, np.nan) for user in users])
        costly = np.array([means[f"calibration.model.{name}"].get(u, np.nan) for u in users])
        held, truth = 0, np.nanmean(costly)
        for _ in range(150):
            some = rng.choice(len(users), n, replace=False)
            corrected = calibrate([CalibrationSample(cheap, cheap[some], costly[some])]).corrected
            held += corrected.low <= truth <= corrected.high
        assert 0.9 < held / 150 < 0.99, (name, held / 150)
        assert abs(np.nanmean(cheap) - truth) > 0.01, "there is something to correct"


def test_a_calibration_of_more_users_than_there_are_is_refused(calibrated):
    many = calibrated("many", calibration={"users": 1000, "between": ("cheap", "model")})
    with pytest.raises(ConfigError, match=r"1,000 users .* and there are 11 users, 9 of") as error:
        runner.run(many)
    assert error.value.hint == "set calibration.users to 9 or less"
    assert not list(many.runs_dir.glob("many*"))


def test_a_calibration_of_all_users_of_the_kind_says_how_many_they_are(calibrated):
    settings = {"users": 10, "between": ("cheap", "model")}
    with pytest.warns(ContractWarning, match=r"10 users .* and there are 9; all of them are"):
        found = runner.run(calibrated("all-of-them", calibration=settings)).report
    assert found.calibrations["main"].users <= 9


def test_users_of_a_kind_who_never_visited_are_told_apart(calibrated, starec):
    result = runner.run(calibrated("told", rounds=1, calibration=CALIBRATION))
    _, kinds = kinds_on_record(result.folder)
    with reading(result.folder) as reader:
        came = set(queries.user_means(reader.db, [0], range(1))["pages"])
    found = result.report.kinds["main"]
    for kind, summary in found.items():
        assert summary.users == list(kinds.values()).count(kind)
        assert summary.visitors == sum(kinds[user] == kind for user in came)
    assert sum(each.visitors for each in found.values()) < len(kinds), "somebody stayed away"
    _, out, _ = starec("show", result.folder)
    cheap = found["cheap"]
    assert f"cheap {cheap.users} users, {cheap.visitors} visited" in " ".join(out.split())
    _, out, _ = starec("show", result.folder, "--json")
    assert json.loads(out)["kinds"]["main"]["cheap"]["visitors"] == cheap.visitors


@pytest.mark.slow
def test_a_resumed_and_a_replayed_run_have_the_same_kinds(calibrated, monkeypatch):
    whole = runner.run(calibrated("whole", calibration=CALIBRATION))
    commit = Recorder.commit_round

    def stops(self, round, *rest):
        if round == 1:
            raise RunError("the disk is full")
        return commit(self, round, *rest)

    monkeypatch.setattr(Recorder, "commit_round", stops)
    with pytest.raises(RunError):
        runner.run(calibrated("stopped", calibration=CALIBRATION))
    monkeypatch.setattr(Recorder, "commit_round", commit)
    (folder,) = whole.folder.parent.glob("stopped*")
    resumed = runner.resume(folder)
    assert resumed.digest == whole.digest
    assert resumed.report.calibrations == whole.report.calibrations
    monkeypatch.setattr(LexicalPolicy, "_generate", None)  # a replay asks nobody
    replayed = runner.replay(whole.folder)
    assert replayed.digest == whole.digest
    assert replayed.report.kinds == whole.report.kinds
    assert not replayed.report.calibrations


def test_a_recorded_user_is_reopened_with_her_own_agent_and_policies(calibrated):
    import asyncio

    folder = runner.run(calibrated("opened")).folder
    opened = reopen(folder, 1)
    trial, kinds = kinds_on_record(folder)
    with reading(folder) as reader:
        for user, kind in kinds.items():
            row, _ = reader.user(trial, user)
            if row not in opened.visitors:
                continue
            recorded = [step.decision for step in reader.steps(trial, row) if step.round == 1]
            visit = asyncio.run(opened.agent.visit(opened.call(user)))
            assert [step.decision for step in visit.steps] == recorded, (user, kind)


def test_a_kind_can_be_wrong_in_every_place(experiment):
    wrong = {"cheap": {"share": 1, "agent": {"use": "analytical"}}}
    with pytest.raises(PluginError, match=r"population.cheap.agent.use"):
        experiment("a", population=wrong).resolve()
    wrong = {"cheap": {"share": 1, "policies": {"fast": {"use": "openai", "limits": 3}}}}
    with pytest.raises(ConfigError, match=r"population.cheap.policies.fast.limits"):
        experiment("a", population=wrong).resolve()
    dear = {
        "cheap": {"share": 1},
        "paid": {"when": {"a": 1}, "policies": KINDS["paid"]["policies"]},
    }
    with pytest.raises(ConfigError, match=r"population.paid.policies.fast has no price"):
        experiment("a", population=dear, budget={"usd": 1}).resolve()


def test_a_condition_that_meets_nobody_leaves_no_folder(experiment):
    kinds = {"rest": {"share": 1}, "old": {"when": {"age": "a hundred"}}}
    mixed = experiment("nobody", population=kinds)
    with pytest.raises(ConfigError, match=r"population.old.when"):
        runner.run(mixed)
    assert not list(mixed.runs_dir.glob("nobody*"))


def test_the_command_line_prints_kinds_and_calibration(calibrated, starec):
    folder = runner.run(calibrated("shown", calibration=CALIBRATION)).folder
    status, out, _ = starec("show", folder)
    assert status == 0
    assert "By kind of user" in out and "also played as model" in " ".join(out.split())
    assert "the table of calls leaves them out" in " ".join(out.split())
    status, out, _ = starec("show", folder, "--json")
    assert '"calibrations": {' in out
    status, out, _ = starec(
        "sql", folder, "SELECT DISTINCT json_extract(profile_json, '$.kind') AS kind FROM users"
    )
    assert "cheap" in out and "model" in out


@pytest.mark.slow
def test_what_plays_users_of_one_kind_refuses_a_population(calibrated, starec, tmp_path):
    file = tmp_path / "mixed.yaml"
    values = calibrated("mixed").model_dump(mode="json", exclude_defaults=True)
    file.write_text(json.dumps({**values, "train": {"grpo": {"steps": 1}}}))
    for command in (("train", file),):
        status, _, errors = starec(*command)
        assert status != 0 and "error: population: " in errors, errors
    with pytest.raises(ConfigError, match="an episode plays users of one kind"):
        (arm,) = calibrated("mixed").resolve().values()
        of_one_kind(arm, "an episode")
