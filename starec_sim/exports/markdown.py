"""A run as one Markdown text: every question and answer of every visit, in order."""

from __future__ import annotations

import re
from pathlib import Path

from starec_sim.exports.visits import RecordedVisit, recorded_visits
from starec_sim.runs.reader import reading
from starec_sim.runs.whole_file import whole_file


def write_markdown(run: Path, file: Path) -> int:
    """Write the visits of a run, and return how many there are.

    Raises:
        RunError: The run cannot be read, or the file cannot be written.
    """
    count = 0
    with reading(run) as reader, whole_file(file) as out:
        out.write(f"# {run.name}\n")
        for visit in recorded_visits(reader):
            out.write(_visit(visit))
            count += 1
    return count


def _visit(visit: RecordedVisit) -> str:
    trial = visit.trial
    at = f"user {visit.user.id}, round {visit.round + 1}, arm {trial.arm}, seed {trial.seed}"
    parts = [f"\n## {' '.join(at.split())}\n"]
    for step in visit.steps:
        for turn in step.turns:
            parts.append(f"\n### step {step.step + 1}, {turn.node}, question {turn.attempt + 1}\n")
            for role, text in turn.messages:
                parts.append(f"\n{role}:\n\n{_fenced(text)}\n")
            parts.append(f"\n{turn.policy}:\n\n{_fenced(turn.completion or turn.failure)}\n")
        parts.append(f"\nGate: {'thought again' if step.verdict.slow else 'went on'}: ")
        parts.append(f"{step.verdict.reason}\n\nSummary:\n\n{_fenced(step.summary)}\n")
    return "".join(parts)


def _fenced(text: str) -> str:
    """Return a text between fences that are longer than any in the text."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"
