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
from starec_sim.evaluation.audits.registry import NAMES
from starec_sim.evaluation.audits.report import AuditReport
from starec_sim.evaluation.audits.settings import AuditSettings
from starec_sim.evaluation.contenders import label
from starec_sim.plugins import Spec
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


def write_copy(report: AuditReport, settings: AuditSettings, into: Path) -> None:
    """Write the report into a further folder too."""
    page = further_page(report, settings, into)
    page.parent.mkdir(parents=True, exist_ok=True)
    write_report(report, page.with_name(f"{page.stem}.json"), page)


def further_page(report: AuditReport, settings: AuditSettings, into: Path) -> Path:
    """Return where the page is in a further folder.

    The name holds policy, dataset, users, audits and seed, so that other audits get other files.
    """
    only = () if settings.only == NAMES else settings.only
    dataset, users, seed = report.about["dataset"], settings.users, settings.seed
    asked = (file_name(settings.policy), str(dataset), f"{users}users", *only, f"seed{seed}")
    return into / f"{'-'.join(asked)}.html"


def file_name(policy: Spec) -> str:
    """Return a policy's label in characters that any file name can have."""
    return "".join(c if c.isalnum() or c in "-._" else "-" for c in label(policy))


def read_report(folder: Path) -> AuditReport:
    """Return the report of a finished audit.

    Raises:
        RunError: It is missing or damaged.
    """
    path = folder / REPORT
    with readable_errors(path):
        return AuditReport.from_json(read_bytes(path))
