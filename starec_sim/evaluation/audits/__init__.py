"""Audits: is a policy fit to simulate people with?

Each file is one audit: what it asks the panel, and what it makes of the answers. `panel.py` builds
the memories once and puts the questions; `bounds.yaml` says what counts as fit.
"""

from starec_sim.evaluation.audits.audit import (
    AUDITS,
    NAMES,
    Audit,
    AuditReport,
    AuditSettings,
    audit,
    read_bounds,
)
from starec_sim.evaluation.audits.result import AuditMetric, AuditResult, Bound, BoundCheck, Chart

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
]
