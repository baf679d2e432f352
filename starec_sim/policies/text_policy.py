"""What policies without a model share: a prompt read as text, with nothing else to go by."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from functools import lru_cache
from typing import Any, ClassVar

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import ConfigDict

from starec_sim.cards import MAX_FIELD

LIKED, DISLIKED = "liked", "disliked"

SUMMARY_WORDS = 180
"""The longest summary when the prompt does not say."""

_CANDIDATE = re.compile(r"^([A-Z]{1,3})\. (.*)$", re.MULTILINE)
_LIVED = re.compile(r"- (\d(?:\.\d+)?) stars: (?:liked|disliked) \| (.*)")
_KNOWN = re.compile(r"([^:,;\n]+): (liked|disliked)(?: \((\d{1,6}) of (\d{1,6})\))?")
_LIMIT = re.compile(r"at most (\d{1,6}) words")
_MARKS = " -*•\"'`"
"""What others put around a term in a list."""
_NOTHING_YET = "nothing yet"
_DESCRIBED_TERMS = 6
"""Terms that a description of an item keeps."""
_PLAIN_MET = 3
"""What a polarity without counts is worth ("Sci-Fi: liked", in somebody else's words)."""


class TextPolicy(BaseChatModel, ABC):
    """A chat model without a model: what it says follows from the question's text alone."""

    model_config = ConfigDict(extra="forbid")

    costs_nothing: ClassVar[bool] = True

    @abstractmethod
    def answer(self, asked: str, words: int) -> str:
        """Answer a question.

        Args:
            asked: The user's message, as the agent's prompts write it.
            words: The longest summary that may be written.
        """

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        texts = [message.text for message in messages]
        # Of a repair call it reads the question again: its answer would be the same.
        asked = next((t for t, m in zip(texts, messages, strict=True) if m.type == "human"), "")
        limit = _LIMIT.search(texts[0])
        words = int(limit[1]) if limit else SUMMARY_WORDS
        answer = _describe(asked, words) if describes(asked) else self.answer(asked, words)
        words_in, words_out = sum(map(word_count, texts)), word_count(answer)
        reply = AIMessage(
            answer,
            usage_metadata={
                "input_tokens": words_in,
                "output_tokens": words_out,
                "total_tokens": words_in + words_out,
            },
        )
        return ChatResult(generations=[ChatGeneration(message=reply)])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        # The default would hop to a thread; reading a page takes less time than the hop.
        return self._generate(messages, stop, None, **kwargs)


def reflects(asked: str) -> bool:
    """Return whether a question asks for a new summary."""
    return "<prediction>" in asked


def describes(asked: str) -> bool:
    """Return whether a question asks for a new description of an item."""
    return "<description>" in asked


def pages(asked: str) -> bool:
    """Return whether a question asks for actions on a page."""
    return "<page" in asked


def candidates(asked: str) -> list[tuple[str, str]]:
    """Return label and card of what is to be ranked or acted on, in shown order."""
    return _CANDIDATE.findall(section(asked, "page" if pages(asked) else "candidates"))


def history(asked: str) -> list[tuple[tuple[str, ...], float]]:
    """Return the terms and the stars of each experience, oldest first."""
    lines = map(_lived, section(asked, "history").splitlines())
    return [lived for lived in lines if lived is not None]


def section(text: str, tag: str) -> str:
    """Return what stands inside a tag; empty where there is none."""
    match = re.search(rf"<{tag}[^>]*>\n(.*?)\n</{tag}>", text, re.DOTALL)
    return match[1] if match else ""


@lru_cache(maxsize=4_096)
def known(summary: str) -> tuple[tuple[str, int, int], ...]:
    """Return (term, times liked, times met) of a summary with or without counts, by anybody.

    >>> known("Sci-Fi: liked (3 of 4), War: disliked")
    (('Sci-Fi', 3, 4), ('War', 0, 3))
    """
    found = {}
    for text, polarity, likes, met in _KNOWN.findall(summary):
        counted = (min(int(likes), int(met)), int(met)) if met else (0, 0)
        plain = (_PLAIN_MET * (polarity == LIKED), _PLAIN_MET)
        term = " ".join(text.split()).strip(_MARKS)
        if 0 < len(term) <= MAX_FIELD:
            found[term] = counted if counted[1] else plain
    return tuple((term, likes, met) for term, (likes, met) in found.items())


@lru_cache(maxsize=4_096)
def _lived(line: str) -> tuple[tuple[str, ...], float] | None:
    """Return the terms and the stars of a line of the history; None for any other line."""
    match = _LIVED.fullmatch(line)
    return (terms(match[2]), float(match[1])) if match else None


@lru_cache(maxsize=4_096)
def terms(card: str) -> tuple[str, ...]:
    """Return the attribute values on a card, each once, in order.

    What separates terms in a summary cannot be part of one: a value such as `x: liked (9 of 9)`
    would vote for `x`.

    >>> terms('"Alien" | genre: Horror, Sci-Fi | series: Alien: Origins')
    ('Horror', 'Sci-Fi', 'Alien Origins')
    """
    values: dict[str, None] = {}
    for part in card.split(" | ")[1:]:
        _, _, listed = part.partition(": ")
        for value in listed.split(", "):
            values[" ".join(re.split(r"[:,;\s]+", value)).strip(_MARKS)] = None
    values.pop("", None)
    return tuple(values)


def _describe(asked: str, words: int) -> str:
    """Describe an item by what its reader likes best in others, then by what was written before."""
    liked = [
        (-met, term) for term, likes, met in known(section(asked, "preferences")) if 2 * likes > met
    ]
    best = [term for _, term in sorted(liked)]
    written = section(asked, "description")
    before = written.split(", ") if written != _NOTHING_YET else []
    kept: list[str] = []
    for term in dict.fromkeys(best[: _DESCRIBED_TERMS // 2] + before + best):
        words -= word_count(term)
        if words < 0 or len(kept) == _DESCRIBED_TERMS:
            break
        kept.append(term)
    described = ", ".join(kept) or _NOTHING_YET
    return f"<think>\n{described}\n</think>\n<description>\n{described}\n</description>"


def word_count(text: str) -> int:
    """Count words, roughly: what these policies report as tokens."""
    return text.count(" ") + text.count("\n") + 1
