"""Reading decisions strictly: labels that were shown, each once, in the form that was asked for.

An answer is data from outside. Nothing is guessed: what cannot be read is counted by kind and
recorded with the decision.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from starec_sim.answers.findings import Findings, readable
from starec_sim.answers.labelling import LABEL, labels
from starec_sim.answers.parts import AnswerParts, Form, parts_of
from starec_sim.answers.tags import ACTIONS, NEXT, RANKING
from starec_sim.tasks import LEAVE, SKIP, STAY, Act, Task
from starec_sim.types import Action, Decision, Observation

_LABEL, _LONGEST = re.compile(LABEL), 3


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
    read = _read_ranking if observation.task.ranks else _read_actions
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
    slate, task = observation.slate, observation.task
    lines = parts.lines(ACTIONS)
    acts_at: dict[int, tuple[Act, ...]] = {}
    if lines is None:
        _no_part(parts.expected(ACTIONS), len(slate), findings)
    else:
        said = [line for text in lines if (line := _read_line(text, task))]
        bad = len(lines) - len(said)
        findings.add("unparsed", bad, f"{bad} lines are {_none_of(task)}")
        order = _known_once([label for label, _ in said], len(slate), findings)
        first = dict(reversed(said))
        shown = labels(len(slate))
        acts_at = {position: first[shown[position]] for position in sorted(order)}
        if any(kind.at_most is not None for kind in task.actions):
            acts_at = _within_limits(acts_at, task, findings)
    actions = tuple(
        Action(item, act.kind, act.value)
        for position, item in enumerate(slate)
        for act in acts_at.get(position, (Act(SKIP),))
    )
    following = parts.text(NEXT)
    move = None if following is None else task.read_move(following)
    if move is None:
        findings.add("unparsed", 1, parts.expected(NEXT, " or ".join(task.move_examples)))
    elif move.kind not in (STAY, LEAVE):
        return Decision(actions=actions, move=move)
    return Decision(actions=actions, leave=move is not None and move.kind == LEAVE)


def _read_line(line: str, task: Task) -> tuple[str, tuple[Act, ...]] | None:
    """Return the label of a line and what is done with its item; None in any other form."""
    label, separator, said = line.partition(": ")
    if not separator or len(label) > _LONGEST or not _LABEL.fullmatch(label):
        return None
    acts = task.read_acts(said)
    return None if acts is None else (label, acts)


def _none_of(task: Task) -> str:
    """Return in words what a line is not: one of the examples of its form."""
    examples = [f'"A: {example}"' for example in task.examples]
    neither = "neither" if len(examples) == 2 else "none of"
    return f"{neither} {', '.join(examples[:-1])} nor {examples[-1]}"


def _within_limits(
    acts_at: dict[int, tuple[Act, ...]], task: Task, findings: Findings
) -> dict[int, tuple[Act, ...]]:
    """Leave out actions that were done more often on the page than the task allows."""
    times: Counter[str] = Counter()
    kept: dict[int, tuple[Act, ...]] = {}
    for position, acts in acts_at.items():
        times.update(act.kind for act in acts)
        allowed = tuple(
            act for act in acts if times[act.kind] <= (task.kinds[act.kind].at_most or len(acts_at))
        )
        kept[position] = allowed or (Act(SKIP),)
    for kind in task.actions:
        if kind.at_most is not None and times[kind.name] > kind.at_most:
            over = times[kind.name] - kind.at_most
            note = f'"{kind.name}" can be done at most {kind.at_most} times on a page'
            findings.add("too many", over, note)
    return kept


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
