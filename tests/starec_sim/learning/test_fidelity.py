"""A training audits its policy after each validation, with users it never trains on."""

import math

import pytest

from starec_sim.errors import ConfigError, PausedError
from starec_sim.evaluation.audits import (
    AuditMetric,
    AuditReport,
    AuditResult,
    Bound,
    BoundCheck,
    activity,
)
from starec_sim.evaluation.audits import folder as audit_folder
from starec_sim.events import RunEvents
from starec_sim.experiment import Experiment
from starec_sim.learning.config import training_of
from starec_sim.learning.fidelity import curve_point, spent_on_audits
from starec_sim.learning.plots import _audited
from starec_sim.learning.train import train
from starec_sim.metrics import Interval
from starec_sim.policies.settings import Budget
from starec_sim.resume_any import resume
from starec_sim.runs.manifest import read_manifest
from starec_sim.runs.reader import reading
from starec_sim.runs.session import spent_in


def experiment(model, runs_dir, **evaluate):
    policy = {"use": "local", "model": model, "max_tokens": 2, "dtype": "fp32"}
    grpo = {"steps": 1, "users": 2, "rounds": 1, "size": 2, "nodes": ["fast"]}
    return Experiment(
        name="audited",
        runs_dir=runs_dir,
        data={"use": "synthetic", "users": 16, "items": 120, "interactions": 10},
        environment={"use": "ranking", "candidates": 4, "choices": 2},
        agent={"use": "star", "history_shown": 1, "gate": {"when": "never"}},
        policies={"fast": policy, "slow": policy},
        train={
            "method": "full",
            "dtype": "fp32",
            "grpo": {**grpo, "rewards": {"format": 1.0, "ndcg": 1.0}},
            "evaluate": {"every": 1, "users": 2, "rounds": 1, **evaluate},
            "guards": {"distinct": 0},
        },
    )


@pytest.mark.slow
def test_each_validated_version_is_audited_once(model_folder, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(activity, "PAGES", 1)
    asked = experiment(model_folder(window=8192), tmp_path, audits=["activity"], audit_users=2)
    told = []

    class Tells(RunEvents):
        def validated(self, entry):
            told.append(entry)

    result = train(asked, Tells())
    assert [sorted(entry["audits"]) for entry in told] == [["activity"]] * 2
    assert [entry["audits"] for entry in result.steps if "validation" in entry] == [
        entry["audits"] for entry in told
    ]
    held_out = set((result.folder / "held-out.txt").read_text().split())
    audits = sorted((result.folder / "audits").iterdir())
    assert [path.name[:11] for path in audits] == ["step-000000", "step-000001"]
    for path, version in zip(audits, ("000000", "000001"), strict=True):
        settings = audit_folder.read_settings(path)
        assert settings.policy["model"].endswith(f"versions/{version}")
        with reading(path) as reader:
            trial = reader.trials()[0]
            people = {user.id for _, user in reader.users(trial)}
            assert people and people <= held_out
        point = curve_point(audit_folder.read_report(path))
        assert point == told[int(version)]["audits"]


@pytest.mark.slow
def test_audits_count_towards_the_budget_of_the_training(
    model_folder, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(activity, "PAGES", 1)
    asked = experiment(model_folder(window=8192), tmp_path, audits=["activity"], audit_users=2)
    calls = 8  # some by the first validation, the others by its audit
    with pytest.raises(PausedError, match=f"calls {calls} of {calls}") as paused:
        train(asked.model_copy(update={"budget": Budget(calls=calls)}))
    assert paused.value.options == f"--budget calls={2 * calls}"
    (folder,) = tmp_path.iterdir()
    assert 0 < spent_on_audits(folder).calls < calls
    with pytest.raises(PausedError, match=f"calls {calls + 1} of {calls + 1}"):
        resume(folder, budget={"calls": calls + 1})
    result = resume(folder, budget={"calls": None})
    assert len(list((folder / "audits").iterdir())) == 2
    with reading(folder) as reader:
        own = spent_in(reader.db, reader.path).calls
    assert own > 0 and "audits" in result.steps[0]
    manifests = [read_manifest(path) for path in (folder / "audits").iterdir()]
    assert spent_on_audits(folder).calls == sum(each.counts["turns"] for each in manifests)


@pytest.mark.parametrize(
    ("evaluate", "why"),
    [
        ({"audits": ["activty"]}, 'did you mean "activity"'),
        ({"audits": ["order"], "users": 0}, "train.evaluate.users is 0"),
    ],
)
def test_audits_that_cannot_be_made_are_refused_before_the_training(
    evaluate, why, model_folder, tmp_path
) -> None:
    with pytest.raises(ConfigError, match=why):
        training_of(experiment(model_folder(), tmp_path, **evaluate))


def test_the_curve_has_what_has_a_bound_and_was_measured() -> None:
    bound = Bound(at_least=0)
    metrics = {
        name: AuditMetric(name, Interval(mean, 0.0, 1.0, 5))
        for name, mean in (("kept", 0.5), ("unbound", 0.5), ("unknown", math.nan))
    }
    checks = tuple(BoundCheck(name, bound, "holds") for name in ("kept", "unknown"))
    report = AuditReport(
        {},
        (
            AuditResult("order", "Order", "?", metrics, checks=checks),
            AuditResult("leak", "Leak", "?", unmeasured="why"),
        ),
    )
    at = {"mean": 0.5, "low": 0.0, "high": 1.0}
    point = curve_point(report)
    assert point == {"order": {"kept": at}, "leak": {}}
    entries = [{"step": step, "validation": {}, "audits": point} for step in (0, 10)]
    assert _audited([{"step": 5, "validation": {}}, *entries]) == {
        "audit order (95 %)": {"kept": [(0, at), (10, at)]},
        "audit leak (95 %)": {},
    }
