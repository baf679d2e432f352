"""The files of an audit in its run folder.

`audit.yaml` holds the settings. `audit.json` is the report of a finished audit, and `audit.html`
the same as a page. The replayed visits and all answers are in the record, as in any other run.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from starec_sim.evaluation import settings_file
from starec_sim.evaluation.audits.page import render_page
from starec_sim.evaluation.audits.report import AuditReport
from starec_sim.evaluation.audits.settings import AuditSettings
from starec_sim.runs.atomic_file import write_atomically
from starec_sim.runs.record_errors import readable_errors
from starec_sim.runs.regular_file import read_bytes

SETTINGS, REPORT, PAGE = "audit.yaml", "audit.json", "audit.html"


def write_settings(folder: Path, settings: AuditSettings) -> None:
    """Write the settings of an audit."""
    settings_file.write(folder / SETTINGS, settings)


def read_settings(folder: Path) -> AuditSettings:
    """Return the settings of an audit.

    Raises:
        RunError: The folder holds none.
    """
    return settings_file.read(
        folder / SETTINGS, AuditSettings, what="audit", command="starec audit POLICY"
    )


def write_report(report: AuditReport, json_file: Path, page: Path) -> dict[str, Any]:
    """Write a report as JSON and as a page; return what the JSON file holds."""
    answer = {**report.as_json(), "page": str(page)}
    write_atomically(page, render_page(report))
    write_atomically(json_file, json.dumps(answer, indent=1, allow_nan=True) + "\n")
    return answer


def read_report(folder: Path) -> AuditReport:
    """Return the report of a finished audit.

    Raises:
        RunError: It is missing or damaged.
    """
    path = folder / REPORT
    with readable_errors(path):
        return AuditReport.from_json(read_bytes(path))
