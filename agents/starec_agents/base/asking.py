"""Ask a policy, read the answer, and ask once more where the answer has a flaw."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

from langgraph.config import get_stream_writer

from starec_agents.base.graph import Context, State
from starec_sim.agent import Call
from starec_sim.answers import Findings, Form, ending_note, read_decision, read_summary
from starec_sim.answers.tags import PREFERENCES
from starec_sim.tasks import Task
from starec_sim.types import Decision, ExpectedAnswer, Messages, Node, Observation, Turn

ReadT = TypeVar("ReadT")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question to the policy of a node."""

    node: Node
    template: str
    """The name of the template: it says which parts the answer has."""
    messages: Messages
    labels: int = 0
    """How many labels the answer has to name."""
    task: Task | None = None
    """What is asked for, if it is a decision."""
    words: int = 0
    """The longest text besides reasoning, in words; 0 for no limit."""


def form_of(call: Call, node: Node) -> Form:
    """Return the form in which the policy of a node is asked to answer."""
    return "json" if call.policies.structured(node) else "tags"


async def ask_and_repair(
    context: Context,
    state: State,
    asked: Asked,
    read: Callable[[str], tuple[ReadT, Findings]],
) -> tuple[list[ReadT], tuple[Turn, ...]]:
    """Ask, and ask once more where the answer has a flaw. The second question says what is wrong.

    A call that failed, retries included, has no answer to repair. An answer that was cut at its
    longest length is not asked for again at the same length.

    Args:
        context: Of the visit.
        state: Of the visit. Its turns count the attempts of the node in this step.
        asked: The question.
        read: Reads an answer, and says what is wrong with it.

    Returns:
        What was read: of the answer, and of the repaired answer if there is one. Then all turns of
        the step.

    Raises:
        PolicyError: The policy could not be asked.
    """
    call, prompts, turns = context.call, context.prompts, state["turns"]
    form = form_of(call, asked.node)
    schema = prompts.schema(asked.template, asked.labels, asked.task) if form == "json" else None
    parts = prompts.parts(asked.template, asked.task)
    expected = ExpectedAnswer(form, parts, asked.labels, asked.task, asked.words)
    readings: list[ReadT] = []
    messages = asked.messages
    while True:
        attempt = sum(turn.node == asked.node for turn in turns)
        key = call.key(len(state["steps"]), asked.node, attempt)
        turn = await call.policies.ask(key, messages, schema, expected)
        result, findings = read(turn.completion)
        readings.append(result)
        problem = _problem(turn, findings)
        turns = (*turns, replace(turn, error=problem))
        unrepairable = turn.failure or turn.ending == "length"
        if len(readings) == 2 or not findings.counts or unrepairable:
            return readings, turns
        messages = prompts.repair(asked.messages, turn.completion, problem)
        _announce_repair(call.person.id, asked.node, problem, turn.completion)


async def ask_for_decision(
    context: Context, state: State, asked: Asked, observation: Observation
) -> tuple[Decision, tuple[Turn, ...]]:
    """Ask for a decision about what is shown: see `ask_and_repair`.

    Returns:
        The repaired decision, or the first one if that has fewer flaws. Then all turns of the step.
    """
    form = form_of(context.call, asked.node)

    def read(answer: str) -> tuple[Decision, Findings]:
        return read_decision(answer, observation, form)

    (first, *repaired), turns = await ask_and_repair(context, state, asked, read)
    return (replace(_better(first, repaired[0]), repaired=True) if repaired else first), turns


async def ask_for_text(
    context: Context, state: State, asked: Asked, part: str = PREFERENCES
) -> tuple[str, tuple[Turn, ...]]:
    """Ask for a text of at most `asked.words` words: see `ask_and_repair`.

    Returns:
        The text of the repaired answer, or that of the first one where the repaired one holds none;
        it is empty if neither holds one. Then all turns of the step.
    """
    form = form_of(context.call, asked.node)

    def read(answer: str) -> tuple[str | None, Findings]:
        return read_summary(answer, asked.words, form, part)

    readings, turns = await ask_and_repair(context, state, asked, read)
    return readings[-1] or readings[0] or "", turns


def _better(first: Decision, second: Decision) -> Decision:
    """Return the repaired decision unless it is worse than the one it repairs."""
    return second if sum(second.flaws.values()) <= sum(first.flaws.values()) else first


def _announce_repair(user: str, node: Node, problem: str, answer: str) -> None:
    """Tell whoever streams the graph (`stream_mode="custom"`) that a node asks once more."""
    with suppress(RuntimeError):  # outside of a graph nobody streams
        event = {"event": "repair", "user": user, "node": node, "problem": problem}
        get_stream_writer()({**event, "answer": answer})


def _problem(turn: Turn, findings: Findings) -> str:
    """Return what is wrong with an answer: how it ended, and what could not be read."""
    ending = ending_note(turn.ending, turn.completion) if findings.counts else ""
    return "; ".join(part for part in (ending, str(findings)) if part)
