"""Anchoring: a teacher's answers, screened, and sent back with their error named when they fail.

STARec (arXiv 2508.18812), stage 1: format check, required parts, NDCG; "prompt error + rethink".
What was asked, kept, repaired and rejected is counted by reason: the funnel is part of the result.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from starec_sim.agent import Call, OpenAgent, Policies
from starec_sim.errors import DataError, RunError
from starec_sim.learning.packing import TrainingRow
from starec_sim.learning.rewards import Outcome, counters
from starec_sim.learning.rows import Row
from starec_sim.types import Messages, Node, Step, Turn, Visit

RETHINK = 200
"""The attempt from which rethinking is counted, see `starec_sim.learning.rollouts`."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A question and the answer to imitate."""

    node: Node
    messages: Messages
    answer: str
    tries: int = 1
    """How many answers it took."""

    def as_json(self) -> dict[str, Any]:
        """Return the sample as JSON values."""
        return {
            "node": self.node,
            "messages": [list(pair) for pair in self.messages],
            "answer": self.answer,
            "tries": self.tries,
        }


@dataclass
class Funnel:
    """What became of a teacher's answers, by node."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    """`asked`, `kept at once`, `kept after rethinking`, and `rejected: reason`."""

    def add(self, node: str, what: str) -> None:
        """Count one."""
        self.counts.setdefault(node, Counter())[what] += 1

    @classmethod
    def sum(cls, funnels: Iterable[Funnel]) -> Funnel:
        """Return what several funnels counted together."""
        whole = cls()
        for funnel in funnels:
            for node, counts in funnel.counts.items():
                whole.counts.setdefault(node, Counter()).update(counts)
        return whole

    def rows(self) -> list[tuple[str, str, int]]:
        """Return (node, what, count) in the order in which a reader wants them."""
        return [
            (node, what, counts[what])
            for node, counts in sorted(self.counts.items())
            for what in sorted(counts, key=lambda what: (what.startswith("rejected"), what))
        ]


class TeacherCollector:
    """Plays visits with a teacher, and keeps those of its answers that pass; implements `Agent`.

    Args:
        agent: Who plays.
        nodes: Whose answers are kept.
        min_ndcg: A ranking that earns less is rejected.
        rethink: How often a rejected answer goes back.
        keywords: A summary must hold one of these.
    """

    def __init__(
        self,
        agent: OpenAgent,
        *,
        nodes: Sequence[Node] = ("fast", "slow"),
        min_ndcg: float = 0.0,
        rethink: int = 1,
        keywords: Sequence[str] = (),
    ) -> None:
        self.history_limit = agent.history_limit
        self.funnel = Funnel()
        self._agent = agent
        self._nodes = tuple(nodes)
        self._min_ndcg = min_ndcg
        self._rethink = rethink
        self._keywords = tuple(keywords)
        self._kept: dict[int, list[Sample]] = {}

    def prompts(self) -> Mapping[str, str]:
        """Return the prompt templates of the agent."""
        return self._agent.prompts()

    def take(self) -> tuple[list[Sample], Funnel]:
        """End the round: return what was kept, in order of user, and what was counted."""
        kept = [sample for user in sorted(self._kept) for sample in self._kept[user]]
        funnel, self.funnel, self._kept = self.funnel, Funnel(), {}
        return kept, funnel

    async def visit(self, call: Call) -> Visit:
        """Play a visit; what the user lives is the teacher's first answers, good or bad."""
        call = replace(call, policies=_Tagged(call.policies))
        visit = await self._agent.visit(call)
        kept: list[Sample] = []
        for number, step in enumerate(visit.steps):
            for turn in step.turns:
                if turn.attempt == 0 and turn.node in self._nodes and not turn.failure:
                    sample = await self._screened(call, visit.steps[:number], step, turn)
                    kept += [sample] if sample else []
        self._kept[call.user] = kept
        return visit

    async def _screened(
        self, call: Call, before: tuple[Step, ...], step: Step, turn: Turn
    ) -> Sample | None:
        node, asked, answer = turn.node, turn.messages, turn.completion
        self.funnel.add(node, "asked")
        for tries in range(self._rethink + 1):
            reason, problem = self._judge(call, before, step, node, answer)
            if not reason:
                self.funnel.add(node, "kept after rethinking" if tries else "kept at once")
                return Sample(node, asked, answer, tries + 1)
            if tries < self._rethink:
                again = await call.policies.ask(
                    call.key(len(before), node, RETHINK + tries),
                    self._agent.rethink(asked, answer, problem),
                )
                answer = again.completion
        self.funnel.add(node, f"rejected: {reason}")
        return None

    def _judge(
        self, call: Call, before: tuple[Step, ...], step: Step, node: Node, answer: str
    ) -> tuple[str, str]:
        """Return why an answer is rejected, and what the teacher is told; nothing if it passes."""
        if node == "slow":
            summary, problem = self._agent.summary(call, answer)
            decision = feedback = None
        else:
            decision, problem = self._agent.decision(call, answer, step.observation)
            feedback = call.environment.respond(call.user, before, step.observation, decision)
        outcome = Outcome(node, answer, not problem, step.observation, decision, feedback)
        if problem:
            return "form", problem
        if counters(outcome, 0)["empty"]:
            return "no reasoning", "there is no reasoning between <think> and </think>"
        if node == "slow":
            if self._keywords and not any(word in (summary or "") for word in self._keywords):
                wanted = " or ".join(f'"{word}"' for word in self._keywords)
                return "no polarity", f"the summary says of no attribute that it is {wanted}"
            return "", ""
        gain = feedback.reward.get("ndcg") if feedback is not None else None
        if gain is not None and gain < self._min_ndcg and decision is not None and feedback:
            # The rank, and not the label: what was chosen must be found by thinking.
            rank = decision.rank_of(feedback.target) if feedback.target is not None else None
            return "low NDCG", (
                f"what was really chosen stood at rank {rank} of {len(step.observation.slate)}; "
                "think again about what speaks for and against each"
            )
        return "", ""


class _Tagged:
    """Policies that are asked for tags, whatever they could do: the student writes tags."""

    def __init__(self, policies: Policies) -> None:
        self.ask = policies.ask

    def structured(self, node: Node) -> bool:
        return False


def dump_lesson(samples: Sequence[Sample], funnel: Funnel) -> bytes:
    """Return what a teacher gave in one round, to be written to a file."""
    values = {"samples": [sample.as_json() for sample in samples], "funnel": funnel.counts}
    return json.dumps(values, ensure_ascii=False).encode()


def load_lesson(path: Path) -> tuple[list[Sample], Funnel]:
    """Return what a teacher gave in one round.

    Raises:
        RunError: The file is damaged.
    """
    try:
        values = json.loads(path.read_bytes())
        counts = {node: Counter(counts) for node, counts in values["funnel"].items()}
        return [_sample(each) for each in values["samples"]], Funnel(counts)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"the teacher's answers {path} are damaged: {error}",
            hint="put it back as it was, or start a new training",
        ) from error


def read_samples(path: Path) -> list[Sample]:
    """Read samples from JSON lines: `messages` and `answer`, perhaps `node`.

    Raises:
        DataError: The file is missing, or a line is not a sample.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the samples {path} cannot be read: {error}", hint="name a file") from None
    samples = []
    for number, line in enumerate(lines, 1):
        try:
            samples.append(_sample(json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{path}, line {number} is not a sample: {type(error).__name__} {error}",
                hint='a line is {"messages": [["user", "..."]], "answer": "..."}',
            ) from None
    if not samples:
        raise DataError(f"{path} holds no samples", hint="write one a line")
    return samples


def _sample(values: Mapping[str, Any]) -> Sample:
    messages = tuple((str(role), str(text)) for role, text in values["messages"])
    node, tries = values.get("node", "fast"), values.get("tries", 1)
    return Sample(node, messages, str(values["answer"]), tries)


def lessons_of(
    samples: Sequence[Sample], tokenizer: Any, template: Mapping[str, Any] | None = None
) -> list[TrainingRow]:
    """Return what there is to imitate in a batch: completion tokens only, each counting the same.

    Args:
        samples: Of one update.
        tokenizer: Of the student.
        template: Further values for its chat template.
    """
    rows = [row_of(sample, tokenizer, template) for sample in samples]
    total = sum(len(row.completion) for row in rows)
    return [
        TrainingRow(row, [1.0] * len(row.completion), [1 / total] * len(row.completion))
        for row in rows
    ]


def row_of(sample: Sample, tokenizer: Any, template: Mapping[str, Any] | None = None) -> Row:
    """Return a sample in token ids: the prompt as `local` writes it, the answer, the end of it."""
    chat = [{"role": role, "content": text} for role, text in sample.messages]
    prompt = tokenizer.apply_chat_template(
        chat, add_generation_prompt=True, tokenize=False, **(template or {})
    )
    # The template has written the special tokens already.
    read, written = tokenizer([prompt, sample.answer], add_special_tokens=False)["input_ids"]
    completion = (*written, tokenizer.eos_token_id)
    return Row(tuple(read), completion, (True,) * len(completion), (0.0,) * len(completion))
