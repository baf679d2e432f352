"""The prompts of AgentCF: rank, choose one of two, rewrite a user, rewrite an item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from starec_agents.base.prompting import Prompts, profile
from starec_sim.agent import Call
from starec_sim.answers import CHARACTERS_A_WORD, NOTHING_YET, Form, labelled, outcome
from starec_sim.cards import quoted
from starec_sim.types import Experience, Messages, Observation

DESCRIPTION_WORDS = 50
"""The longest note about an item."""
_NOTE = str.maketrans({"|": "/"})


class CFPrompts(Prompts):
    """The templates of the method, beside that of the ranking which an evaluation measures."""

    package: ClassVar[str] = "starec_agents.agentcf"
    names: ClassVar[tuple[str, ...]] = (
        "ranking",
        "choose",
        "reflect",
        "describe",
        "repair",
        "json",
    )

    def choose(self, call: Call, summary: str, pair: Observation, form: Form) -> Messages:
        """Return the messages that ask which of two items the user chooses."""
        return self._fill(
            "choose",
            form,
            profile=profile(call.person),
            preferences=self._summary(replace(call.memory, summary=summary)),
            candidates=labelled(pair.cards),
            count=len(pair.slate),
        )

    def rewrite_user(
        self,
        call: Call,
        summary: str,
        cards: Sequence[str],
        guessed: bool,
        chosen: Experience,
        form: Form,
    ) -> Messages:
        """Return the messages that ask for a new self-introduction.

        Args:
            call: Of the visit.
            summary: The self-introduction so far.
            cards: The card of the item that was really chosen, then the other one.
            guessed: Whether the user had said that she would choose it.
            chosen: How what was chosen turned out.
            form: In which form the answer is to be written.
        """
        said = ("said you would choose it", "said you would not choose it")
        return self._fill(
            "reflect",
            form,
            limit=self.summary_words,
            preferences=self._summary(replace(call.memory, summary=summary)),
            items=labelled(cards),
            predictions=labelled(said if guessed else said[::-1]),
            feedback=labelled((f"really chosen, {outcome(chosen)}", "not chosen: disliked")),
        )

    def rewrite_item(
        self, call: Call, summary: str, card: str, note: str, guessed: bool, form: Form
    ) -> Messages:
        """Return the messages that ask for a new note about the item that was chosen.

        Args:
            call: Of the visit.
            summary: The self-introduction so far.
            card: The card of the item.
            note: What is written about the item so far.
            guessed: Whether the user had said that she would choose it.
            form: In which form the answer is to be written.
        """
        return self._fill(
            "describe",
            form,
            limit=DESCRIPTION_WORDS,
            preferences=self._summary(replace(call.memory, summary=summary)),
            items=labelled([card]),
            description=_line(note) or NOTHING_YET,
            outcome="foreseen" if guessed else "not foreseen",
        )


def noted(card: str, note: str | None) -> str:
    """Return a card with what users wrote about the item.

    >>> noted('"Alien" | genre: Horror', "for fans of dark space")
    '"Alien" | genre: Horror | described as: for fans of dark space'
    """
    return f"{card} | described as: {_line(note)}" if note else card


def with_notes(observation: Observation, notes: Mapping[int, str]) -> Observation:
    """Return what is shown, with what users wrote about each item."""
    pairs = zip(observation.slate, observation.cards, strict=True)
    return replace(observation, cards=tuple(noted(card, notes.get(item)) for item, card in pairs))


def _line(note: str) -> str:
    return quoted(note.translate(_NOTE), DESCRIPTION_WORDS * CHARACTERS_A_WORD)
