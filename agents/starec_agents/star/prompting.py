"""The prompts of the STAR agent: a decision, and the reflection of slow thinking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from starec_agents.base.prompting import Prompts
from starec_agents.star.examples import Examples
from starec_sim.answers import Form, labelled, outcome, stars
from starec_sim.cards import quoted
from starec_sim.tasks import Task
from starec_sim.types import (
    Action,
    Decision,
    Experience,
    Feedback,
    Memory,
    Messages,
    Observation,
    Recalled,
    User,
)

NAMES = ("ranking", "feed", "act", "reflect", "repair", "json")


@dataclass(frozen=True)
class StarPrompts(Prompts):
    """The templates of the STAR agent."""

    examples: Examples | None = None
    """Solved questions that stand before a question of their kind; None shows none."""

    package: ClassVar[str] = "starec_agents.star"
    names: ClassVar[tuple[str, ...]] = NAMES

    def decide(
        self,
        person: User,
        memory: Memory,
        observation: Observation,
        cards: Sequence[str],
        form: Form = "tags",
        recalled: Sequence[Recalled] | None = None,
    ) -> Messages:
        """Return the messages that ask for a decision, examples included."""
        messages = super().decide(person, memory, observation, cards, form, recalled)
        return self._with_examples(messages, observation.task.name, form)

    def reflect(
        self,
        memory: Memory,
        observation: Observation,
        decision: Decision,
        feedback: Feedback,
        cards: Sequence[str],
        form: Form = "tags",
    ) -> Messages:
        """Return the messages that ask for a new summary.

        They show four things: the summary so far, the items that were experienced, what was
        predicted of each, and how each turned out.
        """
        experiences = feedback.experiences
        messages = self._fill(
            "reflect",
            form,
            limit=self.summary_words,
            preferences=self._summary(memory),
            items=labelled([cards[e.item] for e in experiences]),
            predictions=labelled([_predicted(e, observation, decision) for e in experiences]),
            feedback=labelled(
                [
                    ("chosen, " if e.item == feedback.target else "") + outcome(e)
                    for e in experiences
                ]
            ),
        )
        return self._with_examples(messages, "reflection", form)

    def _with_examples(self, messages: Messages, kind: str, form: Form) -> Messages:
        """Return messages with the examples of a kind behind the system message."""
        if self.examples is None:
            return messages
        system, *question = messages
        return (system, *self.examples.before(kind, form), *question)


def _predicted(experience: Experience, observation: Observation, decision: Decision) -> str:
    if experience.item not in observation.slate:
        return "not shown"
    task = observation.task
    if task.ranks:
        rank = decision.rank_of(experience.item)
        count = len(observation.slate)
        return f"ranked {rank} of {count}" if rank else f"left out of {count}"
    return ", ".join(
        _told(action, task) for action in decision.actions if action.item == experience.item
    )


def _told(action: Action, task: Task) -> str:
    expected = task.stars(action.kind, action.value)
    if expected is None:
        return quoted(task.told(action.kind, action.value))
    return f"{task.told(action.kind)}, {stars(expected)}"
