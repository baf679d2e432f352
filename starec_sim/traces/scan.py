"""Scan a run for what looks wrong, and keep the findings beside its record."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from starec_sim.progress import report_progress
from starec_sim.runs.atomic_file import write_atomically
from starec_sim.runs.reader import Reader, RecordedTrial
from starec_sim.runs.scan_rows import ScannedStep, count_steps, scanned_steps
from starec_sim.traces.commands import why_command
from starec_sim.traces.scan_checks import Seen, check_of
from starec_sim.traces.scan_model import ScanQuestion, ask_model
from starec_sim.traces.scan_rules import ModelRule, Rule
from starec_sim.traces.values import StepAddress, as_json

FINDINGS = "findings.json"
MOST_KEPT = 1_000
"""Findings of one rule that are kept; all are counted."""
_REPORTED = 1_000
"""Steps between two reports of progress."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found about one user in one trial."""

    rule: str
    at: StepAddress
    """The first step that shows it; of a count over all steps the last."""
    times: int
    what: str
    command: str
    """Shows the step."""


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What a rule found altogether."""

    rule: str
    kind: str
    found: int
    """Users with a finding, each counted once in each trial; of a model steps."""
    note: str
    """What a reader has to know of this rule: calls made, answers not read, a spent budget."""


@dataclass(frozen=True, slots=True)
class ScanResult:
    """The findings of a scan."""

    run: str
    steps: int
    """Steps that were looked at."""
    rules: tuple[RuleResult, ...]
    findings: tuple[Finding, ...]
    """By rule, at most 1,000 of each: those that were found first."""

    @property
    def kept_all(self) -> bool:
        """Whether there is no further finding."""
        return sum(rule.found for rule in self.rules) == len(self.findings)


def scan(reader: Reader, rules: Sequence[Rule], at: str = "rules") -> ScanResult:
    """Return the findings of some rules in a run.

    Args:
        reader: The record.
        rules: The rules.
        at: Where the rules stand, for messages.

    Raises:
        StarecError: The record cannot be read, or the policy of a rule cannot be built.
    """
    reader.require("decisions", "`starec scan`")
    for rule in rules:
        if isinstance(rule, ModelRule):
            reader.require("everything", f'the rule "{rule.name}" of `starec scan`')
    scanner = _Scanner(reader, [rule for rule in rules if not isinstance(rule, ModelRule)])
    models = {rule.name: rule for rule in rules if isinstance(rule, ModelRule)}
    scanner.run([rule.sample for rule in models.values()])
    results = []
    for number, rule in enumerate(rules):
        if isinstance(rule, ModelRule):
            questions = scanner.samples[list(models).index(rule.name)]
            results.append(_ask(scanner, rule, questions, f"{at}[{number}]"))
        else:
            results.append(
                RuleResult(rule.name, rule.kind, scanner.found[rule.name], _note(reader, rule))
            )
    order = [rule.name for rule in rules]
    findings = sorted(scanner.findings, key=lambda finding: order.index(finding.rule))
    return ScanResult(reader.path.parent.name, scanner.steps, tuple(results), tuple(findings))


def _note(reader: Reader, rule: Rule) -> str:
    """Return why a rule finds nothing, if the record does not keep what it looks at."""
    if rule.kind == "same-answer" and reader.level != "everything":
        return f"not checked: the record keeps no answers ({reader.level_words})"
    return ""


def save(result: ScanResult, folder: Path) -> Path | None:
    """Write the findings beside the record; return the file, or None in a read-only folder."""
    path = folder / FINDINGS
    values = {"schema_version": 1, **as_json(result)}
    try:
        write_atomically(path, json.dumps(values, indent=1, ensure_ascii=False) + "\n")
    except OSError:
        return None
    return path


class _Scanner:
    """Reads each trial once for all rules."""

    def __init__(self, reader: Reader, rules: Sequence[Rule]) -> None:
        self.reader = reader
        self._rules = rules
        self.steps = 0
        self.found = {rule.name: 0 for rule in rules}
        self.findings: list[Finding] = []
        self.samples: list[list[ScanQuestion]] = []

    def run(self, samples: Sequence[int]) -> None:
        """Scan all trials; `samples` are the numbers of steps that each model is asked about."""
        trials = self.reader.trials()
        total = sum(count_steps(self.reader, trial) for trial in trials)
        wanted = [_spread(total, count) for count in samples]
        self.samples = [[] for _ in samples]
        for trial in trials:
            checks = [(rule, check_of(rule, self.reader, trial)) for rule in self._rules]
            for step in scanned_steps(self.reader, trial):
                for _, check in checks:
                    check.see(step)
                for questions, chosen in zip(self.samples, wanted, strict=True):
                    if self.steps in chosen:
                        questions.append(ScanQuestion(trial, step))
                self.steps += 1
                if self.steps % _REPORTED == 0 or self.steps == total:
                    report_progress("scanning, step", self.steps, total)
            for rule, check in checks:
                for seen in check.found():
                    self.add(rule, trial, seen, seen.times, seen.what)

    def add(
        self, rule: Rule, trial: RecordedTrial, where: Seen | ScannedStep, times: int, what: str
    ) -> None:
        """Count a finding, and keep it if there is room."""
        self.found[rule.name] = self.found.get(rule.name, 0) + 1
        if self.found[rule.name] <= MOST_KEPT:
            user = self.reader.user_at(trial, where.user)
            at = StepAddress(trial.arm, trial.seed, user, where.round + 1, where.step + 1)
            command = why_command(self.reader.path.parent, at)
            self.findings.append(Finding(rule.name, at, times, what, command))


def _spread(total: int, count: int) -> frozenset[int]:
    """Return the numbers of `count` steps of `total`, evenly apart.

    >>> sorted(_spread(10, 3))
    [1, 5, 8]
    """
    count = min(count, total)
    return frozenset(int((n + 0.5) * total / count) for n in range(count))


def _ask(scanner: _Scanner, rule: ModelRule, questions: list[ScanQuestion], at: str) -> RuleResult:
    """Ask the model of a rule, add its findings, and return their count."""
    opinions = ask_model(scanner.reader, rule, questions, at)
    for opinion in opinions.found:
        trial, step = opinion.question
        scanner.add(rule, trial, step, 1, opinion.reason or "the model says yes")
    notes = [f"{opinions.asked} of {len(questions)} steps asked about"]
    if opinions.unread:
        notes.append(
            f"{opinions.unread} answers are neither yes nor no, or failed; the first: "
            f'"{opinions.first_unread}"; ask a larger model, or ask more plainly'
        )
    if opinions.stopped:
        notes.append(opinions.stopped)
    found = scanner.found.get(rule.name, 0)
    return RuleResult(rule.name, rule.kind, found, "; ".join(notes))
