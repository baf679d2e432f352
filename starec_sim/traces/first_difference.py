"""Find where two trials part: the first round with another digest, and in it the first step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from starec_sim.answers import outcome
from starec_sim.population.kinds import KIND
from starec_sim.runs.comparable_steps import (
    ComparableStep,
    ComparableSteps,
    ComparableTurn,
    RecordedWorld,
    StoredStep,
    read_world,
    round_digests,
)
from starec_sim.runs.reader import Reader, RecordedTrial
from starec_sim.tasks import FEED
from starec_sim.traces.values import StepAddress
from starec_sim.types import Action, Decision, Experience, Feedback

Part = Literal["step", "observation", "prompt", "answer", "decision", "feedback", "gate", "memory"]
"""The parts of a step, in the order in which they come about; `step` if one side lacks it."""
_CONTEXT, _SHOWN = 1, 6
"""Lines before the first one that differs, and lines that are shown altogether."""
_LONGEST = 400
"""Characters of a line that are shown."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A part of a step in which two trials differ."""

    at: StepAddress
    """On the first side."""
    part: Part
    node: str
    """The node that was asked, for a prompt or an answer; else empty."""
    a: str
    """What is different on the first side; of a long text the lines around the difference."""
    b: str
    a_has_user: bool
    """Whether the first side has this user."""
    b_has_user: bool


@dataclass(frozen=True, slots=True)
class ComparedStep:
    """Whether a step is the same on both sides."""

    at: StepAddress
    same: bool
    parts: tuple[Part, ...]
    """The parts that differ."""


class TrialPair:
    """Two trials that are compared step by step; users and items are matched by their ids.

    Args:
        a: The record of the first trial.
        trial_a: The first trial.
        b: The record of the second trial.
        trial_b: The second trial.
    """

    def __init__(
        self, a: Reader, trial_a: RecordedTrial, b: Reader, trial_b: RecordedTrial
    ) -> None:
        self._sides = (a, trial_a), (b, trial_b)
        self._trial = trial_a
        self._rounds = min(trial_a.rounds, trial_b.rounds)
        self.worlds = read_world(a, trial_a), read_world(b, trial_b)
        self.common = self._common_users()
        """Ids of the users that both sides have."""
        self._digests = round_digests(a, trial_a), round_digests(b, trial_b)
        world_a, world_b = self.worlds
        self._items = list(world_a.items)
        self._same_items = world_a.items == world_b.items
        number = None if self._same_items else self._rows_in_a(world_b)
        kept = a.level == b.level == "everything"
        self._a = ComparableSteps(a, trial_a, world_a.users, with_turns=kept)
        self._b = ComparableSteps(b, trial_b, world_b.users, number, with_turns=kept)

    def _common_users(self) -> frozenset[str]:
        """Return the ids that both sides have; none if most of them name other people there.

        Two generated worlds, or two datasets, can use the same ids for other people. Their
        profiles tell, where there are any.
        """
        world_a, world_b = self.worlds
        common = frozenset(world_a.users) & frozenset(world_b.users)
        if world_a.digest == world_b.digest:
            return common
        of_a, of_b = (
            {user.id: user.profile for _, user in reader.users(trial) if user.id in common}
            for reader, trial in self._sides
        )
        others = sum(_contradict(of_a[user], of_b[user]) for user in common)
        return frozenset() if 2 * others > len(common) else common

    def _rows_in_a(self, other: RecordedWorld) -> list[int]:
        """Return the row of each item of the other world; items that are new get new rows."""
        rows = {item: row for row, item in enumerate(self._items)}
        for item in other.items:
            if item not in rows:
                rows[item] = len(self._items)
                self._items.append(item)
        return [rows[item] for item in other.items]

    def first(self) -> Difference | None:
        """Return the first difference; None if all common rounds are the same.

        Users of one side alone are passed over if there are users of both.
        """
        for round in self._rounds_that_differ():
            a, b = self._a.round(round), self._b.round(round)
            for key in [*a, *(key for key in b if key not in a)]:
                passed_over = self.common and key[0] not in self.common
                if not passed_over and self._may_differ(a.get(key), b.get(key)):
                    step_a, step_b = self._a.decoded(a.get(key)), self._b.decoded(b.get(key))
                    parts = _parts(step_a, step_b)
                    if parts:
                        user, step = key
                        at = self._at(user, round, step)
                        return self._difference(at, step_a, step_b, parts[0])
        return None

    def _may_differ(self, a: StoredStep | None, b: StoredStep | None) -> bool:
        """Return whether two steps must be decoded, which takes most of the time of a comparison.

        Steps that are stored alike are the same, unless their items have other rows.
        """
        return a != b or not self._same_items

    def of_user(self, user: str) -> Iterator[ComparedStep]:
        """Yield all steps of a user in the common rounds.

        Raises:
            RunError: One of the trials has no such user.
        """
        row_a, row_b = (reader.user(trial, user)[0] for reader, trial in self._sides)
        for round in range(self._rounds):
            a, b = self._a.round(round, row_a), self._b.round(round, row_b)
            for key in sorted({*a, *b}):
                parts = _parts(self._a.decoded(a.get(key)), self._b.decoded(b.get(key)))
                yield ComparedStep(self._at(user, round, key[1]), not parts, tuple(parts))

    def _rounds_that_differ(self) -> range:
        """Return the rounds from the first with another digest on.

        A digest covers the rounds before it as well. It covers the names of policies too, so the
        decisions of a round with another digest can be the same.
        """
        pairs = zip(*self._digests, strict=False)
        same = next((n for n, (a, b) in enumerate(pairs) if a != b), self._rounds)
        return range(same, self._rounds)

    def _at(self, user: str, round: int, step: int) -> StepAddress:
        return StepAddress(self._trial.arm, self._trial.seed, user, round + 1, step + 1)

    def _difference(
        self, at: StepAddress, a: ComparableStep | None, b: ComparableStep | None, part: Part
    ) -> Difference:
        has_user = [at.user in world.users for world in self.worlds]
        if a is None or b is None:
            said_a, said_b = (
                "there is such a step" if each else "no such step" if there else "no such user"
                for each, there in zip((a, b), has_user, strict=True)
            )
            return Difference(at, part, "", said_a, said_b, *has_user)
        node = ""
        if part in ("prompt", "answer"):
            node, text_a, text_b = self._texts_of_turns(a, b, part)
        elif part == "memory":
            text_a, text_b = self._a.text(a.summary), self._b.text(b.summary)
        else:
            text_a, text_b = self._said(a, part), self._said(b, part)
        return Difference(at, part, node, *_around(text_a, text_b), *has_user)

    def _texts_of_turns(
        self, a: ComparableStep, b: ComparableStep, part: Part
    ) -> tuple[str, str, str]:
        """Return the node and both texts of the first call that differs."""
        for turn_a, turn_b in _pairs(a, b):
            node = (turn_a or turn_b or a.turns[0]).node
            if turn_a is None or turn_b is None:
                a_said, b_said = (
                    "no such call" if turn is None else "a call" for turn in (turn_a, turn_b)
                )
                return node, a_said, b_said
            if part == "prompt" and turn_a.prompt != turn_b.prompt:
                return node, _prompt(turn_a, self._a), _prompt(turn_b, self._b)
            if part == "answer" and turn_a.answer != turn_b.answer:
                return node, self._a.text(turn_a.answer), self._b.text(turn_b.answer)
        raise AssertionError("the turns are the same")

    def _said(self, step: ComparableStep, part: Part) -> str:
        if part == "observation":
            shown = step.observation
            return f"page {shown.page}: {', '.join(self._items[item] for item in shown.slate)}"
        if part == "decision":
            return _decision(step.decision, self._items)
        if part == "gate":
            slow, reason = step.gate
            return f"{'thinks again' if slow else 'goes on'}: {reason}"
        return _feedback(step.feedback, self._items)


def _contradict(a: Mapping[str, object], b: Mapping[str, object]) -> bool:
    """Return whether a trait that two profiles have differs; her kind belongs to the run.

    >>> _contradict({"age": "31", "gender": "F"}, {"age": "31"})
    False
    """
    return any(a[trait] != b[trait] for trait in a.keys() & b.keys() if trait != KIND)


def _parts(a: ComparableStep | None, b: ComparableStep | None) -> list[Part]:
    """Return the parts in which two steps differ, in the order in which they come about."""
    if a == b:
        return []
    if a is None or b is None:
        return ["step"]
    parts: dict[Part, bool] = {"observation": a.observation != b.observation}
    for turn_a, turn_b in _pairs(a, b, "fast"):
        _compare_turns(turn_a, turn_b, parts)
    parts["decision"] = a.decision != b.decision
    parts["feedback"] = a.feedback != b.feedback
    parts["gate"] = a.gate[0] != b.gate[0]  # its reason is words about the same decision
    for turn_a, turn_b in _pairs(a, b, "slow"):
        _compare_turns(turn_a, turn_b, parts)
    parts["memory"] = a.summary != b.summary
    return [part for part, differs in parts.items() if differs]


def _compare_turns(
    a: ComparableTurn | None, b: ComparableTurn | None, parts: dict[Part, bool]
) -> None:
    if a is None or b is None:
        parts["prompt"] = True
        return
    if a.prompt != b.prompt:
        parts["prompt"] = True
    if a.answer != b.answer:
        parts["answer"] = True


def _pairs(
    a: ComparableStep, b: ComparableStep, node: str | None = None
) -> list[tuple[ComparableTurn | None, ComparableTurn | None]]:
    """Return the calls of two steps in pairs; None where one step lacks a call."""
    calls_a, calls_b = (
        {(t.node, t.attempt): t for t in step.turns if node in (None, t.node)} for step in (a, b)
    )
    return [(calls_a.get(key), calls_b.get(key)) for key in sorted({*calls_a, *calls_b})]


def _prompt(turn: ComparableTurn, steps: ComparableSteps) -> str:
    return "\n".join(f"{role}:\n{steps.text(text)}" for role, text in turn.prompt)


def _decision(decision: Decision, items: list[str]) -> str:
    if decision.actions:
        done = [items[action.item] + _act(action) for action in decision.actions if action.done]
        said = f"chooses {', '.join(done) or 'nothing'}, and {_stays(decision)}"
    else:
        said = f"ranks {', '.join(items[item] for item in decision.ranking[: decision.read])}"
    flaws = ", ".join(f"{kind} {count}" for kind, count in decision.flaws.items())
    return f"{said}{f'; flaws: {flaws}' if flaws else ''}{'; repaired' * decision.repaired}"


def _stays(decision: Decision) -> str:
    if decision.move is not None:
        kind, value = decision.move
        return kind if value is None else f"{kind} {value}"
    return "leaves" if decision.leave else "stays"


def _act(action: Action) -> str:
    """Return what was done with an item; a watched one has the stars that she expects."""
    watch, value = FEED.actions[0].name, action.value
    number = f"{value:g}" if isinstance(value, float) else value or ""
    said = str(number) if action.kind == watch else f"{action.kind} {number}".strip()
    return f" ({said})" if said else ""


def _feedback(feedback: Feedback, items: list[str]) -> str:
    parts = [f"{items[e.item]} {_turned_out(e)} ({e.source})" for e in feedback.experiences]
    if feedback.target is not None:
        parts.append(f"chosen {items[feedback.target]}")
    parts += [f"{name} {value:g}" for name, value in feedback.reward.items()]
    return "; ".join([*parts, f"ending {feedback.ending or 'none'}"])


def _around(a: str, b: str) -> tuple[str, str]:
    """Return the lines of two texts around the first that differs."""
    lines_a, lines_b = a.splitlines(), b.splitlines()
    pairs = zip(lines_a, lines_b, strict=False)
    first = next(
        (n for n, (one, other) in enumerate(pairs) if one != other), min(len(lines_a), len(lines_b))
    )
    start = max(0, first - _CONTEXT)
    return _excerpt(lines_a, start), _excerpt(lines_b, start)


def _excerpt(lines: list[str], start: int) -> str:
    shown = [line[:_LONGEST] for line in lines[start : start + _SHOWN]]
    before, after = ["…"] * (start > 0), ["…"] * (start + _SHOWN < len(lines))
    return "\n".join([*before, *shown, *after])


def _turned_out(experience: Experience) -> str:
    return outcome(experience) if experience.rating is None else f"{experience.rating:g} stars"
