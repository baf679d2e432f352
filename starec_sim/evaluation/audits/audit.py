"""Audit a policy: replay users' histories, ask the questions of all audits, judge the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from pydantic import Field

from starec_sim.agent import Agent, RephrasedAgent
from starec_sim.build import build_agent, build_environment, load_dataset
from starec_sim.dataset import Dataset
from starec_sim.errors import ConfigError, DataError, did_you_mean
from starec_sim.evaluation.audits.asking import ask_panel, replay_history
from starec_sim.evaluation.audits.audited_policy import AuditedPolicy, audited_policy
from starec_sim.evaluation.audits.bounds import Bound, Bounds, read_bounds
from starec_sim.evaluation.audits.form import Form
from starec_sim.evaluation.audits.leak import Leak
from starec_sim.evaluation.audits.memorisation import Memorisation
from starec_sim.evaluation.audits.panel import Panel
from starec_sim.evaluation.audits.persona import Persona
from starec_sim.evaluation.audits.popularity import PopularityBias
from starec_sim.evaluation.audits.position import Position
from starec_sim.evaluation.audits.questions import PanelAnswers, PanelQuestion, Wording
from starec_sim.evaluation.audits.ratings import Ratings
from starec_sim.evaluation.audits.reflection import Reflection
from starec_sim.evaluation.audits.report import AuditReport
from starec_sim.evaluation.audits.result import AuditResult, BoundCheck
from starec_sim.evaluation.audits.retest import Retest
from starec_sim.evaluation.audits.selection import Selection
from starec_sim.holdout import EvaluationProtocol, HoldOut, environment_name, read_protocol
from starec_sim.plugins import Spec
from starec_sim.settings import Settings


class Audit(Protocol):
    """One audit: its questions, and what it measures in the answers."""

    name: str
    title: str
    asks: str

    def questions(self, panel: Panel) -> Iterable[PanelQuestion]:
        """Yield the questions; equal questions of several audits are asked once."""
        ...

    def result(self, panel: Panel, answers: PanelAnswers) -> AuditResult:
        """Return metrics, a chart and references."""
        ...


AUDITS: tuple[Audit, ...] = (
    Form(),
    Position(),
    PopularityBias(),
    Ratings(),
    Selection(),
    Retest(),
    Persona(),
    Memorisation(),
    Reflection(),
    Leak(),
)
NAMES = tuple(audit.name for audit in AUDITS)


class AuditSettings(Settings):
    """Everything that decides the report of an audit."""

    policy: Spec
    data: Spec
    agent: Spec = Field(default={"use": "star"})
    protocol: EvaluationProtocol | None = None
    """Decides the candidate lists; agentcf-10 if the data ships candidates, else starec-20."""
    users: int = Field(default=100, ge=2)
    """How many users are asked; all who qualify if there are fewer."""
    only: tuple[str, ...] = NAMES
    """Names of the audits."""
    bounds: dict[str, dict[str, Bound]] = Field(default_factory=read_bounds)
    seed: int = Field(default=0, ge=0, lt=2**63)
    concurrency: int = Field(default=64, ge=1, le=4096)
    cache: Path | None = None
    """A file that stores the answers, so that a stopped audit can be continued."""


def audit(settings: AuditSettings) -> AuditReport:
    """Audit a policy.

    Raises:
        StarecError: A setting is wrong, no user qualifies, or the policy cannot be asked. The
            answers so far are in the cache, and the same audit continues from there.
    """
    chosen = _chosen(settings.only)
    agent = build_agent(settings.agent)
    agents: dict[Wording, Agent] = {"usual": agent}
    if isinstance(agent, RephrasedAgent) and (other := agent.rephrased()) is not None:
        agents["other"] = other
    dataset = load_dataset(settings.data)
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
    results = tuple(_checked(one.result(panel, answers), settings.bounds) for one in chosen)
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
    return AuditReport(about, results)


def _chosen(names: Sequence[str]) -> list[Audit]:
    """Return the audits of these names.

    Raises:
        ConfigError: There is no audit of a name.
    """
    for name in names:
        if name not in NAMES:
            raise ConfigError(
                f'no audit is called "{name}"; {did_you_mean(name, NAMES)}',
                hint=f"there are {', '.join(NAMES)}",
            )
    return [one for one in AUDITS if one.name in names]


async def _questioned(
    agents: Mapping[Wording, Agent],
    dataset: Dataset,
    protocol: EvaluationProtocol,
    asked: AuditedPolicy,
    audits: Sequence[Audit],
    settings: AuditSettings,
) -> tuple[Panel, PanelAnswers]:
    """Build the memories and ask all questions, in one event loop: clients work in one only."""
    holdout = HoldOut(protocol, dataset, settings.seed)
    spec = {"use": environment_name(), "protocol": protocol.model_dump(mode="json")}
    environment = build_environment(spec, dataset, settings.seed)
    try:
        gateway, at_once = asked.gateway, settings.concurrency
        memories = await replay_history(
            agents["usual"], environment, gateway, protocol.history, at_once
        )
        matched = _with_popular_negatives(protocol, dataset, settings.seed)
        panel = Panel(holdout, matched, environment.users, memories, settings.seed)
        questions = [
            question
            for audit in audits
            for question in audit.questions(panel)
            if question.wording in agents
        ]
        return panel, await ask_panel(panel, questions, agents, gateway, at_once)
    finally:
        await asked.close()


def _with_popular_negatives(
    protocol: EvaluationProtocol, dataset: Dataset, seed: int
) -> HoldOut | None:
    """Return the hold-out with negatives as popular as the answers; None if there are too few."""
    protocol = protocol.model_copy(update={"negatives": "popularity"})
    try:
        return HoldOut(protocol, dataset, seed)
    except DataError:
        return None


def _checked(result: AuditResult, bounds: Bounds) -> AuditResult:
    """Return the result with its metrics compared with their bounds."""
    checks = tuple(
        BoundCheck(name, bound, bound.judge(result.metrics[name].interval))
        for name, bound in bounds.get(result.name, {}).items()
        if name in result.metrics
    )
    return replace(result, checks=checks)
