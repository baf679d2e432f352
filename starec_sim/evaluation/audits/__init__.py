"""Audits: is a policy fit to simulate users with?

Each audit has its own file: which questions it asks the panel, and what it measures in the answers.
`asking.py` builds the memories once and asks all questions. `bounds.yaml` says which values are
acceptable.
"""

from starec_sim.evaluation.audits.audit import audit, resume
from starec_sim.evaluation.audits.bounds import Bound, read_bounds
from starec_sim.evaluation.audits.registry import AUDITS, NAMES, Audit
from starec_sim.evaluation.audits.report import AuditReport
from starec_sim.evaluation.audits.result import AuditMetric, AuditResult, BoundCheck, Chart
from starec_sim.evaluation.audits.settings import AuditSettings

__all__ = [
    "AUDITS",
    "NAMES",
    "Audit",
    "AuditMetric",
    "AuditReport",
    "AuditResult",
    "AuditSettings",
    "Bound",
    "BoundCheck",
    "Chart",
    "audit",
    "read_bounds",
    "resume",
]
