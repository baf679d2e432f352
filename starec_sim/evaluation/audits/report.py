"""The report of an audit: the results of all audits, and the verdict."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NotRequired, Self

from pydantic import ConfigDict, ValidationError
from typing_extensions import TypedDict  # that of Python 3.11 is refused by pydantic

from starec_sim.evaluation.audits.bounds import Bound, Outcome
from starec_sim.evaluation.audits.registry import NAMES
from starec_sim.evaluation.audits.result import AuditMetric, AuditResult, BoundCheck, Chart
from starec_sim.metrics import Interval
from starec_sim.runs.stored_values import StoredType, StoredValueError, first_finding, missing


@dataclass(frozen=True, slots=True)
class AuditReport:
    """The results of all audits, and whether the policy is fit to simulate users with."""

    about: Mapping[str, Any]
    results: tuple[AuditResult, ...]

    @property
    def failures(self) -> list[str]:
        """Metrics outside their bounds, in words."""
        return [self._said(f, check) for f, check in self._checks() if check.outcome == "fails"]

    @property
    def doubts(self) -> list[str]:
        """Metrics that need more users to decide, in words."""
        return [self._said(f, check) for f, check in self._checks() if check.outcome == "unsure"]

    @property
    def unmeasured(self) -> list[str]:
        """Audits without a result, with the reason."""
        return [f"{f.name}: {f.unmeasured}" for f in self.results if f.unmeasured]

    @property
    def not_audited(self) -> list[str]:
        """Names of the audits that were not asked for."""
        asked = {result.name for result in self.results}
        return [name for name in NAMES if name not in asked]

    @property
    def refused(self) -> str:
        """How many calls had no answer, and why one of them had none; empty where all had."""
        if "refused" not in self.about:
            return ""
        refusal = self.about.get("refusal", "")
        how = "were refused" if refusal.startswith("refused:") else "were refused or failed"
        return (
            f"{self.about['refused']:,} calls {how} and count as answers without a choice; "
            f"for example: {refusal}"
        )

    @property
    def fit(self) -> bool | None:
        """Whether all metrics are within their bounds; None if more users are needed to decide.

        It speaks of the audits that were made; `not_audited` names the others.
        """
        if self.failures:
            return False
        return None if self.doubts or not any(self._checks()) else True

    @property
    def verdict(self) -> str:
        """The verdict in one line, with the audits that are without a result."""
        said = self._verdict()
        if unmeasured := [result.name for result in self.results if result.unmeasured]:
            said += f"; not measured: {', '.join(unmeasured)}"
        if self.not_audited:
            said += f"; not audited: {', '.join(self.not_audited)}"
        return said

    def _verdict(self) -> str:
        of = f"{self.about['policy']} on {self.about['dataset']}, {self.about['users']} users"
        if self.failures:
            return f"not fit to simulate with ({of}): {'; '.join(self.failures)}"
        if self.doubts:
            return f"undecided ({of}), more users can tell: {'; '.join(self.doubts)}"
        if self.fit is None:
            return f"undecided ({of}): nothing could be measured"
        if self.not_audited:
            return f"fit in what was audited ({of}): {', '.join(r.name for r in self.results)}"
        return f"fit to simulate with ({of})"

    def _checks(self) -> list[tuple[AuditResult, BoundCheck]]:
        return [(result, check) for result in self.results for check in result.checks]

    @staticmethod
    def _said(result: AuditResult, check: BoundCheck) -> str:
        interval = result.metrics[check.metric].interval
        shown = "unknown" if math.isnan(interval.mean) else f"{interval.mean:.2f}"
        return f"{result.name}: {check.metric} {shown} (wanted: {check.bound})"

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "fit": self.fit,
            "verdict": self.verdict,
            "failures": self.failures,
            "doubts": self.doubts,
            "unmeasured": self.unmeasured,
            "not_audited": self.not_audited,
            "about": dict(self.about),
            "audits": {
                result.name: {
                    "title": result.title,
                    "asks": result.asks,
                    "unmeasured": result.unmeasured or None,
                    "figures": {name: _figure(metric) for name, metric in result.metrics.items()},
                    "checks": {
                        check.metric: {
                            **check.bound.model_dump(exclude_none=True),
                            "outcome": check.outcome,
                        }
                        for check in result.checks
                    },
                    "chart": result.chart
                    and {
                        "kind": result.chart.kind,
                        "x": list(result.chart.x),
                        "x_label": result.chart.x_label,
                        "y_label": result.chart.y_label,
                        "series": {n: list(v) for n, v in result.chart.series.items()},
                        "reference": {n: list(v) for n, v in result.chart.reference.items()},
                    },
                    "references": list(result.references),
                }
                for result in self.results
            },
        }

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Return the report that `as_json` wrote.

        Raises:
            StoredValueError: A value is missing, or of another type.
        """
        stored = _REPORT.from_json(text)
        about = json.loads(text)["about"]  # `stored` has the keys that its type names first
        return cls(about, tuple(map(_result, stored["audits"].items())))


def _figure(metric: AuditMetric) -> dict[str, Any]:
    """Return a metric as JSON values."""
    figure = {"label": metric.named, "at": metric.at, **metric.interval._asdict()}
    if metric.people is not None:
        figure["people"] = metric.people._asdict()
    if metric.not_comparable:
        figure["not_comparable"] = metric.not_comparable
    return figure


class _StoredAbout(TypedDict):
    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    policy: str
    dataset: str
    users: int
    refused: NotRequired[int]
    refusal: NotRequired[str]


class _StoredInterval(TypedDict):
    mean: float
    low: float
    high: float
    n: int


class _StoredMetric(_StoredInterval):
    label: str
    at: str
    people: NotRequired[_StoredInterval]
    not_comparable: NotRequired[str]


class _StoredCheck(TypedDict):
    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    outcome: Outcome


class _StoredChart(TypedDict):
    kind: Literal["line", "bar"]
    x: list[str]
    x_label: str
    y_label: str
    series: dict[str, list[float]]
    reference: dict[str, list[float]]


class _StoredAudit(TypedDict):
    title: str
    asks: str
    unmeasured: str | None
    figures: dict[str, _StoredMetric]
    checks: dict[str, _StoredCheck]
    chart: _StoredChart | None
    references: list[str]


class _StoredReport(TypedDict):
    about: _StoredAbout
    audits: dict[str, _StoredAudit]


_REPORT = StoredType[_StoredReport]("audit.json", _StoredReport)


def _result(item: tuple[str, _StoredAudit]) -> AuditResult:
    """Return the result of one audit from its name and its JSON values."""
    name, values = item
    if unknown := values["checks"].keys() - values["figures"].keys():
        raise missing(f"audits.{name}.figures.{min(unknown)}")
    return AuditResult(
        name,
        values["title"],
        values["asks"],
        {metric: _metric(parts) for metric, parts in values["figures"].items()},
        _chart(values["chart"]) if values["chart"] else None,
        tuple(values["references"]),
        values["unmeasured"] or "",
        tuple(_check(metric, check) for metric, check in values["checks"].items()),
    )


def _check(metric: str, stored: _StoredCheck) -> BoundCheck:
    bound = {key: value for key, value in stored.items() if key != "outcome"}
    try:
        return BoundCheck(metric, outcome=stored["outcome"], bound=Bound.model_validate(bound))
    except ValidationError as error:
        raise StoredValueError(first_finding(error, metric)) from None


def _metric(stored: _StoredMetric) -> AuditMetric:
    label, at, people = stored["label"], stored["at"], stored.get("people")
    return AuditMetric(
        label.removesuffix(f" at {at}") if at else label,
        _interval(stored),
        at,
        _interval(people) if people else None,
        stored.get("not_comparable", ""),
    )


def _interval(stored: _StoredInterval) -> Interval:
    return Interval(stored["mean"], stored["low"], stored["high"], stored["n"])


def _chart(values: _StoredChart) -> Chart:
    series, reference = (
        {name: tuple(line) for name, line in lines.items()}
        for lines in (values["series"], values["reference"])
    )
    labels = (values["x_label"], values["y_label"])
    return Chart(values["kind"], tuple(values["x"]), *labels, series, reference)
