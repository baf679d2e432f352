"""Reading answers strictly: labels that were shown, each once, in the form that was asked for.

Text from a model is data from outside. Nothing is guessed: what cannot be read is counted by kind
and recorded with the decision. Tags and JSON are read alike.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace

from starec_agents.star.answers import Answer, take_apart
from starec_agents.star.forms import Form
from starec_agents.star.prompting import CHARACTERS_A_WORD, label, labels
from starec_sim.types import Action, Decision, Observation

MAX_ANSWER = 64_000
"""Characters of an answer that are read; a longer one is a flaw by itself."""

_ACTION = re.compile(r"([A-Z]{1,3}): (?:(skip)|watch(?: ([1-5]))?)")


@dataclass
class Findings:
    """What is wrong with an answer."""

    counts: Counter[str] = field(default_factory=Counter)
    """By kind: `missing` (all labels where their block cannot be read), `duplicate`, `invented`,
    `unparsed`, `overlong`."""
    notes: list[str] = field(default_factory=list)
    """For the repair call, in words."""

    def add(self, kind: str, count: int, note: str) -> None:
        """Count flaws of a kind, and say so unless the note is empty; no flaws, no note."""
        if count:
            self.counts[kind] += count
            if note:
                self.notes.append(note)

    def __str__(self) -> str:
        return "; ".join(self.notes)


def read_decision(
    text: str, observation: Observation, form: Form = "tags"
) -> tuple[Decision, Findings]:
    """Read a decision; what is wrong with the answer stands in the findings and in its flaws."""
    findings = Findings()
    findings.add("overlong", len(text) > MAX_ANSWER, f"it is longer than {MAX_ANSWER} characters")
    read = _read_ranking if observation.task == "ranking" else _read_actions
    decision = read(take_apart(text[:MAX_ANSWER], form), observation, findings)
    return replace(decision, flaws=dict(findings.counts)), findings


def read_summary(
    text: str, limit: int, form: Form = "tags", part: str = "preferences"
) -> tuple[str | None, Findings]:
    """Read a preference summary of at most `limit` words, and 40 characters a word.

    Args:
        text: The answer.
        limit: Words that are kept.
        form: In which it was asked for.
        part: What the text is called in the answer.

    Returns:
        The summary, cut to the limit when it is longer; None when the answer holds none.
    """
    findings, told = Findings(), "summary" if part == "preferences" else part
    answer = take_apart(text[:MAX_ANSWER], form)
    content = answer.text(part)
    if not content:
        findings.add("unparsed", 1, answer.wanted(part))
        return None, findings
    ends = [match.end() for match in re.finditer(r"\S+", content)]
    if len(ends) > limit:
        findings.add("overlong", 1, f"the {told} has {len(ends)} words, not at most {limit}")
        content = content[: ends[limit - 1]]
    most = limit * CHARACTERS_A_WORD
    if len(content) > most:
        findings.add("overlong", 1, f"the {told} is longer than {most} characters")
        content = content[:most].rstrip()
    return content, findings


def _read_ranking(answer: Answer, observation: Observation, findings: Findings) -> Decision:
    slate = observation.slate
    marks = answer.marks("ranking")
    order: list[int] = []
    if marks is None:
        findings.add("unparsed", 1, answer.wanted("ranking"))
        findings.add("missing", len(slate), "")
    else:
        order = _known_once(marks, len(slate), findings)
    rest = [place for place in range(len(slate)) if place not in order]
    return Decision(ranking=tuple(slate[place] for place in order + rest), read=len(order))


def _read_actions(answer: Answer, observation: Observation, findings: Findings) -> Decision:
    slate = observation.slate
    lines = answer.lines("actions")
    done: dict[int, Action] = {}
    if lines is None:
        findings.add("unparsed", 1, answer.wanted("actions"))
        findings.add("missing", len(slate), "")
    else:
        found = [match for line in lines if (match := _ACTION.fullmatch(line))]
        bad = len(lines) - len(found)
        findings.add("unparsed", bad, f'{bad} lines are neither "A: skip" nor "A: watch 4"')
        order = _known_once([match[1] for match in found], len(slate), findings)
        first = {match[1]: match for match in reversed(found)}
        for place in order:
            match = first[label(place)]
            rating = float(match[3]) if match[3] else None
            done[place] = Action(slate[place], watched=not match[2], rating=rating)
    following = answer.text("next")
    if following not in ("stay", "leave"):
        findings.add("unparsed", 1, answer.wanted("next", "stay or leave"))
    actions = tuple(
        done.get(place, Action(item, watched=False)) for place, item in enumerate(slate)
    )
    return Decision(actions=actions, leave=following == "leave")


def _known_once(marks: list[str], count: int, findings: Findings) -> list[int]:
    """Return the places that the labels name, each once; count what is wrong with the labels."""
    place = {mark: index for index, mark in enumerate(labels(count))}
    known = [mark for mark in marks if mark in place]
    order = [place[mark] for mark in dict.fromkeys(known)]
    invented, duplicate = len(marks) - len(known), len(known) - len(order)
    findings.add("invented", invented, f"{invented} labels are not on the list")
    findings.add("duplicate", duplicate, f"{duplicate} labels stand there more than once")
    gone = [mark for mark, index in place.items() if index not in order]
    findings.add("missing", len(gone), f"labels are missing: {', '.join(gone)}")
    return order
