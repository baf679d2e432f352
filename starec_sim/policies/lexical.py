"""A policy without a model: it reads the prompt as text and answers in the form that is asked for.

It is the floor that every model must beat, and the default that makes a first result possible
without a key, a GPU or a download. It knows nothing that the prompt does not say: preferences and
history are turned into weights of words ("Sci-Fi: liked"), candidates are scored by the weights of
the words on their cards, and its reflections are real summaries of what was liked and disliked.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import ConfigDict

_LIKED, _DISLIKED = "liked", "disliked"
_CANDIDATE = re.compile(r"^([A-Z]{1,3})\. (.*)$", re.MULTILINE)
_SUMMARY = re.compile(r"([^:,;\n]+): (liked|disliked)(?: \((\d+) of (\d+)\))?")
_SUMMARY_TERMS = 24
"""Terms that a reflection keeps, the best-supported ones."""
_SUMMARY_MET = 12
"""Meetings that a summary counts for one term; older ones fade, so that it can follow a taste."""
_PLAIN_MET = 3
"""What a polarity without counts is worth ("Sci-Fi: liked", in somebody else's words)."""


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
        asked = next(str(m.content) for m in messages if m.type == "human")
        answer = self._answer(asked)
        words_in = sum(_words(str(message.content)) for message in messages)
        words_out = _words(answer)
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

    def _answer(self, asked: str) -> str:
        if "<prediction>" in asked:
            return _reflect(asked)
        weights = self._weights(asked)
        page = _section(asked, "page")
        shown = _CANDIDATE.findall(page or _section(asked, "candidates"))
        scored = []
        for mark, text in shown:
            known = [(term, weights[term]) for term in _terms(text) if weights.get(term)]
            scored.append((mark, sum(w for _, w in known) / max(1, len(known)) ** 0.5, known))
        thoughts = "\n".join(
            f"{mark}. " + ", ".join(f"{term}: {_polarity(w)}" for term, w in known)
            for mark, _, known in scored
            if known
        )
        answer = self._act(scored) if page else _rank(scored)
        return f"<think>\n{thoughts}\n</think>\n{answer}"

    def _act(self, scored: Sequence[tuple[str, float, list[tuple[str, float]]]]) -> str:
        lines = []
        for place, (mark, score, known) in enumerate(scored):
            wanted = score > 0 or (not known and place < self.curiosity)
            stars = min(5, max(1, round(3.5 + 2.0 * score)))
            lines.append(f"{mark}: watch {stars}" if wanted else f"{mark}: skip")
        watched = sum("watch" in line for line in lines)
        actions = "\n".join(lines)
        return f"<actions>\n{actions}\n</actions>\n<next>{'stay' if watched else 'leave'}</next>"

    def _weights(self, asked: str) -> dict[str, float]:
        evidence: dict[str, list[float]] = {}
        for term, likes, count in _known(_section(asked, "preferences")):
            evidence[term] = [self.summary_trust * likes, self.summary_trust * count]
        likes_seen, lines = 0, _section(asked, "history").splitlines()
        for line in lines:
            item, _, verdict = line.rpartition(" | ")
            likes = verdict.endswith(f": {_LIKED}")
            likes_seen += likes
            for term in _terms(item):
                seen = evidence.setdefault(term, [0.0, 0.0])
                seen[0] += likes
                seen[1] += 1.0
        # Liking above the reader's own average, shrunk towards zero for what was seldom met.
        base = (likes_seen + 1.0) / (len(lines) + 2.0)
        return {term: (liked - base * met) / (met + 2.0) for term, (liked, met) in evidence.items()}


def _rank(scored: Sequence[tuple[str, float, list[tuple[str, float]]]]) -> str:
    order = sorted(scored, key=lambda entry: -entry[1])  # stable: ties keep their shown order
    return f"<ranking>{' > '.join(mark for mark, _, _ in order)}</ranking>"


def _reflect(asked: str) -> str:
    """Fold the feedback into the counts of the summary."""
    liked: Counter[str] = Counter()
    met: Counter[str] = Counter()
    for term, likes, count in _known(_section(asked, "preferences")):
        liked[term] += likes
        met[term] += count
    thoughts = []
    items = _section(asked, "item").splitlines()
    feedback = _section(asked, "feedback").splitlines()
    predictions = _section(asked, "prediction").splitlines()
    for item, predicted, answer in zip(items, predictions, feedback, strict=False):
        polarity = _LIKED if f": {_LIKED}" in answer else _DISLIKED
        terms = _terms(item.partition(". ")[2])
        thoughts.append(f"{predicted}; it was {polarity}: {', '.join(terms)}")
        for term in terms:
            liked[term] += polarity == _LIKED
            met[term] += 1
    lines = []
    for term in sorted(met, key=lambda term: (-met[term], term))[:_SUMMARY_TERMS]:
        count = min(met[term], _SUMMARY_MET)
        likes = round(liked[term] * count / met[term])
        lines.append(f"{term}: {_LIKED if 2 * likes > count else _DISLIKED} ({likes} of {count})")
    thought, summary = "\n".join(thoughts), "\n".join(lines)
    return f"<think>\n{thought}\n</think>\n<preferences>\n{summary}\n</preferences>"


def _known(summary: str) -> Iterable[tuple[str, int, int]]:
    """Yield (term, times liked, times met) from a summary that this policy wrote, or any text."""
    for term, polarity, likes, count in _SUMMARY.findall(summary):
        if count:
            yield term.strip(), int(likes), int(count)
        else:
            yield term.strip(), _PLAIN_MET * (polarity == _LIKED), _PLAIN_MET


@lru_cache(maxsize=100_000)
def _terms(text: str) -> tuple[str, ...]:
    """Return the attribute values on a card, in order: `genre: Horror, Sci-Fi` gives two."""
    values: list[str] = []
    for part in text.split(" | ")[1:]:
        _, named, listed = part.partition(": ")
        if named:
            values.extend(value.strip() for value in listed.split(","))
    return tuple(value for value in values if value)


def _section(text: str, tag: str) -> str:
    match = re.search(rf"<{tag}[^>]*>\n(.*?)\n</{tag}>", text, re.DOTALL)
    return match[1] if match else ""


def _words(text: str) -> int:
    """Count words, roughly: what this policy reports as tokens."""
    return text.count(" ") + text.count("\n") + 1


def _polarity(weight: float) -> str:
    return _LIKED if weight > 0 else _DISLIKED
