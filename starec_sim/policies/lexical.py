"""A policy without a model: weighted word overlap of preferences, history and candidates.

It is the baseline that every model must beat, and the default policy: a first result needs no key,
no GPU and no download. It knows only what the prompt says. Preferences and history become weights
of terms ("Sci-Fi: liked"), a candidate is scored by the weights of the terms on its card, and a
reflection counts what was liked and disliked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from starec_sim.answers import (
    DISLIKED,
    LIKED,
    NOTHING_YET,
    PromptParts,
    card_terms,
    count_line,
    read_counts,
)
from starec_sim.answers.tags import PREFERENCES, RANKING, THINK, block, tagged
from starec_sim.answers.terms import says_liked
from starec_sim.policies.acting import Wish, act_on
from starec_sim.policies.term_weights import term_weights
from starec_sim.policies.text_policy import TextPolicy, word_count

_LIKE_STARS = 2.0
"""Stars between what users like and what they dislike."""
_STRONGEST = 1.0
"""Stars above what is usual from which on a user does the strongest thing that she can."""

_SUMMARY_TERMS = 24
"""Terms that a reflection keeps, those with the most meetings."""
_SUMMARY_MET = 12
"""Meetings that a summary counts for one term. Beyond that its counts are halved, so that old
meetings fade and the summary can follow a change of taste."""


class _Scored(NamedTuple):
    """A candidate, and what speaks for or against it."""

    label: str
    score: float
    """Stars above or below what the user usually gives."""
    known: list[tuple[str, float]]
    """The terms the user knows something about, with their weights in stars."""


class LexicalPolicy(TextPolicy):
    """Weighted word overlap of preferences, history and candidates; deterministic."""

    summary_trust: float = 1.0
    """How much an observation in the summary counts against one in the history."""
    curiosity: int = 1
    """Places at the top of a page that are watched when nothing is known about them."""

    @property
    def _llm_type(self) -> str:
        return "lexical"

    def answer(self, prompt: PromptParts) -> str:
        """Answer from the weights of terms."""
        if prompt.asks == "reflection":
            return _reflect(prompt)
        weights, usual = self._taste(prompt)
        scored = []
        for label, card in prompt.candidates:
            known = [(term, weights[term]) for term in card_terms(card) if weights.get(term)]
            scored.append(_Scored(label, sum(weight for _, weight in known), known))
        thoughts = "\n".join(
            f"{label}. " + ", ".join(f"{term}: {_polarity(w)}" for term, w in known)
            for label, _, known in scored
            if known
        )
        answer = self._act(scored, usual, prompt) if prompt.asks == "feed" else _rank(scored)
        return f"{block(THINK, thoughts)}\n{answer}"

    def _act(self, scored: Sequence[_Scored], usual: float, prompt: PromptParts) -> str:
        wishes = [
            Wish(
                label,
                max(0.0, score) / _STRONGEST,
                min(5, max(1, round(usual + score))),
                score > 0 or (not known and place < self.curiosity),
            )
            for place, (label, score, known) in enumerate(scored)
        ]
        return act_on(wishes, prompt.acts)

    def _taste(self, prompt: PromptParts) -> tuple[Mapping[str, float], float]:
        """Return what each term is worth, in stars, and the stars that the user usually gives."""
        summary = read_counts(prompt.preferences)
        base = (1.0 + sum(likes for _, likes, _ in summary)) / (2.0 + sum(m for *_, m in summary))
        told = [
            (
                term,
                self.summary_trust * (_LIKE_STARS * (likes - base * met)),
                self.summary_trust * met,
            )
            for term, likes, met in summary
        ]
        return term_weights([(stars, card_terms(card)) for stars, card, _ in prompt.history], told)


def _rank(scored: Sequence[_Scored]) -> str:
    order = sorted(scored, key=lambda entry: -entry.score)  # stable: ties keep their shown order
    return tagged(RANKING, " > ".join(entry.label for entry in order))


def _reflect(prompt: PromptParts) -> str:
    """Add the feedback to the counts of the summary."""
    counts = {term: [likes, met] for term, likes, met in read_counts(prompt.preferences)}
    thoughts = []
    for label, card, prediction, feedback in prompt.reviewed:
        liked = says_liked(feedback)
        terms = card_terms(card)
        polarity = LIKED if liked else DISLIKED
        thoughts.append(f"{label}. {prediction}; it was {polarity}: {', '.join(terms)}")
        for term in terms:
            count = counts.setdefault(term, [0, 0])
            count[0] += liked
            count[1] += 1
    words = prompt.words
    lines: list[str] = []
    for term in sorted(counts, key=lambda term: (-counts[term][1], term)):
        likes, met = counts[term]
        if met > _SUMMARY_MET:
            likes, met = round(likes * _SUMMARY_MET / 2 / met), _SUMMARY_MET // 2
        line = count_line(term, likes, met)
        words -= word_count(line)
        if words < 0 or len(lines) == _SUMMARY_TERMS:
            break
        lines.append(line)
    thought, summary = "\n".join(thoughts), "\n".join(lines) or NOTHING_YET
    return f"{block(THINK, thought)}\n{block(PREFERENCES, summary)}"


def _polarity(weight: float) -> str:
    return LIKED if weight > 0 else DISLIKED
