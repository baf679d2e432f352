"""The prompts: files one can read and edit, and the text that fills them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any, ClassVar, Self

from starec_agents.star.forms import Form, schema
from starec_sim.cards import quoted
from starec_sim.errors import ConfigError, did_you_mean
from starec_sim.memory.recall import Recall
from starec_sim.types import (
    LIKED_ABOVE,
    Decision,
    Experience,
    Feedback,
    Memory,
    Messages,
    Observation,
    Task,
    User,
)

NAMES = ("ranking", "feed", "reflect", "repair", "json")
SPLIT = "=== user ===\n"
MAX_QUOTED_ANSWER = 2_000
"""Characters of a broken answer that are quoted back in the repair call: its end, where the answer
stands after the reasoning."""
MAX_ERRORS = 400
"""Characters of what was wrong with it."""
CHARACTERS_A_WORD = 40
"""Bounds a summary in scripts that put no spaces between words, and one of endless words."""


def label(place: int) -> str:
    """Return the label of a place of the slate: A, B, ..., Z, AA, AB, ...

    >>> [label(place) for place in (0, 25, 26)]
    ['A', 'Z', 'AA']
    """
    letters = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def labels(count: int) -> tuple[str, ...]:
    """Return the labels of a slate of `count` places."""
    return tuple(label(place) for place in range(count))


@dataclass(frozen=True)
class Prompts:
    """The templates of an agent, and how each call fills them."""

    texts: Mapping[str, str]
    """File contents by name; what a run records and hashes."""
    history_shown: int
    """Experiences that a prompt shows, the latest ones."""
    summary_words: int
    """The longest summary, in words."""
    recall: Recall | None = None
    """Finds older experiences to be shown before the latest; None shows none."""

    own: ClassVar[str] = "starec_agents.star"
    """The package whose folder `prompts` holds the templates."""
    names: ClassVar[tuple[str, ...]] = NAMES

    @classmethod
    def read(
        cls,
        folder: Path | None,
        history_shown: int,
        summary_words: int,
        recall: Recall | None = None,
    ) -> Self:
        """Read the templates, see `templates`."""
        return cls(templates(cls.own, cls.names, folder), history_shown, summary_words, recall)

    def schema(self, name: str, count: int = 0) -> dict[str, Any]:
        """Return the JSON schema of the answer that a prompt asks for.

        Args:
            name: `ranking`, `feed` or `reflect`.
            count: How many labels there are to name.
        """
        return schema(name, self.texts[name].partition(SPLIT)[0], labels(count))

    def decide(
        self,
        person: User,
        memory: Memory,
        observation: Observation,
        cards: Sequence[str],
        form: Form = "tags",
    ) -> Messages:
        """Return the messages that ask for a decision."""
        task: Task = observation.task
        return self._fill(
            task,
            form,
            profile=profile(person),
            preferences=self._summary(memory),
            history=self._history(memory, cards, observation.cards),
            candidates=candidates(observation),
            page=observation.page,
            count=len(observation.slate),
        )

    def reflect(
        self,
        memory: Memory,
        observation: Observation,
        decision: Decision,
        feedback: Feedback,
        cards: Sequence[str],
        form: Form = "tags",
    ) -> Messages:
        """Return the messages that ask for a new summary: the four parts of slow thinking."""
        lived = feedback.experiences
        return self._fill(
            "reflect",
            form,
            limit=self.summary_words,
            preferences=self._summary(memory),
            items=labelled([cards[e.item] for e in lived]),
            predictions=labelled([_predicted(e, observation, decision) for e in lived]),
            feedback=labelled(
                [("chosen, " if e.item == feedback.target else "") + stars(e.rating) for e in lived]
            ),
        )

    def repair(self, asked: Messages, answer: str, errors: str) -> Messages:
        """Return the messages of the one repair call, which quotes the error."""
        short = answer if len(answer) <= MAX_QUOTED_ANSWER else "…" + answer[-MAX_QUOTED_ANSWER:]
        request = Template(self.texts["repair"]).safe_substitute(errors=errors[:MAX_ERRORS])
        # Some endpoints refuse a message without text.
        return (*asked, ("assistant", short.strip() or "(nothing)"), ("user", request.strip()))

    def _history(self, memory: Memory, cards: Sequence[str], seen: Sequence[str] = ()) -> str:
        """Return the latest experiences, oldest first, after those that what is seen recalls."""
        start = max(0, len(memory.history) - self.history_shown)
        older, shown = memory.history[:start], memory.history[start:]
        if self.recall is not None and older:
            places = self.recall.recall([cards[e.item] for e in older], seen)
            shown = (*(older[place] for place in places), *shown)
        return "\n".join(f"- {stars(e.rating)} | {cards[e.item]}" for e in shown) or "nothing yet"

    def _summary(self, memory: Memory) -> str:
        lines = (line for line in memory.summary.splitlines() if line.strip())
        most = self.summary_words * CHARACTERS_A_WORD
        return "\n".join(quoted(line, most) for line in lines) or "none yet"

    def _fill(self, name: str, form: Form, **parts: object) -> Messages:
        system, _, user = self.texts[name].partition(SPLIT)
        if form == "json":
            system = f"{system.strip()}\n\n{self.texts['json']}"
        return (
            ("system", Template(system).safe_substitute(parts).strip()),
            ("user", Template(user).safe_substitute(parts).strip()),
        )


def stars(rating: float) -> str:
    """Return a rating as a prompt writes it.

    It stands before a card: a model that reads from left to right then knows at each attribute
    whether the experience was a good one.

    >>> stars(4.0)
    '4 stars: liked'
    """
    return f"{rating:g} stars: {'liked' if rating > LIKED_ABOVE else 'disliked'}"


def only_rankings(observation: Observation, agent: str) -> None:
    """Refuse a feed, for an agent that knows rankings only.

    Raises:
        ConfigError: Names the agent.
    """
    if observation.task != "ranking":
        raise ConfigError(
            f"agent: {agent} ranks candidates, and this environment shows a {observation.task}",
            hint="use the environment `ranking`, or the agent `star`",
        )


def profile(person: User) -> str:
    """Return what is known of a person, one fact a line."""
    facts = (f"{quoted(key)}: {quoted(value)}" for key, value in person.profile.items())
    return "\n".join(facts) or "unknown"


def candidates(observation: Observation) -> str:
    """Return the cards of a slate, each behind its label."""
    marks = labels(len(observation.slate))
    return "\n".join(f"{mark}. {text}" for mark, text in zip(marks, observation.cards, strict=True))


def labelled(lines: Sequence[str]) -> str:
    """Return lines, each behind a label.

    >>> labelled(["so it goes"])
    'A. so it goes'
    """
    return "\n".join(f"{label(place)}. {line}" for place, line in enumerate(lines))


def _predicted(experience: Experience, observation: Observation, decision: Decision) -> str:
    if experience.item not in observation.slate:
        return "not shown"
    if observation.task == "ranking":
        rank = decision.rank_of(experience.item)
        count = len(observation.slate)
        return f"ranked {rank} of {count}" if rank else f"left out of {count}"
    action = next(a for a in decision.actions if a.item == experience.item)
    return f"watched, {stars(action.rating)}" if action.rating else "watched"


def templates(own: str, names: Sequence[str], folder: Path | None) -> dict[str, str]:
    """Read an agent's templates, each replaced by the folder's file of the same name.

    Args:
        own: The agent's package; a template that it does not bring is that of the STAR agent.
        names: The templates it needs.
        folder: Of somebody's own templates; None where there is none.

    Raises:
        ConfigError: The folder is missing, holds a template that no task has, or one that lacks a
            part that its task needs.
    """
    if folder is not None:
        _look_through(folder, names)
    texts = {}
    for name in names:
        path = files(own) / "prompts" / f"{name}.md"
        if not path.is_file():
            path = files("starec_agents.star") / "prompts" / f"{name}.md"
        text = path.read_text("utf-8")
        if folder is not None and (folder / f"{name}.md").is_file():
            text = _checked(folder / f"{name}.md", text)
        texts[name] = text
    return texts


def _look_through(folder: Path, names: Sequence[str]) -> None:
    """Refuse a folder that is not there, and files in it that would replace nothing."""
    if not folder.is_dir():
        raise ConfigError(
            f"agent.prompts: there is no folder {folder}",
            hint=f"put prompts there that replace these: {', '.join(names)} (.md)",
        )
    for path in sorted(folder.glob("*.md")):
        if path.stem not in (*names, "README"):
            raise ConfigError(
                f'agent.prompts: no prompt is called "{path.stem}" ({path})',
                hint=did_you_mean(path.stem, names),
            )


def _checked(path: Path, shipped: str) -> str:
    """Read a replaced template, which must name the parts that the shipped one names."""
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"the prompt {path} is not UTF-8: {error}", hint="save it as UTF-8"
        ) from None
    parts, wanted = set(Template(text).get_identifiers()), set(Template(shipped).get_identifiers())
    gone = [f"${name}" for name in sorted(wanted - parts)]
    if SPLIT in shipped and text.count(SPLIT) != 1:
        gone.append(f'one line "{SPLIT.strip()}"')
    if gone:
        raise ConfigError(
            f"the prompt {path} lacks {', '.join(gone)}",
            hint="start from the file that ships and edit that",
        )
    for name in sorted(parts - wanted):
        raise ConfigError(
            f"the prompt {path} names ${name}, which nothing fills",
            hint=f"{did_you_mean(name, wanted)} A dollar sign in the text is written $$",
        )
    return text
