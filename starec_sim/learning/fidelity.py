"""The fidelity curve: audits of the policy after each validation of a training.

An audit is a run of its own in the folder `audits` of the training, of the weights that were just
published. Its users are never trained on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from starec_sim.evaluation.audits import AuditReport, AuditSettings, audit
from starec_sim.evaluation.audits import folder as audit_folder
from starec_sim.evaluation.audits.audit import default_protocol
from starec_sim.holdout import read_protocol
from starec_sim.holdout.protocol import Split
from starec_sim.learning.training_run import TrainingRun, policy_of_version
from starec_sim.runs.folder import listed
from starec_sim.runs.manifest import read_manifest

Fidelity = Mapping[str, Mapping[str, Mapping[str, float]]]
"""By audit and metric: the mean with its 95 % interval. Only metrics that have a bound."""


def audit_version(run: TrainingRun, step: int) -> Fidelity:
    """Audit the weights after a step; what an earlier process audited is read.

    Raises:
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
    report = audit_folder.read_report(done) if done else audit(settings)[1]
    return curve_point(report)


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
