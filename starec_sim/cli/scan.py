"""`starec scan`."""

from __future__ import annotations

from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from starec_sim.cli.options import Answer, AsJson, AsMarkdown, RunArgument, RunsDir

if TYPE_CHECKING:
    from starec_sim.traces.scan import Finding, ScanResult

_SHOWN = 5
"""Findings of a rule that are printed; all that are kept are in the file."""


def scan(
    run: RunArgument,
    rules: Annotated[
        Path | None, typer.Argument(metavar="RULES", help="A YAML file; else the rules that ship.")
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    as_json: AsJson = False,
    as_md: AsMarkdown = False,
) -> Answer:
    """Look for what is wrong in a run: unread or copied answers, implausible users.

    The findings are written to findings.json beside the record.

    For example: starec scan latest
    """
    from starec_sim.cli.work_progress import work_progress
    from starec_sim.runs import folder
    from starec_sim.runs.reader import reading
    from starec_sim.traces import scan as traces
    from starec_sim.traces import values
    from starec_sim.traces.scan_rules import read_rules

    wanted = read_rules(rules)
    recorded = folder.find(run, runs_dir)
    with reading(recorded) as reader, work_progress():
        result = traces.scan(reader, wanted, f"{rules or 'rules.yaml'}: rules")
    saved = traces.save(result, recorded)
    if as_json:
        return {**values.as_json(result), "saved": None if saved is None else str(saved)}
    if as_md:
        print(_as_markdown(result))
    else:
        _print(result)
    if saved is None:
        typer.echo(f"note: {recorded} is read-only, so findings.json is not written", err=True)
    elif not as_md:
        what = "All findings" if result.kept_all else f"The first {traces.MOST_KEPT:,} of each rule"
        print(f"\n{what}: {saved}")
    return None


def _print(result: ScanResult) -> None:
    from rich.text import Text

    from starec_sim.cli.tables import grid
    from starec_sim.cli.text import runnable
    from starec_sim.cli.visible_console import console
    from starec_sim.visible_text import counted

    out = console()
    out.print(
        f"{result.run}: {counted(result.steps, 'step')}, {counted(len(result.rules), 'rule')}"
    )
    table = grid()
    for rule in result.rules:
        found = Text(f"{rule.found:,}" if rule.found else "–", "bold red" if rule.found else "dim")
        table.add_row(f"  {rule.rule}", found, Text(rule.note, "dim"))
    out.print(table)
    found_by = {rule.rule: rule.found for rule in result.rules}
    for name, findings in groupby(result.findings, key=lambda finding: finding.rule):
        out.print(f"\n{name}", style="bold")
        for finding in islice(findings, _SHOWN):
            out.print(f"  {_where(finding)}: {finding.what}", soft_wrap=True)
            out.print(f"    {runnable(finding.command)}", style="dim", soft_wrap=True)
        if found_by[name] > _SHOWN:
            out.print(f"  and {found_by[name] - _SHOWN:,} more", style="dim")


def _as_markdown(result: ScanResult) -> str:
    from starec_sim.cli.as_markdown import markdown_code, markdown_table, markdown_text

    found_by = {rule.rule: rule.found for rule in result.rules}
    rules = [[rule.rule, rule.found, rule.note] for rule in result.rules]
    lines = [f"# Findings in {markdown_text(result.run)}", ""]
    lines.append(markdown_table(["rule", "findings", "note"], rules))
    for name, findings in groupby(result.findings, key=lambda finding: finding.rule):
        lines += ["", f"## {markdown_text(name)}", ""]
        listed = list(findings)
        for finding in listed:
            lines.append(f"- {markdown_text(_where(finding))}: {markdown_text(finding.what)}")
            lines.append(f"  {markdown_code(finding.command)}")
        if found_by[name] > len(listed):
            lines += ["", f"And {found_by[name] - len(listed):,} more, which are not kept."]
    return "\n".join(lines)


def _where(finding: Finding) -> str:
    at = finding.at
    return f"{at.user}, round {at.round}, step {at.step}, {at.arm}, seed {at.seed}"
