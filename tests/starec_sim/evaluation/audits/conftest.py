from pathlib import Path

import pytest

from starec_sim.evaluation.audits import AuditSettings, audit
from starec_sim.holdout import read_protocol

HERE = Path(__file__).parent
USERS = 24
"""Enough for intervals that decide; fewer leave `Insider` unsure."""
STAR = {"use": f"{HERE / 'plain_star.py'}:PlainStar"}
WORLD = {"use": "synthetic", "users": 60, "items": 400, "interactions": 60, "noise": 0.0, "seed": 3}


@pytest.fixture(scope="session")
def audited(tmp_path_factory):
    """Audit a policy of `biased.py`, or one by its name, on a small world; return the report."""

    def audited(policy, *only, **settings):
        use = f"{HERE / 'biased.py'}:{policy}" if policy[0].isupper() else policy
        protocol = read_protocol("starec-20", history=3)
        settings = {"data": WORLD, "users": USERS, "protocol": protocol, **settings}
        settings["agent"] = {**STAR, **settings.get("agent", {})}
        if only:
            settings["only"] = only
        if "runs_dir" not in settings:
            settings["runs_dir"] = tmp_path_factory.mktemp("audits")
        return audit(AuditSettings(policy={"use": use}, **settings))[1]

    return audited


@pytest.fixture(scope="session")
def outcomes():
    """Outcome of every check, by audit and figure."""

    def outcomes(report):
        return {
            f"{finding.name}: {check.metric}": check.outcome
            for finding in report.results
            for check in finding.checks
        }

    return outcomes
