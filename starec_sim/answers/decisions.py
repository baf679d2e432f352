"""Reading decisions strictly: labels that were shown, each once, in the form that was asked for.

An answer is data from outside. Nothing is guessed: what cannot be read is counted by kind and
recorded with the decision.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from starec_sim.answers.findings import Findings, readable
from starec_sim.answers.labelling import LABEL, labels
from starec_sim.answers.parts import AnswerParts, Form, parts_of
from starec_sim.answers.tags import ACTIONS, NEXT, RANKING
from starec_sim.types import Action, Decision, Observation

_ACTION = re.compile(rf"({LABEL}): (?:(skip)|watch(?: ([1-5]))?)")


def read_decision(
    answer: str, observation: Observation, form: Form = "tags"
) -> tuple[Decision, Findings]:
    """Read a ranking or the actions on a page, whichever the observation asks for.

    Args:
        answer: The text of the policy.
        observation: What was shown.
        form: The form that was asked for.

    Returns:
        The decision, whose `flaws` count what is wrong with the answer, and the same in words.
        Candidates that the answer does not name stand last, in shown order; items without an
        action are skipped; a user who does not say clearly that she leaves stays.
    """
    findings = Findings()
    parts = parts_of(readable(answer, findings), form)
    read = _read_ranking if observation.task == "ranking" else _read_actions
    decision = read(parts, observation, findings)
    return replace(decision, flaws=dict(findings.counts)), findings


def _read_ranking(parts: AnswerParts, observation: Observation, findings: Findings) -> Decision:
    slate = observation.slate
    named = parts.labels(RANKING)
    order: list[int] = []
    if named is None:
        _no_part(parts.expected(RANKING), len(slate), findings)
    else:
        order = _known_once(named, len(slate), findings)
    rest = [position for position in range(len(slate)) if position not in order]
    return Decision(ranking=tuple(slate[position] for position in order + rest), read=len(order))


def _read_actions(parts: AnswerParts, observation: Observation, findings: Findings) -> Decision:
    slate = observation.slate
    lines = parts.lines(ACTIONS)
    action_at: dict[int, Action] = {}
    if lines is None:
        _no_part(parts.expected(ACTIONS), len(slate), findings)
    else:
        matches = [match for line in lines if (match := _ACTION.fullmatch(line))]
        bad = len(lines) - len(matches)
        findings.add("unparsed", bad, f'{bad} lines are neither "A: skip" nor "A: watch 4"')
        order = _known_once([match[1] for match in matches], len(slate), findings)
        first = {match[1]: match for match in reversed(matches)}
        shown = labels(len(slate))
        for position in order:
            match = first[shown[position]]
            rating = float(match[3]) if match[3] else None
            action_at[position] = Action(slate[position], watched=not match[2], rating=rating)
    following = parts.text(NEXT)
    if following not in ("stay", "leave"):
        findings.add("unparsed", 1, parts.expected(NEXT, "stay or leave"))
    actions = tuple(
        action_at.get(position, Action(item, watched=False)) for position, item in enumerate(slate)
    )
    return Decision(actions=actions, leave=following == "leave")


def _no_part(expected: str, count: int, findings: Findings) -> None:
    """Count a part that is not there: nothing of it is read, so all labels are missing."""
    findings.add("unparsed", 1, expected)
    findings.add("missing", count, "")


def _known_once(named: Sequence[str], count: int, findings: Findings) -> list[int]:
    """Return the positions that the labels name, each once; count what is wrong with the labels."""
    positions = {label: position for position, label in enumerate(labels(count))}
    known = [label for label in named if label in positions]
    order = [positions[label] for label in dict.fromkeys(known)]
    invented, duplicate = len(named) - len(known), len(known) - len(order)
    findings.add("invented", invented, f"{invented} labels are not on the list")
    findings.add("duplicate", duplicate, f"{duplicate} labels stand there more than once")
    read = set(order)
    gone = [label for label, position in positions.items() if position not in read]
    findings.add("missing", len(gone), f"labels are missing: {', '.join(gone)}")
    return order
