"""A policy without a model: it reads the prompt as text and answers in the form that is asked for.

It is the floor that every model must beat, and the default that makes a first result possible
without a key, a GPU or a download. It knows nothing that the prompt does not say: preferences and
history are turned into weights of words ("Sci-Fi: liked"), candidates are scored by the weights of
the words on their cards, and its reflections are real summaries of what was liked and disliked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import ConfigDict

from starec_sim.cards import MAX_FIELD

_LIKED, _DISLIKED = "liked", "disliked"

_CANDIDATE = re.compile(r"^([A-Z]{1,3})\. (.*)$", re.MULTILINE)
_LIVED = re.compile(r"(.*) \| (\d(?:\.\d+)?) stars: (?:liked|disliked)")
_SUMMARY = re.compile(r"([^:,;\n]+): (liked|disliked)(?: \((\d{1,6}) of (\d{1,6})\))?")
_LIMIT = re.compile(r"at most (\d{1,6}) words")
_MARKS = " -*•\"'`"
"""What others put around a term in a list."""

_PRIOR_STARS, _PRIOR_MET = 3.5, 5.0
"""What people give on average, and how many experiences that is worth."""
_LIKE_STARS = 2.0
"""Stars between what people like and what they dislike."""
_DAMPING = 5.0
"""Meetings at which a term is trusted half."""

_SUMMARY_WORDS = 180
"""The longest summary when the prompt does not say."""
_SUMMARY_TERMS = 24
"""Terms that a reflection keeps, the best-supported ones."""
_SUMMARY_MET = 12
"""Meetings that a summary counts for one term. Beyond that its counts are halved, so that old
meetings fade and the summary can follow a taste."""
_PLAIN_MET = 3
"""What a polarity without counts is worth ("Sci-Fi: liked", in somebody else's words)."""


class _Scored(NamedTuple):
    """A candidate, and what speaks for or against it."""

    mark: str
    score: float
    """Stars above or below what the reader usually gives."""
    known: list[tuple[str, float]]
    """The terms she knows something about, with their weights in stars."""


class LexicalPolicy(BaseChatModel):
    """Weighted word overlap of preferences, history and candidates; deterministic."""

    model_config = ConfigDict(extra="forbid")

    summary_trust: float = 1.0
    """How much an observation in the summary counts against one in the history."""
    curiosity: int = 1
    """Places at the top of a page that are worth a try when nothing is known about them."""

    @property
    def _llm_type(self) -> str:
        return "lexical"

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
        limit = _LIMIT.search(texts[0]) if "<prediction>" in asked else None
        answer = self._answer(asked, int(limit[1]) if limit else _SUMMARY_WORDS)
        words_in, words_out = sum(map(_words, texts)), _words(answer)
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

    def _answer(self, asked: str, words: int) -> str:
        if "<prediction>" in asked:
            return _reflect(asked, words)
        weights, usual = self._taste(asked)
        page = "<page" in asked
        scored = []
        for mark, card in _CANDIDATE.findall(_section(asked, "page" if page else "candidates")):
            known = [(term, weights[term]) for term in _terms(card) if weights.get(term)]
            scored.append(_Scored(mark, sum(weight for _, weight in known), known))
        thoughts = "\n".join(
            f"{mark}. " + ", ".join(f"{term}: {_polarity(w)}" for term, w in known)
            for mark, _, known in scored
            if known
        )
        answer = self._act(scored, usual) if page else _rank(scored)
        return f"<think>\n{thoughts}\n</think>\n{answer}"

    def _act(self, scored: Sequence[_Scored], usual: float) -> str:
        lines = []
        for place, (mark, score, known) in enumerate(scored):
            wanted = score > 0 or (not known and place < self.curiosity)
            stars = min(5, max(1, round(usual + score)))
            lines.append(f"{mark}: watch {stars}" if wanted else f"{mark}: skip")
        watched = sum("watch" in line for line in lines)
        actions = "\n".join(lines)
        return f"<actions>\n{actions}\n</actions>\n<next>{'stay' if watched else 'leave'}</next>"

    def _taste(self, asked: str) -> tuple[Mapping[str, float], float]:
        """Return what each term is worth, in stars, and the stars the reader usually gives."""
        lines = map(_lived, _section(asked, "history").splitlines())
        history = [lived for lived in lines if lived is not None]
        given = sum(stars for _, stars in history)
        usual = (_PRIOR_STARS * _PRIOR_MET + given) / (_PRIOR_MET + len(history))
        # By term: stars above what is usual, and meetings.
        evidence: dict[str, list[float]] = {}
        summary = _known(_section(asked, "preferences"))
        base = (1.0 + sum(likes for _, likes, _ in summary)) / (2.0 + sum(m for *_, m in summary))
        for term, likes, met in summary:
            stars = _LIKE_STARS * (likes - base * met)
            evidence[term] = [self.summary_trust * stars, self.summary_trust * met]
        for terms, stars in history:
            for term in terms:
                seen = evidence.setdefault(term, [0.0, 0.0])
                seen[0] += stars - usual
                seen[1] += 1.0
        weights = {term: stars / (met + _DAMPING) for term, (stars, met) in evidence.items()}
        return weights, usual


def _rank(scored: Sequence[_Scored]) -> str:
    order = sorted(scored, key=lambda entry: -entry.score)  # stable: ties keep their shown order
    return f"<ranking>{' > '.join(entry.mark for entry in order)}</ranking>"


def _reflect(asked: str, words: int) -> str:
    """Fold the feedback into the counts of the summary."""
    counts = {term: [likes, met] for term, likes, met in _known(_section(asked, "preferences"))}
    thoughts = []
    items = _section(asked, "item").splitlines()
    feedback = _section(asked, "feedback").splitlines()
    predictions = _section(asked, "prediction").splitlines()
    for item, predicted, answer in zip(items, predictions, feedback, strict=False):
        polarity = _LIKED if answer.endswith(f": {_LIKED}") else _DISLIKED
        terms = _terms(item)
        thoughts.append(f"{predicted}; it was {polarity}: {', '.join(terms)}")
        for term in terms:
            count = counts.setdefault(term, [0, 0])
            count[0] += polarity == _LIKED
            count[1] += 1
    lines: list[str] = []
    for term in sorted(counts, key=lambda term: (-counts[term][1], term)):
        likes, met = counts[term]
        if met > _SUMMARY_MET:
            likes, met = round(likes * _SUMMARY_MET / 2 / met), _SUMMARY_MET // 2
        line = f"{term}: {_LIKED if 2 * likes > met else _DISLIKED} ({likes} of {met})"
        words -= _words(line)
        if words < 0 or len(lines) == _SUMMARY_TERMS:
            break
        lines.append(line)
    thought, summary = "\n".join(thoughts), "\n".join(lines) or "nothing yet"
    return f"<think>\n{thought}\n</think>\n<preferences>\n{summary}\n</preferences>"


@lru_cache(maxsize=4_096)
def _known(summary: str) -> tuple[tuple[str, int, int], ...]:
    """Return (term, times liked, times met) of a summary that this policy wrote, or of any text."""
    found = {}
    for text, polarity, likes, met in _SUMMARY.findall(summary):
        counted = (min(int(likes), int(met)), int(met)) if met else (0, 0)
        plain = (_PLAIN_MET * (polarity == _LIKED), _PLAIN_MET)
        term = " ".join(text.split()).strip(_MARKS)
        if 0 < len(term) <= MAX_FIELD:
            found[term] = counted if counted[1] else plain
    return tuple((term, likes, met) for term, (likes, met) in found.items())


@lru_cache(maxsize=4_096)
def _lived(line: str) -> tuple[tuple[str, ...], float] | None:
    """Return the terms and the stars of a line of the history; None for any other line."""
    match = _LIVED.fullmatch(line)
    return (_terms(match[1]), float(match[2])) if match else None


@lru_cache(maxsize=4_096)
def _terms(card: str) -> tuple[str, ...]:
    """Return the attribute values on a card, each once, in order.

    What separates terms in a summary cannot be part of one: a value such as `x: liked (9 of 9)`
    would vote for `x`.

    >>> _terms('"Alien" | genre: Horror, Sci-Fi | series: Alien: Origins')
    ('Horror', 'Sci-Fi', 'Alien Origins')
    """
    values: dict[str, None] = {}
    for part in card.split(" | ")[1:]:
        _, _, listed = part.partition(": ")
        for value in listed.split(", "):
            values[" ".join(re.split(r"[:,;\s]+", value)).strip(_MARKS)] = None
    values.pop("", None)
    return tuple(values)


def _section(text: str, tag: str) -> str:
    match = re.search(rf"<{tag}[^>]*>\n(.*?)\n</{tag}>", text, re.DOTALL)
    return match[1] if match else ""


def _words(text: str) -> int:
    """Count words, roughly: what this policy reports as tokens."""
    return text.count(" ") + text.count("\n") + 1


def _polarity(weight: float) -> str:
    return _LIKED if weight > 0 else _DISLIKED
