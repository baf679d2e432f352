"""The answer that a prompt expects, read from the prompt itself."""

from __future__ import annotations

from typing import Any

from starec_sim.answers.json_schema import asked_parts, parts_schema
from starec_sim.answers.labelling import labels
from starec_sim.answers.parts import Form
from starec_sim.answers.prompt import read_prompt
from starec_sim.answers.tags import PARTS
from starec_sim.tasks import FEED, Task
from starec_sim.types import ExpectedAnswer, Messages


def expected_answer(messages: Messages, form: Form, task: Task | None) -> ExpectedAnswer | None:
    """Return the answer that a question of an agent expects.

    Its parts are the tags that the first message lists; its labels those of the items to decide on.

    Args:
        messages: The question.
        form: How the answer is to be written.
        task: What is asked for, if it is a decision.

    Returns:
        The answer; None where the question does not say which parts it has.
    """
    parts = asked_parts(messages[0][1])
    if not parts or not set(parts) <= set(PARTS):
        return None
    asked = read_prompt(messages)
    if task is None:
        return ExpectedAnswer(form, parts, words=asked.words)
    return ExpectedAnswer(form, parts, len(asked.candidates), task)


def schema_of(expected: ExpectedAnswer) -> dict[str, Any]:
    """Return the JSON schema of an expected answer."""
    task = expected.task
    name = "reflect" if task is None else task.name
    return parts_schema(name, expected.parts, labels(expected.labels), task or FEED)
