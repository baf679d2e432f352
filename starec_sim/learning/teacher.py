"""The teacher of SFT: its answers are screened, and rejected ones are asked for again.

STARec (arXiv 2508.18812), stage 1: format check, required parts, NDCG; "prompt error + rethink".
The counts say how many answers were asked for, kept, kept after a second question, and rejected.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict  # that of Python 3.11 is refused by pydantic

from starec_sim.agent import Call, OpenAgent, Policies
from starec_sim.errors import LearningError
from starec_sim.learning.config import Sft
from starec_sim.learning.episodes import TrainingTrial
from starec_sim.learning.rewards import AnswerOutcome, counters
from starec_sim.learning.sealed_folders import put_bytes
from starec_sim.learning.sft import Sample, read_samples
from starec_sim.learning.training_run import TrainingRun, wait_for_all
from starec_sim.learning.trials import TEACHER_TRIAL
from starec_sim.runs.attempts import RETHINK
from starec_sim.runs.compression import MAX_ROLLOUTS
from starec_sim.runs.record_errors import readable_errors
from starec_sim.runs.regular_file import read_bytes
from starec_sim.runs.stored_values import Count, StoredType
from starec_sim.types import CallKey, ExpectedAnswer, Messages, Node, Step, Turn, Visit

_REMEDIES = {
    "form": "take a teacher that follows the form, or raise train.sft.rethink",
    "no reasoning": "take a teacher that writes its reasons, e.g. train.sft.teacher=reasoner; "
    "`lexical` writes none about items of which the user knows nothing yet",
    "no polarity": "change train.sft.keywords, or take a teacher that writes them",
    "low NDCG": "lower train.sft.min_ndcg, or raise train.sft.rethink",
    "cut by max_tokens": "raise max_tokens of train.sft.teacher",
}
"""What to do where most answers were rejected for a reason."""


class _StoredRound(TypedDict):
    samples: list[Sample]
    counts: dict[str, dict[str, Count]]


_ROUND = StoredType[_StoredRound]("samples", _StoredRound)


@dataclass
class ScreeningCounts:
    """How many of the teacher's answers were asked for, kept and rejected, by node."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    """`asked`, `kept at once`, `kept after rethinking`, and `rejected: reason`."""

    def add(self, node: str, what: str) -> None:
        """Add one to a count."""
        self.counts.setdefault(node, Counter())[what] += 1

    @classmethod
    def sum(cls, many: Iterable[ScreeningCounts]) -> ScreeningCounts:
        """Return the sum of several counts."""
        total = cls()
        for each in many:
            for node, counts in each.counts.items():
                total.counts.setdefault(node, Counter()).update(counts)
        return total

    def rows(self) -> list[tuple[str, str, int]]:
        """Return (node, outcome, count), rejections last."""
        return [
            (node, what, counts[what])
            for node, counts in sorted(self.counts.items())
            for what in sorted(counts, key=lambda what: (what.startswith("rejected"), what))
        ]


class TeacherCollector:
    """Plays visits with a teacher and keeps those of its answers that pass; implements `Agent`.

    Args:
        agent: Plays the users.
        sft: Says which answers pass, and how often a rejected one is asked for again.
    """

    def __init__(self, agent: OpenAgent, sft: Sft) -> None:
        self.history_limit = agent.history_limit
        self._counts = ScreeningCounts()
        self._agent = agent
        self._sft = sft
        self._kept: dict[int, list[Sample]] = {}

    def prompts(self) -> Mapping[str, str]:
        """Return the prompt templates of the agent."""
        return self._agent.prompts()

    def take(self) -> tuple[list[Sample], ScreeningCounts]:
        """End the round: return what was kept, in order of user, and the counts."""
        kept = [sample for user in sorted(self._kept) for sample in self._kept[user]]
        counts, self._counts, self._kept = self._counts, ScreeningCounts(), {}
        return kept, counts

    async def visit(self, call: Call) -> Visit:
        """Play a visit with the first answers of the teacher, whether they pass or not."""
        policies = _TeacherPolicies(call.policies)
        call = replace(call, policies=policies)
        visit = await self._agent.visit(call)
        kept: list[Sample] = []
        for number, step in enumerate(visit.steps):
            for turn in step.turns:
                if turn.attempt == 0 and turn.node in self._sft.nodes and not turn.failure:
                    before = visit.steps[:number]
                    sample = await self._screened(call, policies, before, step, turn)
                    kept += [sample] if sample else []
        self._kept[call.user] = kept
        return visit

    async def _screened(
        self,
        call: Call,
        policies: _TeacherPolicies,
        before: tuple[Step, ...],
        step: Step,
        turn: Turn,
    ) -> Sample | None:
        node, asked = turn.node, turn.messages
        self._counts.add(node, "asked")
        for tries in range(self._sft.rethink + 1):
            answer = turn.completion
            reason, problem = self._judge(call, before, step, node, answer)
            if not reason:
                self._counts.add(node, "kept after rethinking" if tries else "kept at once")
                return Sample(node, asked, answer, tries + 1)
            if turn.ending == "length":
                reason = "cut by max_tokens"  # and so would the next answer be
                break
            if tries < self._sft.rethink:
                turn = await policies.ask(
                    call.key(len(before), node, RETHINK + tries),
                    self._agent.rethink(asked, answer, problem),
                    expected=policies.expected.get((len(before), node)),
                )
        self._counts.add(node, f"rejected: {reason}")
        return None

    def _judge(
        self, call: Call, before: tuple[Step, ...], step: Step, node: Node, answer: str
    ) -> tuple[str, str]:
        """Return the reason of a rejection, and words for the teacher; both empty if it passes."""
        if node == "slow":
            summary, problem = self._agent.summary(call, answer)
            decision = feedback = None
        else:
            decision, problem = self._agent.decision(call, answer, step.observation)
            feedback = call.environment.respond(call.user, before, step.observation, decision)
        outcome = AnswerOutcome(node, answer, not problem, step.observation, decision, feedback)
        if problem:
            return "form", problem
        if counters(outcome, 0)["empty"]:
            return "no reasoning", "there is no reasoning between <think> and </think>"
        if node == "slow":
            if self._sft.keywords and not any(
                word in (summary or "") for word in self._sft.keywords
            ):
                wanted = " or ".join(f'"{word}"' for word in self._sft.keywords)
                return "no polarity", f"the summary says of no attribute that it is {wanted}"
            return "", ""
        gain = feedback.reward.get("ndcg") if feedback is not None else None
        if gain is not None and gain < self._sft.min_ndcg and decision is not None and feedback:
            # The rank and not the label: the teacher must find the item by reasoning.
            rank = decision.rank_of(feedback.target) if feedback.target is not None else None
            return "low NDCG", (
                f"what was really chosen stood at rank {rank} of {len(step.observation.slate)}; "
                "think again about what speaks for and against each"
            )
        return "", ""


class _TeacherPolicies:
    """Policies that are asked for tags, never for JSON: the policy that learns writes tags."""

    def __init__(self, policies: Policies) -> None:
        self._policies = policies
        self.expected: dict[tuple[int, Node], ExpectedAnswer | None] = {}
        """The answer that was expected last, by step and node."""

    def structured(self, node: Node) -> bool:
        return False

    async def ask(
        self,
        key: CallKey,
        messages: Messages,
        schema: Mapping[str, Any] | None = None,
        expected: ExpectedAnswer | None = None,
    ) -> Turn:
        self.expected[key.step, key.node] = expected
        return await self._policies.ask(key, messages, schema, expected)


def save_samples(path: Path, samples: Sequence[Sample], counts: ScreeningCounts) -> None:
    """Write what was kept of one round."""
    values = {"samples": [sample.as_json() for sample in samples], "counts": counts.counts}
    put_bytes(path, json.dumps(values, ensure_ascii=False).encode())


def load_samples(path: Path) -> tuple[list[Sample], ScreeningCounts]:
    """Return what was kept of one round.

    Raises:
        RunError: The file is damaged.
    """
    with readable_errors(path):
        stored = _ROUND.from_json(read_bytes(path, MAX_ROLLOUTS))
    counts = {node: Counter(counts) for node, counts in stored["counts"].items()}
    return stored["samples"], ScreeningCounts(counts)


def none_passed(counts: ScreeningCounts) -> LearningError:
    """Return the error of a teacher none of whose answers passed; the hint is about what it lacks.

    >>> counts = ScreeningCounts({"fast": Counter({"asked": 9, "rejected: form": 9})})
    >>> none_passed(counts).hint
    'take a teacher that follows the form, or raise train.sft.rethink'
    """
    rows = [row for row in counts.rows() if row[1].startswith("rejected")]
    most = max(rows, key=lambda row: row[2], default=("", "", 0))[1].removeprefix("rejected: ")
    said = ", ".join(f"{count} {node} {what}" for node, what, count in counts.rows())
    return LearningError(
        f"none of the teacher's answers passed the screening: {said or 'none was asked for'}",
        hint=_REMEDIES.get(most, "raise train.sft.users or train.sft.rounds"),
    )


async def samples_of(run: TrainingRun, sft: Sft) -> list[Sample]:
    """Return the samples to imitate: those of a file, or those that a teacher writes for it.

    Raises:
        LearningError: None of the teacher's answers passed.
    """
    folder = run.store.folder / "sft"
    if sft.samples is not None:
        copy = folder / "samples.jsonl"
        if run.players is not None and not copy.is_file():
            # A resumed training learns from the samples it began with.
            read_samples(sft.samples)
            put_bytes(copy, sft.samples.read_bytes())
        wait_for_all()
        return read_samples(copy)
    files = [folder / f"{round:03d}.json" for round in range(sft.rounds)]
    if not all(file.is_file() for file in files):
        await _ask_teacher(run, sft, files)
    wait_for_all()
    rounds = [load_samples(file) for file in files]
    counts = ScreeningCounts.sum(of_round for _, of_round in rounds)
    run.events.samples_screened(counts.rows())
    samples = [sample for of_round, _ in rounds for sample in of_round]
    if not samples:
        raise none_passed(counts)
    return samples


async def _ask_teacher(run: TrainingRun, sft: Sft, files: Sequence[Path]) -> None:
    """Let the teacher play `sft.rounds` rounds; write what passes, a file for each round."""
    if run.players is None or run.players.teacher is None or run.trials is None:
        return
    collector = TeacherCollector(run.split.agent, sft)
    users = run.split.drawn(sft.users, 0, "anchor users")
    trial = TrainingTrial(TEACHER_TRIAL, "teacher", run.experiment.seed, users)
    teacher = run.players.teacher
    simulation = run.trials.open(trial, collector, {"fast": teacher, "slow": teacher})
    while simulation.rounds < sft.rounds:
        played = await simulation.play_round()
        save_samples(files[played.round], *collector.take())
        simulation.commit(played)
