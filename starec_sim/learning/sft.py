"""Samples for SFT: questions with the answers to imitate, in files and as rows of token ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.messages import convert_to_messages

from starec_sim.errors import DataError
from starec_sim.json_nesting import parse_json
from starec_sim.learning.packing import TrainingRow
from starec_sim.learning.rows import TokenRow
from starec_sim.policies.engine.chat_format import ChatFormat
from starec_sim.types import Messages, Node

_MAX_DEPTH = 8
"""Levels of a line of samples; one has three."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A question and the answer to imitate."""

    node: Node
    messages: Messages
    answer: str
    tries: int = 1
    """How many answers the teacher gave until one passed."""

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Sample:
        """Return the sample that `as_json` wrote."""
        messages = tuple((str(role), str(text)) for role, text in values["messages"])
        if unknown := {role for role, _ in messages} - {"system", "user", "assistant"}:
            raise ValueError(f"the role {min(unknown)} is none of system, user, assistant")
        node, tries = values.get("node", "fast"), values.get("tries", 1)
        return cls(node, messages, str(values["answer"]), tries)

    def as_json(self) -> dict[str, Any]:
        """Return the sample as JSON values."""
        return {
            "node": self.node,
            "messages": [list(pair) for pair in self.messages],
            "answer": self.answer,
            "tries": self.tries,
        }


def read_samples(path: Path) -> list[Sample]:
    """Read samples from JSON lines with the keys `messages`, `answer` and, optionally, `node`.

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
            samples.append(Sample.from_json(parse_json(line, _MAX_DEPTH)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{path}, line {number} is not a sample: {type(error).__name__} {error}",
                hint='a line is {"messages": [["user", "..."]], "answer": "..."}',
            ) from None
    if not samples:
        raise DataError(f"{path} holds no samples", hint="write one a line")
    return samples


def training_rows(samples: Sequence[Sample], chat: ChatFormat) -> list[TrainingRow]:
    """Return the rows of a batch of SFT: completion ids only, each with the same weight.

    Args:
        samples: Of one update.
        chat: The chat format of the policy that learns.
    """
    rows = [row_of(sample, chat) for sample in samples]
    total = sum(len(row.completion) for row in rows)
    return [
        TrainingRow(row, [1.0] * len(row.completion), [1 / total] * len(row.completion))
        for row in rows
    ]


def row_of(sample: Sample, chat: ChatFormat) -> TokenRow:
    """Return a sample in token ids: the prompt as `local` writes it, the answer, the end token."""
    prompt = chat.prompt(convert_to_messages(sample.messages))
    completion = chat.answer(sample.answer)
    return TokenRow(prompt, completion, (True,) * len(completion), (0.0,) * len(completion))
