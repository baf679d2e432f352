"""The report of an audit: the results of all audits, and the verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starec_sim.evaluation.audits.result import AuditResult, BoundCheck


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
    def fit(self) -> bool | None:
        """Whether all metrics are within their bounds; None if more users are needed to decide."""
        if self.failures:
            return False
        return None if self.doubts or not any(self._checks()) else True

    @property
    def verdict(self) -> str:
        """The verdict in one line."""
        of = f"{self.about['policy']} on {self.about['dataset']}, {self.about['users']} users"
        if self.failures:
            return f"not fit to simulate with ({of}): {'; '.join(self.failures)}"
        if self.doubts:
            return f"undecided ({of}), more users can tell: {'; '.join(self.doubts)}"
        if self.fit is None:
            return f"undecided ({of}): nothing could be measured"
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
            "about": dict(self.about),
            "audits": {
                result.name: {
                    "unmeasured": result.unmeasured or None,
                    "figures": {
                        name: {"label": metric.named, **metric.interval._asdict()}
                        for name, metric in result.metrics.items()
                    },
                    "checks": {
                        check.metric: {
                            **check.bound.model_dump(exclude_none=True),
                            "outcome": check.outcome,
                        }
                        for check in result.checks
                    },
                    "chart": result.chart
                    and {
                        "x": list(result.chart.x),
                        "series": {n: list(v) for n, v in result.chart.series.items()},
                        "reference": {n: list(v) for n, v in result.chart.reference.items()},
                    },
                    "references": list(result.references),
                }
                for result in self.results
            },
        }
