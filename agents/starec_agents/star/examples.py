"""Few-shot examples: solved questions that a prompt shows before its own question."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from starec_sim import yaml_files
from starec_sim.answers import (
    EXAMPLE_LINE,
    Form,
    PromptParts,
    labels,
    read_decision,
    read_prompt,
    read_summary,
    to_json,
)
from starec_sim.answers.tags import ACTIONS, NEXT, PREFERENCES, RANKING, THINK
from starec_sim.errors import ConfigError
from starec_sim.settings import Settings, validate
from starec_sim.tasks import BUILT_IN
from starec_sim.types import Messages, Observation

MOST_EXAMPLES = 8
"""Of one kind: each lengthens every prompt of that kind."""
_LONGEST_QUESTION, _LONGEST_ANSWER = 20_000, 4_000
"""Characters."""
_PARTS: Mapping[str, tuple[str, ...]] = {
    "ranking": (THINK, RANKING),
    "feed": (THINK, ACTIONS, NEXT),
    "reflection": (THINK, PREFERENCES),
}
"""The kinds of questions that examples are for, and the parts of an answer to each."""


class SolvedQuestion(Settings):
    """A question as a user's message asks it, and a good answer in tags."""

    question: str = Field(min_length=1, max_length=_LONGEST_QUESTION)
    answer: str = Field(min_length=1, max_length=_LONGEST_ANSWER)


class ExampleFile(Settings):
    """What a file of examples holds."""

    examples: list[SolvedQuestion] = Field(min_length=1, max_length=MOST_EXAMPLES * len(_PARTS))


class Examples:
    """The examples of a file, by the kind of question that they answer.

    Args:
        path: The YAML file.
        summary_words: The longest preference summary that an answer may write, in words.

    Raises:
        ConfigError: The file cannot be read, or holds an answer that an agent could not use.
    """

    def __init__(self, path: Path, summary_words: int) -> None:
        values = yaml_files.load(path, hint="it begins with the line `examples:`")
        read = validate(ExampleFile, values, str(path))
        self.text = read.model_dump_json()
        """All examples, for the digest by which a run is known."""
        self._messages: dict[tuple[str, Form], list[tuple[str, str]]] = {}
        for place, example in enumerate(read.examples):
            question, answer = example.question.strip(), example.answer.strip()
            at = f"{path}, examples.{place}"
            kind = _checked_kind(question, answer, summary_words, at)
            in_form: dict[Form, str] = {"tags": answer, "json": to_json(answer, _PARTS[kind])}
            for form, written in in_form.items():
                messages = self._messages.setdefault((kind, form), [])
                messages += [("user", EXAMPLE_LINE + question), ("assistant", written)]
            if len(messages) > 2 * MOST_EXAMPLES:
                raise ConfigError(
                    f"{path} holds more than {MOST_EXAMPLES} examples of a {kind}",
                    hint=f"keep {MOST_EXAMPLES}: each lengthens every prompt",
                )

    def before(self, kind: str, form: Form) -> Messages:
        """Return the messages to put before a question; none where no example is of its kind.

        Args:
            kind: The name of a task, or `reflection`.
            form: In which form the answer is to be written.
        """
        return tuple(self._messages.get((kind, form), ()))


def _checked_kind(question: str, answer: str, summary_words: int, at: str) -> str:
    """Return the kind of a question, if it shows what it asks about and its answer is in form.

    Raises:
        ConfigError: It does not, or the answer has a flaw.
    """
    prompt = read_prompt((("user", question),))
    if prompt.asks not in _PARTS or not (prompt.candidates or prompt.reviewed):
        raise ConfigError(
            f"{at}: the question shows no <candidates>, no <page>, and no <item> with <prediction> "
            "and <feedback>",
            hint="copy what a recorded run asked: starec show RUN --user ID --prompts",
        )
    flaw = _flaw(prompt, answer, summary_words)
    if flaw:
        raise ConfigError(
            f"{at}: the answer to a {prompt.asks} cannot be used: {flaw}",
            hint="write it in tags, as the prompt asks for it; it is turned into JSON where needed",
        )
    return prompt.asks


def _flaw(prompt: PromptParts, answer: str, summary_words: int) -> str:
    """Return what is wrong with an answer; empty if nothing is."""
    if prompt.asks == "reflection":
        return str(read_summary(answer, summary_words)[1])
    shown = [label for label, _ in prompt.candidates]
    if shown != list(labels(len(shown))):
        return f"the question has the labels {', '.join(shown)}, not A, B, C, ... in order"
    cards = tuple(card for _, card in prompt.candidates)
    observation = Observation(BUILT_IN[prompt.asks], tuple(range(len(cards))), cards)
    return str(read_decision(answer, observation)[1])
