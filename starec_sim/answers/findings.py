"""What is wrong with an answer, counted by kind, and in words for the repair call."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

MAX_ANSWER = 64_000
"""Characters of an answer that are read; a longer answer is a flaw in itself."""


@dataclass
class Findings:
    """What is wrong with an answer. Empty for a clean one."""

    counts: Counter[str] = field(default_factory=Counter)
    """By kind: `missing` (all labels where their part cannot be read), `duplicate`, `invented`,
    `unparsed`, `overlong`."""
    notes: list[str] = field(default_factory=list)
    """In words, for the repair call."""

    def add(self, kind: str, count: int, note: str) -> None:
        """Count flaws of a kind and keep the note, if any; a count of 0 changes nothing."""
        if count:
            self.counts[kind] += count
            if note:
                self.notes.append(note)

    def __str__(self) -> str:
        return "; ".join(self.notes)


def readable(answer: str, findings: Findings) -> str:
    """Return the part of an answer that is read; a longer answer is counted as `overlong`."""
    findings.add("overlong", len(answer) > MAX_ANSWER, f"it is longer than {MAX_ANSWER} characters")
    return answer[:MAX_ANSWER]
