"""The prompts: files one can read and edit, and the text that fills them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template

from starec_sim.cards import quoted
from starec_sim.errors import ConfigError
from starec_sim.types import Decision, Experience, Feedback, Memory, Observation, Task, User

Messages = tuple[tuple[str, str], ...]

NAMES = ("ranking", "feed", "reflect", "repair")
SPLIT = "=== user ===\n"
MAX_QUOTED_ANSWER = 2_000
"""Characters of a broken answer that are quoted back in the repair call."""


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

    @classmethod
    def read(cls, folder: Path | None, history_shown: int, summary_words: int) -> Prompts:
        """Read the templates that ship, each replaced by the folder's file of the same name.

        Raises:
            ConfigError: The folder is missing, or a template lacks a part that its task needs.
        """
        texts = {}
        for name in NAMES:
            text = (files(__package__) / "prompts" / f"{name}.md").read_text("utf-8")
            if folder is not None and (folder / f"{name}.md").is_file():
                text = _checked((folder / f"{name}.md"), text)
            texts[name] = text
        if folder is not None and not folder.is_dir():
            raise ConfigError(
                f"agent.prompts: there is no folder {folder}",
                hint=f"put prompts there that replace these: {', '.join(NAMES)} (.md)",
            )
        return cls(texts, history_shown, summary_words)

    def decide(
        self, person: User, memory: Memory, observation: Observation, cards: Sequence[str]
    ) -> Messages:
        """Return the messages that ask for a decision."""
        task: Task = observation.task
        marks = labels(len(observation.slate))
        return self._fill(
            task,
            profile="\n".join(f"{key}: {quoted(value)}" for key, value in person.profile.items())
            or "unknown",
            preferences=_summary(memory.summary),
            history="\n".join(
                f"- {cards[e.item]} | {stars(e.rating)}"
                for e in memory.history[-self.history_shown :]
            )
            or "nothing yet",
            candidates="\n".join(
                f"{mark}. {text}" for mark, text in zip(marks, observation.cards, strict=True)
            ),
            page=observation.page,
            count=len(marks),
        )

    def reflect(
        self,
        memory: Memory,
        observation: Observation,
        decision: Decision,
        feedback: Feedback,
        cards: Sequence[str],
    ) -> Messages:
        """Return the messages that ask for a new summary: the four parts of slow thinking."""
        lived = feedback.experiences
        return self._fill(
            "reflect",
            limit=self.summary_words,
            preferences=_summary(memory.summary),
            items=_numbered([cards[e.item] for e in lived]),
            predictions=_numbered([_predicted(e, observation, decision) for e in lived]),
            feedback=_numbered(
                [("chosen, " if e.item == feedback.target else "") + stars(e.rating) for e in lived]
            ),
        )

    def repair(self, asked: Messages, answer: str, errors: str) -> Messages:
        """Return the messages of the one repair call, which quotes the error."""
        short = answer if len(answer) <= MAX_QUOTED_ANSWER else answer[:MAX_QUOTED_ANSWER] + "…"
        request = Template(self.texts["repair"]).safe_substitute(errors=quoted(errors, 400))
        return (*asked, ("assistant", short), ("user", request.strip()))

    def _fill(self, name: str, **parts: object) -> Messages:
        system, _, user = self.texts[name].partition(SPLIT)
        return (
            ("system", Template(system).safe_substitute(parts).strip()),
            ("user", Template(user).safe_substitute(parts).strip()),
        )


def stars(rating: float) -> str:
    """Return a rating as a prompt writes it, polarity last.

    >>> stars(4.0)
    '4 stars: liked'
    """
    return f"{rating:g} stars: {'liked' if rating > 3.0 else 'disliked'}"


def _summary(text: str) -> str:
    return "\n".join(quoted(line, 2_000) for line in text.splitlines()) or "none yet"


def _numbered(lines: Sequence[str]) -> str:
    return "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))


def _predicted(experience: Experience, observation: Observation, decision: Decision) -> str:
    if experience.item not in observation.slate:
        return "not shown"
    if observation.task == "ranking":
        rank = decision.rank_of(experience.item)
        count = len(observation.slate)
        return f"ranked {rank} of {count}" if rank else f"left out of {count}"
    action = next(a for a in decision.actions if a.item == experience.item)
    return f"watched, {stars(action.rating)}" if action.rating else "watched"


def _checked(path: Path, shipped: str) -> str:
    """Read a replaced template; every part the shipped one fills must still be there."""
    text = path.read_text("utf-8")
    wanted = set(Template(shipped).get_identifiers())
    missing = wanted - set(Template(text).get_identifiers())
    if missing or (SPLIT in shipped and SPLIT not in text):
        gone = ", ".join(f"${name}" for name in sorted(missing)) or f'the line "{SPLIT.strip()}"'
        raise ConfigError(
            f"the prompt {path} lacks {gone}", hint="start from the file that ships and edit that"
        )
    return text
