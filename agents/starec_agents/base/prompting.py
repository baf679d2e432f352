"""Prompts: templates in files, and the text that fills them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any, ClassVar, Self

from starec_agents.base.templates import SHARED, SPLIT, checked, read_templates
from starec_sim.answers import (
    CHARACTERS_A_WORD,
    NOTHING_YET,
    Form,
    answer_schema,
    asked_parts,
    experience_line,
    labelled,
    labels,
)
from starec_sim.answers.tags import CONTEXT, block
from starec_sim.cards import quoted
from starec_sim.errors import ConfigError
from starec_sim.memory.recall import Recall
from starec_sim.tasks import Task
from starec_sim.types import Memory, Messages, Observation, Recalled, User

MAX_QUOTED_ANSWER = 2_000
"""Characters of a broken answer that a repair call quotes: its end, where the answer stands after
the reasoning."""
MAX_ERRORS = 400
"""Characters of what was wrong with it."""
NO_SUMMARY, NO_PROFILE = "none yet", "unknown"
"""What a prompt says for an empty summary and an empty profile."""


@dataclass(frozen=True)
class Prompts:
    """The templates of an agent, and how a call fills them.

    A subclass names its templates and adds a method for each question of its own.
    """

    texts: Mapping[str, str]
    """File contents by name; what a run records and hashes."""
    history_shown: int
    """Experiences that a prompt shows, the latest ones."""
    summary_words: int
    """The longest summary, in words."""
    recall: Recall | None = None
    """Finds older experiences to be shown before the latest; None shows none."""

    package: ClassVar[str] = SHARED
    """The package whose folder `prompts` holds the templates."""
    names: ClassVar[tuple[str, ...]] = ("repair", "json")
    """The templates that the agent needs."""

    @classmethod
    def read(
        cls,
        folder: Path | None,
        history_shown: int,
        summary_words: int,
        recall: Recall | None = None,
    ) -> Self:
        """Read the templates, see `starec_agents.base.templates.read_templates`."""
        texts = read_templates(cls.package, cls.names, folder)
        return cls(texts, history_shown, summary_words, recall)

    def schema(self, name: str, count: int, task: Task | None = None) -> dict[str, Any]:
        """Return the JSON schema of the answer that a template asks for.

        Args:
            name: Of the template, where there is no task.
            count: How many labels there are to name.
            task: What is asked for, if it is a decision.
        """
        form = self._form(name, task)
        if task is None:
            return answer_schema(name, form, labels(count))
        return answer_schema(task.name, form, labels(count), task)

    def parts(self, name: str, task: Task | None = None) -> tuple[str, ...]:
        """Return the parts of the answer that a template asks for.

        Args:
            name: Of the template, where there is no task.
            task: What is asked for, if it is a decision.
        """
        return asked_parts(self._form(name, task))

    def _form(self, name: str, task: Task | None) -> str:
        """Return the part of a template that says how to answer."""
        template = self.texts[name] if task is None else self._template(task)
        return template.partition(SPLIT)[0]

    def _template(self, task: Task) -> str:
        """Return the template that asks for a decision: one for this task, or the general one."""
        general = self.texts.get("ranking" if task.ranks else "act", "")
        if task.template:
            return checked(task.template, general, f'the template of the task "{task.name}"')
        text = self.texts.get(task.name, general)
        if not text:
            raise ConfigError(
                f'agent: it has no prompt for the task "{task.name}"',
                hint="use the agent `star`, which has one for every task",
            )
        return text

    def decide(
        self,
        person: User,
        memory: Memory,
        observation: Observation,
        cards: Sequence[str],
        form: Form = "tags",
        recalled: Sequence[Recalled] | None = None,
    ) -> Messages:
        """Return the messages that ask for a decision.

        Args:
            person: Who decides.
            memory: What she remembers.
            observation: What is shown; its task names the template.
            cards: The card of every item of the catalogue, by row.
            form: In which form the answer is to be written.
            recalled: What `recalled` returned; None to find it here.
        """
        if recalled is None:
            recalled = self.recalled(memory, cards, observation.cards)
        task = observation.task
        system, user = self._fill_text(
            self._template(task),
            form,
            scene=task.scene,
            forms=task.forms,
            several=f", at most {task.per_item} with commas between" if task.per_item > 1 else "",
            moves=task.move_forms,
            profile=profile(person),
            preferences=self._summary(memory),
            history=self._history(memory, cards, recalled),
            candidates=labelled(observation.cards),
            page=observation.page,
            count=len(observation.slate),
        )
        if not observation.context:
            return system, user
        lines = "\n".join(quoted(line) for line in observation.context.splitlines())
        return system, ("user", f"{block(CONTEXT, lines)}\n{user[1]}")

    def repair(self, asked: Messages, answer: str, errors: str) -> Messages:
        """Return the messages of the one repair call: the question, the answer, what is wrong.

        Args:
            asked: The messages of the question.
            answer: The answer that could not be used.
            errors: What is wrong with it, in words.
        """
        short = answer if len(answer) <= MAX_QUOTED_ANSWER else "…" + answer[-MAX_QUOTED_ANSWER:]
        request = Template(self.texts["repair"]).safe_substitute(errors=errors[:MAX_ERRORS])
        # Some endpoints refuse a message without text.
        return (*asked, ("assistant", short.strip() or "(nothing)"), ("user", request.strip()))

    def recalled(
        self, memory: Memory, cards: Sequence[str], seen: Sequence[str]
    ) -> tuple[Recalled, ...]:
        """Return the older experiences that are similar to what is shown, oldest first.

        Args:
            memory: Of the user.
            cards: The card of every item of the catalogue.
            seen: The cards that are shown.
        """
        older = memory.history[: self._older(memory)]
        if self.recall is None or not older:
            return ()
        found = self.recall.recall([cards[e.item] for e in older], seen)
        return tuple(Recalled(older[place].item, score, place) for place, score in found)

    def _older(self, memory: Memory) -> int:
        """Return the number of experiences that come before those that a prompt always shows."""
        return max(0, len(memory.history) - self.history_shown)

    def _history(
        self, memory: Memory, cards: Sequence[str], recalled: Sequence[Recalled] = ()
    ) -> str:
        """Return the latest experiences, oldest first, after older ones that are recalled."""
        latest = memory.history[self._older(memory) :]
        shown = (*(memory.history[each.place] for each in recalled), *latest)
        return "\n".join(experience_line(e, cards[e.item]) for e in shown) or NOTHING_YET

    def _summary(self, memory: Memory) -> str:
        lines = (line for line in memory.summary.splitlines() if line.strip())
        most = self.summary_words * CHARACTERS_A_WORD
        return "\n".join(quoted(line, most) for line in lines) or NO_SUMMARY

    def _fill(self, name: str, form: Form, **parts: object) -> Messages:
        return self._fill_text(self.texts[name], form, **parts)

    def _fill_text(
        self, text: str, form: Form, **parts: object
    ) -> tuple[tuple[str, str], tuple[str, str]]:
        system, _, user = text.partition(SPLIT)
        if form == "json":
            system = f"{system.strip()}\n\n{self.texts['json']}"
        return (
            ("system", Template(system).safe_substitute(parts).strip()),
            ("user", Template(user).safe_substitute(parts).strip()),
        )


def profile(person: User) -> str:
    """Return what is known of a person, one fact on each line."""
    facts = (f"{quoted(key)}: {quoted(value)}" for key, value in person.profile.items())
    return "\n".join(facts) or NO_PROFILE


def only_rankings(observation: Observation, agent: str) -> None:
    """Refuse a feed, for an agent that knows rankings only.

    Raises:
        ConfigError: Names the agent.
    """
    if not observation.task.ranks:
        raise ConfigError(
            f"agent: {agent} ranks candidates; this environment has the task "
            f"{observation.task.name}",
            hint="use the environment `ranking`, or the agent `star`",
        )
