"""The report of an audit as one HTML page without scripts, fonts or external files."""

from __future__ import annotations

import math
from html import escape

from starec_sim.evaluation.audits.report import AuditReport
from starec_sim.evaluation.audits.result import AuditMetric, AuditResult, BoundCheck
from starec_sim.evaluation.audits.svg import draw
from starec_sim.metrics import Interval

_STYLE = """
:root { color-scheme: light; --ink: #22262a; --faint: #6b7075; --line: #e2e2dd; }
body { margin: 0 auto; max-width: 1180px; padding: 32px 24px 64px; color: var(--ink);
  background: #fbfbf9; font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 24px; margin: 0 0 4px; }
h2 { font-size: 18px; margin: 0; }
.about, .asks, .references { color: var(--faint); }
.about { margin: 0 0 20px; }
.verdict { border-left: 6px solid; padding: 10px 16px; background: #fff; margin-bottom: 28px; }
.verdict .why { color: var(--ink); }
.verdict b { font-size: 17px; }
.verdict ul { margin: 0; padding-left: 20px; } .verdict p { margin: 6px 0 0; }
table.places { margin-top: 12px; }
.holds { color: #2f7d46; } .unsure { color: #9a6a00; } .fails { color: #b3261e; }
section { background: #fff; border: 1px solid var(--line); border-radius: 6px; padding: 18px 20px;
  margin-bottom: 18px; display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 560px);
  gap: 4px 28px; align-items: start; }
section > header { grid-column: 1 / -1; }
.asks { margin: 0 0 8px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
td { padding: 4px 8px 4px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
td small { color: var(--faint); display: block; }
figure { margin: 0; }
.references { font-size: 13px; padding-left: 18px; margin: 10px 0 0; }
svg { width: 100%; height: auto; font: 11px system-ui, "Segoe UI", "DejaVu Sans", sans-serif;
  fill: #44484c; }
svg .axis { fill: #6b7075; } svg .value { font-size: 10px;
  paint-order: stroke; stroke: #fff; stroke-width: 3px; }
@media (max-width: 860px) { section { grid-template-columns: minmax(0, 1fr); } }
"""


def render_page(report: AuditReport) -> str:
    """Return the report as HTML; all text is escaped."""
    about = report.about
    told = (
        f"{about['agent']} agent, {about['dataset']}, {about['users']} users, protocol "
        f"{about['protocol']}, seed {about['seed']}; {about['questions']:,} questions, "
        f"{about['calls']:,} calls, {about['tokens_in']:,} tokens in and "
        f"{about['tokens_out']:,} out"
    )
    if report.refused:
        told = f"{told}. {report.refused}"
    title = escape(f"Audit of {about['policy']}")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f'<h1>{title}</h1><p class="about">{escape(told)}</p>'
        f"{_verdict(report)}{''.join(map(_section, report.results))}"
        '<p class="about">Metrics are means over users with 95 % intervals. A metric fails its '
        "bound only when the whole interval lies outside.</p></body></html>\n"
    )


def _verdict(report: AuditReport) -> str:
    fit = "Fit in what was audited" if report.not_audited else "Fit to simulate with"
    kind, word = {
        True: ("holds", fit),
        None: ("unsure", "Undecided"),
        False: ("fails", "Not fit to simulate with"),
    }[report.fit]
    lists = ""
    for outcome, lines in (
        ("fails", report.failures),
        ("unsure", report.doubts),
        ("not measured", report.unmeasured),
        ("not audited", report.not_audited),
    ):
        if lines:
            entries = "".join(f"<li>{escape(line)}</li>" for line in lines)
            lists += f'<p class="{outcome.split()[0]}">{outcome}</p><ul>{entries}</ul>'
    return f'<div class="verdict {kind}"><b>{word}</b><div class="why">{lists}</div></div>'


def _section(result: AuditResult) -> str:
    head = (
        f'<header><h2>{escape(result.title)}</h2><p class="asks">{escape(result.asks)}</p></header>'
    )
    references = "".join(f"<li>{escape(line)}</li>" for line in result.references)
    known = f'<ul class="references">{references}</ul>' if references else ""
    if result.unmeasured:
        body = f'<p class="unsure">Not measured: {escape(result.unmeasured)}.</p>'
        return f"<section>{head}<div>{body}{known}</div></section>"
    checks = {check.metric: check for check in result.checks}
    rows = "".join(
        _row(metric, checks.get(name)) for name, metric in result.metrics.items() if not metric.at
    )
    chart = draw(result.chart) if result.chart is not None else ""
    numbers = f"<table>{rows}</table>{_places(result)}"
    return f"<section>{head}<div>{numbers}{known}</div><figure>{chart}</figure></section>"


def _places(result: AuditResult) -> str:
    """Return a table of the metrics that were measured under several conditions, if any."""
    metrics = [metric for metric in result.metrics.values() if metric.at]
    if not metrics:
        return ""
    labels = list(dict.fromkeys(metric.label for metric in metrics))
    head = "".join(f'<td class="number">{escape(label)}</td>' for label in labels)
    rows = ""
    for place in dict.fromkeys(metric.at for metric in metrics):
        cells = "".join(_number(metric) for metric in metrics if metric.at == place)
        rows += f"<tr><td>{escape(place)}</td>{cells}</tr>"
    return f'<table class="places"><tr><td></td>{head}</tr>{rows}</table>'


def _number(metric: AuditMetric) -> str:
    interval = metric.interval
    mean = "–" if math.isnan(interval.mean) else f"{interval.mean:.3g}"
    if abs(interval.mean) < 1:
        mean = f"{interval.mean:.3f}"
    spread = "" if math.isnan(interval.low) else f"{interval.low:.2f} to {interval.high:.2f}"
    return f'<td class="number">{mean}<small>{spread}</small></td>'


def _row(metric: AuditMetric, check: BoundCheck | None) -> str:
    judged = ""
    if check is not None:
        judged = f'<span class="{check.outcome}">{check.outcome}</span>'
        judged += f"<small>{escape(check.bound.short)}</small>"
    people = ""
    if metric.people is not None:
        people = f"<small>people: {_text(metric.people)}</small>"
    if metric.not_comparable:
        people = f"<small>not comparable with people: {escape(metric.not_comparable)}</small>"
    return (
        f"<tr><td>{escape(metric.label)}{people}</td>{_number(metric)}"
        f'<td class="number">{judged}</td></tr>'
    )


def _text(interval: Interval) -> str:
    spread = "" if math.isnan(interval.low) else f" ({interval.low:.2f} to {interval.high:.2f})"
    return f"{interval.mean:.3f}{spread}"
