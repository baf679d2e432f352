"""The files of an audit in its run folder.

`audit.yaml` holds the settings. `audit.json` is the report of a finished audit, and `audit.html`
the same as a page. The replayed visits and all answers are in the record, as in any other run.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from starec_sim import yaml_files
from starec_sim.errors import ConfigError, RunError
from starec_sim.evaluation.audits.page import render_page
from starec_sim.evaluation.audits.report import AuditReport
from starec_sim.evaluation.audits.settings import AuditSettings
from starec_sim.runs.atomic_file import write_atomically
from starec_sim.settings import validate

SETTINGS, REPORT, PAGE = "audit.yaml", "audit.json", "audit.html"


def write_settings(folder: Path, settings: AuditSettings) -> None:
    """Write the settings of an audit."""
    write_atomically(folder / SETTINGS, yaml_files.dump(settings.model_dump(mode="json")))


def read_settings(folder: Path) -> AuditSettings:
    """Return the settings of an audit.

    Raises:
        RunError: The folder holds none.
    """
    path = folder / SETTINGS
    try:
        values = yaml_files.load(path)
    except ConfigError as error:
        raise RunError(
            f"{folder} holds no audit: {error.message}", hint="`starec audit POLICY` begins one"
        ) from None
    return validate(AuditSettings, values, str(path), recorded=True)


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
    try:
        return AuditReport.from_json(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"the report in {folder} is damaged: {type(error).__name__}: {error}",
            hint=f"put {path} back as it was, or give the command of the audit again",
        ) from error
