"""Audit a policy: replay users' histories, ask the questions of all audits, judge the answers.

An audit is a run of the kind "audit": its folder has the settings, the record and the report.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from starec_sim.agent import Agent, RephrasedAgent
from starec_sim.build import (
    build_agent,
    build_environment,
    build_policy,
    load_dataset,
    prompt_hashes,
)
from starec_sim.cards import card
from starec_sim.dataset import Dataset
from starec_sim.environment import Environment
from starec_sim.errors import ConfigError, DataError, near_name
from starec_sim.evaluation.audits import folder as files
from starec_sim.evaluation.audits.asking import ask_panel, replay_history
from starec_sim.evaluation.audits.audit_record import ARM, AuditRecord
from starec_sim.evaluation.audits.audited_policy import AuditedPolicy
from starec_sim.evaluation.audits.bounds import Bounds
from starec_sim.evaluation.audits.panel import Panel
from starec_sim.evaluation.audits.questions import PanelAnswers, Wording
from starec_sim.evaluation.audits.registry import AUDITS, NAMES, Audit
from starec_sim.evaluation.audits.report import AuditReport
from starec_sim.evaluation.audits.result import AuditResult, BoundCheck
from starec_sim.evaluation.audits.settings import AuditSettings
from starec_sim.evaluation.settings_file import find_unfinished
from starec_sim.events import RunEvents
from starec_sim.executors.event_loop import run_coroutine
from starec_sim.holdout import EvaluationProtocol, HoldOut, environment_name, read_protocol
from starec_sim.plugin_code import noted_code
from starec_sim.policies.abilities import check_price
from starec_sim.policies.settings import Budget, GatewaySettings
from starec_sim.runs import queries
from starec_sim.runs.code import SAME_CODE, CodeRules, reopened
from starec_sim.runs.lifecycle import OpenRun, check_same_code, create_run, open_run
from starec_sim.runs.manifest import new_manifest, read_manifest
from starec_sim.settings import validate


def audit(
    settings: AuditSettings,
    events: RunEvents | None = None,
    *,
    fresh: bool = False,
    into: Path | None = None,
) -> tuple[Path, AuditReport]:
    """Audit a policy; an unfinished audit with the same settings is resumed.

    Args:
        settings: What is audited, and how.
        events: Is told what happens.
        fresh: Whether to start a new audit even if there is an unfinished one.
        into: A further folder for the report.

    Returns:
        The folder and the report.

    Raises:
        StarecError: A setting is wrong, no user qualifies, or the policy cannot be asked. The
            answers so far are kept, and the same audit continues from there.
    """
    events = events or RunEvents()
    begun = find_unfinished(settings, files.SETTINGS, files.read_settings)
    if begun is not None and not fresh:
        allowed = settings.budget.model_dump(exclude_unset=True)
        at_once = settings.concurrency
        return begun, resume(begun, events, concurrency=at_once, budget=allowed, into=into)
    with noted_code() as used:
        prepared = _prepare(settings, into)
    manifest = new_manifest(
        "audit",
        settings.name,
        [settings.seed],
        arms=[ARM],
        prompts=prepared.prompts(),
        budget=settings.budget.model_dump(exclude_none=True),
        plugins=used,
    )
    folder = create_run(
        settings.runs_dir,
        manifest,
        "",
        settings.seed,
        lambda part: files.write_settings(part, settings),
    )
    return folder, _complete(folder, prepared, events)


def resume(
    folder: Path,
    events: RunEvents | None = None,
    *,
    concurrency: int | None = None,
    budget: Mapping[str, float | None] | None = None,
    code: CodeRules = SAME_CODE,
    into: Path | None = None,
) -> AuditReport:
    """Resume an audit. The report of a finished one is read, and written into the further folder.

    Args:
        folder: The audit.
        events: Is told what happens.
        concurrency: Questions in progress at once, if it should change.
        budget: Keys of the budget that change; None is no limit.
        code: Which code of plug-ins may run.
        into: A further folder for the report.

    Raises:
        RunError: The folder holds no audit, or one that other code or data began.
        StarecError: What went wrong while it went on.
    """
    settings, manifest = files.read_settings(folder), read_manifest(folder)
    if manifest.status == "finished":
        report = files.read_report(folder)
        if into is not None:
            files.write_copy(report, settings, into)
        return report
    into = None if into is None else into.absolute()
    if concurrency is not None:
        settings = settings.model_copy(update={"concurrency": concurrency})
    allowed = validate(Budget, {**manifest.budget, **(budget or {})}, "budget")
    settings = settings.model_copy(update={"budget": allowed})
    with reopened(folder, manifest, code) as here:
        prepared = _prepare(settings, into)
        check_same_code(manifest, prepared.prompts())
        # Of all errors, only calls that failed end an audit so.
        again = manifest.status == "failed" and (manifest.problem or "").startswith("PolicyError:")
        return _complete(here, prepared, events or RunEvents(), again)


@dataclass(frozen=True)
class _Prepared:
    """An audit whose parts are built."""

    settings: AuditSettings
    audits: Sequence[Audit]
    agents: Mapping[Wording, Agent]
    dataset: Dataset
    protocol: EvaluationProtocol
    holdout: HoldOut
    environment: Environment
    """In which the histories are replayed."""
    policy: AuditedPolicy
    into: Path | None
    """A further folder for the report."""

    def prompts(self) -> dict[str, dict[str, str]]:
        """Return the SHA-256 of every prompt template, by wording and name."""
        return {wording: prompt_hashes(agent) for wording, agent in self.agents.items()}

    def phrases(self) -> Iterator[str]:
        """Yield texts that prompts repeat, to compress the record with."""
        yield from map(card, self.dataset.items)
        for agent in self.agents.values():
            yield from agent.prompts().values()


def _prepare(settings: AuditSettings, into: Path | None) -> _Prepared:
    """Build everything. What is wrong is found out here, before there is a folder."""
    audits = _chosen(settings.only)
    agent = build_agent(settings.agent)
    agents: dict[Wording, Agent] = {"usual": agent}
    if isinstance(agent, RephrasedAgent) and (other := agent.rephrased()) is not None:
        agents["other"] = other
    dataset = load_dataset(settings.data)
    protocol = settings.protocol or read_protocol(default_protocol(dataset))
    drawn = protocol.users.model_copy(update={"count": settings.users})
    protocol = protocol.model_copy(update={"draws": 1, "signals": (), "users": drawn})
    check_price(settings.policy, "policy", settings.budget)
    policy = AuditedPolicy(build_policy(settings.policy, "policy"))
    holdout = HoldOut(protocol, dataset, settings.seed)
    spec = {"use": environment_name(), "protocol": protocol.model_dump(mode="json")}
    environment = build_environment(spec, dataset, settings.seed)
    return _Prepared(
        settings, audits, agents, dataset, protocol, holdout, environment, policy, into
    )


def default_protocol(dataset: Dataset) -> str:
    """Return the name of the protocol of an audit that names none."""
    return "agentcf-10" if dataset.candidates else "starec-20"


def _chosen(names: Sequence[str]) -> list[Audit]:
    """Return the audits of these names.

    Raises:
        ConfigError: There is no audit of a name.
    """
    for name in names:
        if name not in NAMES:
            near = near_name(name, NAMES)
            raise ConfigError(
                f'no audit is called "{name}"{f"; {near}" if near else ""}',
                hint=f"there are {', '.join(NAMES)}",
            )
    return [one for one in AUDITS if one.name in names]


def _complete(
    folder: Path, prepared: _Prepared, events: RunEvents, again: bool = False
) -> AuditReport:
    """Replay, ask what is not recorded yet, judge, and write the report.

    Args:
        folder: The audit.
        prepared: Its parts.
        events: Is told what happens.
        again: Whether it stopped before because calls failed.
    """
    settings = prepared.settings
    gateway = GatewaySettings(cache=settings.cache)
    phrases, budget = prepared.phrases(), settings.budget
    with open_run(folder, phrases=phrases, gateway=gateway, budget=budget) as run:
        record = AuditRecord(run, settings.seed, prepared.environment, prepared.policy.name, again)
        panel, answers = run_coroutine(_questioned(prepared, run, record, events))
        results = tuple(
            _checked(one.result(panel, answers), settings.bounds) for one in prepared.audits
        )
        about = {
            "policy": prepared.policy.name,
            "agent": settings.agent["use"],
            "dataset": prepared.dataset.name,
            "protocol": prepared.protocol.name,
            "users": len(panel),
            "seed": settings.seed,
            "questions": len(answers),
            "calls": record.calls,
            "tokens_in": record.tokens_in,
            "tokens_out": record.tokens_out,
        }
        if lost := sorted(record.unanswered, key=lambda text: text.startswith("refused:")):
            about |= {"refused": len(lost), "refusal": lost[0]}
        report = AuditReport(about, results)
        files.write_report(report, folder / files.REPORT, folder / files.PAGE)
        if prepared.into is not None:
            files.write_copy(report, settings, prepared.into)
        run.manifest.digest, run.manifest.counts = record.digest, queries.counts(run.store.db)
    return report


async def _questioned(
    prepared: _Prepared, run: OpenRun, record: AuditRecord, events: RunEvents
) -> tuple[Panel, PanelAnswers]:
    """Build the memories and ask all questions, in one event loop: clients work in one only.

    Raises:
        PolicyError: Calls failed, and were not refused.
    """
    settings, policy, agents = prepared.settings, prepared.policy, prepared.agents
    at_once, seed = settings.concurrency, settings.seed
    gateway = policy.gateway(seed, record, run.resources)
    try:
        await policy.open()
        run.begin()
        events.run_started(run.folder, None)
        memories = await replay_history(
            agents["usual"],
            prepared.environment,
            gateway,
            record,
            prepared.protocol.history,
            at_once,
        )
        matched = _with_popular_negatives(prepared.protocol, prepared.dataset, seed)
        panel = Panel(prepared.holdout, matched, prepared.environment.users, memories, seed)
        questions = [
            question
            for audit in prepared.audits
            for question in audit.questions(panel)
            if question.wording in agents
        ]
        answers = await ask_panel(panel, questions, agents, gateway, at_once)
        record.check()
        return panel, answers
    finally:
        record.flush()
        await policy.close()


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
