"""The fidelity curve: audits of the policy after each validation of a training.

An audit is a run of its own in the folder `audits` of the training, of the weights that were just
published. Its users are never trained on. What it spends counts towards the budget of the training.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from starec_sim.errors import PausedError
from starec_sim.evaluation.audits import AuditReport, AuditSettings, audit
from starec_sim.evaluation.audits import folder as audit_folder
from starec_sim.evaluation.audits.audit import default_protocol
from starec_sim.evaluation.settings_file import find_unfinished
from starec_sim.holdout import read_protocol
from starec_sim.holdout.protocol import Split
from starec_sim.learning.training_run import TrainingRun, policy_of_version
from starec_sim.policies.gateway.budget_guard import Spent
from starec_sim.runs.folder import listed
from starec_sim.runs.manifest import read_manifest
from starec_sim.runs.reader import reading
from starec_sim.runs.schema import FILE
from starec_sim.runs.session import spent_in

Fidelity = Mapping[str, Mapping[str, Mapping[str, float]]]
"""By audit and metric: the mean with its 95 % interval. Only metrics that have a bound."""


def audit_version(run: TrainingRun, step: int) -> Fidelity:
    """Audit the weights after a step; what an earlier process audited is read.

    Raises:
        PausedError: The budget of the training is spent.
        StarecError: No held-out user qualifies, or the policy cannot be asked.
    """
    experiment, evaluate = run.experiment, run.settings.evaluate
    dataset = run.split.dataset()
    assert experiment.data is not None and dataset is not None, "the settings were checked"
    name = default_protocol(dataset)
    protocol = read_protocol(name, users=Split(listed=tuple(sorted(run.split.held_out))))
    settings = AuditSettings(
        name=f"step-{step:06d}",
        policy=policy_of_version(experiment, run.settings, run.store.version(f"{step:06d}")),
        data=experiment.data,
        agent=experiment.agent,
        protocol=protocol,
        users=evaluate.audit_users,
        only=evaluate.audits,
        seed=experiment.seed,
        concurrency=experiment.concurrency,
        runs_dir=run.store.folder / "audits",
    )
    done = _finished(settings)
    report = audit_folder.read_report(done) if done else _audited(run, settings)
    return curve_point(report)


def _audited(run: TrainingRun, settings: AuditSettings) -> AuditReport:
    """Audit with what is left of the training's budget."""
    assert run.players is not None, "the first process audits"
    budget, folder = run.players.run.resources.budget, run.store.folder
    begun = find_unfinished(settings, audit_folder.SETTINGS, audit_folder.read_settings)
    left = budget.left_for(Spent() if begun is None else _spent_in(begun))
    try:
        _, report = audit(settings.model_copy(update={"budget": left}))
    except PausedError as error:
        budget.spend_elsewhere(spent_on_audits(folder))
        if error.reason == "budget":
            budget.check()  # tells the limit of the training, and not what was left for the audit
        raise
    budget.spend_elsewhere(spent_on_audits(folder))
    return report


def spent_on_audits(folder: Path) -> Spent:
    """Return what all audits of a training have spent.

    Raises:
        RunError: The record of one is damaged.
    """
    return sum(map(_spent_in, listed(folder / "audits")), start=Spent())


def _spent_in(folder: Path) -> Spent:
    if not (folder / FILE).exists():  # killed before it began
        return Spent()
    with reading(folder) as reader:
        return spent_in(reader.db, reader.path)


def curve_point(report: AuditReport) -> Fidelity:
    """Return the metrics of a report that have a bound, and were measured, as JSON values."""
    return {
        result.name: {
            check.metric: {"mean": mean, "low": low, "high": high}
            for check in result.checks
            for mean, low, high, _ in [result.metrics[check.metric].interval]
            if not math.isnan(mean)
        }
        for result in report.results
    }


def _finished(settings: AuditSettings) -> Path | None:
    """Return the finished audit with these settings, if there is one."""
    for folder in listed(settings.runs_dir):
        finished = read_manifest(folder).status == "finished"
        if finished and audit_folder.read_settings(folder).key == settings.key:
            return folder
    return None
