"""An audit from its settings to its report."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

from pydantic import Field

from starec_sim import plugins, yaml_files
from starec_sim.agent import Agent, RephrasedAgent
from starec_sim.dataset import Dataset
from starec_sim.errors import ConfigError, DataError, did_you_mean
from starec_sim.evaluation.audits.audited_policy import AuditedPolicy, audited_policy
from starec_sim.evaluation.audits.form import Form
from starec_sim.evaluation.audits.leak import Leak
from starec_sim.evaluation.audits.memorisation import Memorisation
from starec_sim.evaluation.audits.panel import Panel, PanelAnswers, PanelQuestion, Words, ask, live
from starec_sim.evaluation.audits.persona import Persona
from starec_sim.evaluation.audits.popularity import Popularity
from starec_sim.evaluation.audits.position import Position
from starec_sim.evaluation.audits.ratings import Ratings
from starec_sim.evaluation.audits.reflection import Reflection
from starec_sim.evaluation.audits.result import AuditResult, Bound, BoundCheck
from starec_sim.evaluation.audits.retest import Retest
from starec_sim.evaluation.audits.selection import Selection
from starec_sim.holdout import HoldOut, environment_name, read_protocol
from starec_sim.holdout import Protocol as EvaluationProtocol
from starec_sim.plugins import Spec
from starec_sim.rng import Streams
from starec_sim.settings import Settings, validate


class Audit(Protocol):
    """One audit: what it asks, and what it makes of the answers."""

    name: str
    title: str
    asks: str

    def questions(self, panel: Panel) -> Iterable[PanelQuestion]:
        """Yield what has to be asked; equal questions of several audits are asked once."""
        ...

    def result(self, panel: Panel, answers: PanelAnswers) -> AuditResult:
        """Return the figures, a chart and the literature's."""
        ...


AUDITS: tuple[Audit, ...] = (
    Form(),
    Position(),
    Popularity(),
    Ratings(),
    Selection(),
    Retest(),
    Persona(),
    Memorisation(),
    Reflection(),
    Leak(),
)
NAMES = tuple(audit.name for audit in AUDITS)

Bounds = Mapping[str, Mapping[str, Bound]]


def read_bounds(path: Path | None = None) -> dict[str, dict[str, Bound]]:
    """Return the bounds that ship, those of a file of one's own in their place.

    Raises:
        ConfigError: The file cannot be read, or names what no audit measures.
    """
    shipped = (files("starec_sim.evaluation.audits") / "bounds.yaml").read_text("utf-8")
    bounds = _parsed(yaml_files.parse(shipped, "bounds.yaml"), "bounds.yaml")
    if path is None:
        return bounds
    own = _parsed(yaml_files.load(path, hint="e.g. position: {tau: {at_most: 0.2}}"), str(path))
    for audit, figures in own.items():
        _named(audit, bounds, path)
        for figure in figures:
            _named(figure, bounds[audit], path)
        bounds[audit] = {**bounds[audit], **figures}
    return bounds


def _named(name: str, known: Iterable[str], path: Path) -> None:
    if name not in known:
        raise ConfigError(
            f'{path}: there is no bound on "{name}"; {did_you_mean(name, known)}',
            hint="the bounds that ship: starec_sim/evaluation/audits/bounds.yaml",
        )


def _parsed(values: Mapping[str, Any], at: str) -> dict[str, dict[str, Bound]]:
    if not all(isinstance(v, dict) for v in values.values()):
        raise ConfigError(
            f"{at} must hold figures with their bounds, by audit",
            hint="e.g. position: {tau: {at_most: 0.2}}",
        )
    return {
        audit: {
            name: validate(Bound, bound if isinstance(bound, dict) else {}, f"{at}: {audit}.{name}")
            for name, bound in figures.items()
        }
        for audit, figures in values.items()
    }


class AuditSettings(Settings):
    """Everything that decides a report."""

    policy: Spec
    data: Spec
    agent: Spec = Field(default={"use": "star"})
    protocol: EvaluationProtocol | None = None
    """Whose lists are asked about; agentcf-10 where the data ships candidates, else starec-20."""
    users: int = Field(default=100, ge=2)
    """How many are questioned; all who qualify when there are fewer."""
    only: tuple[str, ...] = NAMES
    """The audits to make."""
    bounds: dict[str, dict[str, Bound]] = Field(default_factory=read_bounds)
    seed: int = Field(default=0, ge=0, lt=2**63)
    concurrency: int = Field(default=64, ge=1, le=4096)
    cache: Path | None = None
    """A file in which answers are kept, so that an audit that was stopped can go on."""


@dataclass(frozen=True, slots=True)
class AuditReport:
    """All findings, and whether the policy is fit to simulate with."""

    about: Mapping[str, Any]
    results: tuple[AuditResult, ...]

    @property
    def failures(self) -> list[str]:
        """Figures that fail, in words."""
        return [self._said(f, check) for f, check in self._checks() if check.outcome == "fails"]

    @property
    def doubts(self) -> list[str]:
        """Figures that so few users cannot decide, in words."""
        return [self._said(f, check) for f, check in self._checks() if check.outcome == "unsure"]

    @property
    def unmeasured(self) -> list[str]:
        """Audits that could not be made, with the reason."""
        return [f"{f.name}: {f.unmeasured}" for f in self.results if f.unmeasured]

    @property
    def fit(self) -> bool | None:
        """Whether every figure holds; None where so few users, or so few figures, cannot say."""
        if self.failures:
            return False
        return None if self.doubts or not any(self._checks()) else True

    @property
    def verdict(self) -> str:
        """One line."""
        of = f"{self.about['policy']} on {self.about['dataset']}, {self.about['users']} users"
        if self.failures:
            return f"not fit to simulate with ({of}): {'; '.join(self.failures)}"
        if self.doubts:
            return f"undecided ({of}), more users can tell: {'; '.join(self.doubts)}"
        if self.fit is None:
            return f"undecided ({of}): nothing could be measured"
        return f"fit to simulate with ({of})"

    def _checks(self) -> list[tuple[AuditResult, BoundCheck]]:
        return [(finding, check) for finding in self.results for check in finding.checks]

    @staticmethod
    def _said(finding: AuditResult, check: BoundCheck) -> str:
        interval = finding.figures[check.figure].interval
        shown = "unknown" if math.isnan(interval.mean) else f"{interval.mean:.2f}"
        return f"{finding.name}: {check.figure} {shown} (wanted: {check.bound})"

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
                finding.name: {
                    "unmeasured": finding.unmeasured or None,
                    "figures": {
                        name: {"label": figure.named, **figure.interval._asdict()}
                        for name, figure in finding.figures.items()
                    },
                    "checks": {
                        check.figure: {
                            **check.bound.model_dump(exclude_none=True),
                            "outcome": check.outcome,
                        }
                        for check in finding.checks
                    },
                    "chart": finding.chart
                    and {
                        "x": list(finding.chart.x),
                        "series": {n: list(v) for n, v in finding.chart.series.items()},
                        "reference": {n: list(v) for n, v in finding.chart.reference.items()},
                    },
                    "references": list(finding.references),
                }
                for finding in self.results
            },
        }


def audit(settings: AuditSettings) -> AuditReport:
    """PanelQuestion a policy and judge it.

    Raises:
        StarecError: A setting is wrong, nobody qualifies, or the policy cannot be asked; what was
            answered is in the cache, and the same audit goes on from there.
    """
    chosen = _chosen(settings.only)
    found, config = plugins.configure("agents", settings.agent, "agent")
    agent: Agent = found(config)
    agents: dict[Words, Agent] = {"usual": agent}
    if isinstance(agent, RephrasedAgent) and (other := agent.rephrased()) is not None:
        agents["other"] = other
    reader, config = plugins.configure("datasets", settings.data, "data")
    dataset: Dataset = reader(config).load()
    protocol = settings.protocol or read_protocol(
        "agentcf-10" if dataset.candidates else "starec-20"
    )
    drawn = protocol.users.model_copy(update={"count": settings.users})
    protocol = protocol.model_copy(update={"draws": 1, "signals": (), "users": drawn})
    with audited_policy(settings.policy, settings.seed, settings.cache) as asked:
        panel, answers = asyncio.run(
            _questioned(agents, dataset, protocol, asked, chosen, settings)
        )
        asked.check()
    findings = tuple(_checked(one.result(panel, answers), settings.bounds) for one in chosen)
    about = {
        "policy": asked.name,
        "agent": settings.agent["use"],
        "dataset": dataset.name,
        "protocol": protocol.name,
        "users": len(panel),
        "seed": settings.seed,
        "questions": len(answers),
        "calls": asked.calls,
        "tokens_in": asked.tokens_in,
        "tokens_out": asked.tokens_out,
    }
    return AuditReport(about, findings)


def _chosen(names: Sequence[str]) -> list[Audit]:
    for name in names:
        if name not in NAMES:
            raise ConfigError(
                f'no audit is called "{name}"; {did_you_mean(name, NAMES)}',
                hint=f"there are {', '.join(NAMES)}",
            )
    return [one for one in AUDITS if one.name in names]


async def _questioned(
    agents: Mapping[Words, Agent],
    dataset: Dataset,
    protocol: EvaluationProtocol,
    asked: AuditedPolicy,
    audits: Sequence[Audit],
    settings: AuditSettings,
) -> tuple[Panel, PanelAnswers]:
    """Build the memories, then put all questions, in one event loop: clients live in one."""
    exam = HoldOut(protocol, dataset, settings.seed)
    spec = {"use": environment_name(), "protocol": protocol.model_dump(mode="json")}
    world, config = plugins.configure("environments", spec, "environment")
    environment = world(config, dataset, Streams(settings.seed))
    try:
        gateway, at_once = asked.gateway, settings.concurrency
        lived = await live(agents["usual"], environment, gateway, protocol.history, at_once)
        matched = _matched(protocol, dataset, settings.seed)
        panel = Panel(exam, matched, environment.users, lived, settings.seed)
        questions = [
            question
            for audit in audits
            for question in audit.questions(panel)
            if question.words in agents
        ]
        return panel, await ask(panel, questions, agents, gateway, at_once)
    finally:
        await asked.close()


def _matched(protocol: EvaluationProtocol, dataset: Dataset, seed: int) -> HoldOut | None:
    """Return the exam with negatives as popular as the answers, where there are enough."""
    protocol = protocol.model_copy(update={"negatives": "popularity"})
    try:
        return HoldOut(protocol, dataset, seed)
    except DataError:
        return None


def _checked(finding: AuditResult, bounds: Bounds) -> AuditResult:
    checks = tuple(
        BoundCheck(name, bound, bound.judge(finding.figures[name].interval))
        for name, bound in bounds.get(finding.name, {}).items()
        if name in finding.figures
    )
    return replace(finding, checks=checks)
