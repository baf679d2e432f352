"""A policy without a model: it reads the prompt as text and answers in the form that is asked for.

It is the floor that every model must beat, and the default that makes a first result possible
without a key, a GPU or a download. It knows nothing that the prompt does not say: preferences and
history are turned into weights of words ("Sci-Fi: liked"), candidates are scored by the weights of
the words on their cards, and its reflections are real summaries of what was liked and disliked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from starec_sim.policies import text_policy
from starec_sim.policies.text_policy import DISLIKED, LIKED, TextPolicy

_PRIOR_STARS, _PRIOR_MET = 3.5, 5.0
"""What people give on average, and how many experiences that is worth."""
_LIKE_STARS = 2.0
"""Stars between what people like and what they dislike."""
_DAMPING = 5.0
"""Meetings at which a term is trusted half."""

_SUMMARY_TERMS = 24
"""Terms that a reflection keeps, the best-supported ones."""
_SUMMARY_MET = 12
"""Meetings that a summary counts for one term. Beyond that its counts are halved, so that old
meetings fade and the summary can follow a taste."""


class _Scored(NamedTuple):
    """A candidate, and what speaks for or against it."""

    mark: str
    score: float
    """Stars above or below what the reader usually gives."""
    known: list[tuple[str, float]]
    """The terms she knows something about, with their weights in stars."""


class LexicalPolicy(TextPolicy):
    """Weighted word overlap of preferences, history and candidates; deterministic."""

    summary_trust: float = 1.0
    """How much an observation in the summary counts against one in the history."""
    curiosity: int = 1
    """Places at the top of a page that are worth a try when nothing is known about them."""

    @property
    def _llm_type(self) -> str:
        return "lexical"

    def answer(self, asked: str, words: int) -> str:
        """Answer from the weights of words."""
        if text_policy.reflects(asked):
            return _reflect(asked, words)
        weights, usual = self._taste(asked)
        scored = []
        for mark, card in text_policy.candidates(asked):
            known = [(term, weights[term]) for term in text_policy.terms(card) if weights.get(term)]
            scored.append(_Scored(mark, sum(weight for _, weight in known), known))
        thoughts = "\n".join(
            f"{mark}. " + ", ".join(f"{term}: {_polarity(w)}" for term, w in known)
            for mark, _, known in scored
            if known
        )
        answer = self._act(scored, usual) if text_policy.pages(asked) else _rank(scored)
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
        history = text_policy.history(asked)
        given = sum(stars for _, stars in history)
        usual = (_PRIOR_STARS * _PRIOR_MET + given) / (_PRIOR_MET + len(history))
        # By term: stars above what is usual, and meetings.
        evidence: dict[str, list[float]] = {}
        summary = text_policy.known(text_policy.section(asked, "preferences"))
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
    counts = {
        term: [likes, met]
        for term, likes, met in text_policy.known(text_policy.section(asked, "preferences"))
    }
    thoughts = []
    items = text_policy.section(asked, "item").splitlines()
    feedback = text_policy.section(asked, "feedback").splitlines()
    predictions = text_policy.section(asked, "prediction").splitlines()
    for item, predicted, answer in zip(items, predictions, feedback, strict=False):
        polarity = LIKED if answer.endswith(f": {LIKED}") else DISLIKED
        terms = text_policy.terms(item)
        thoughts.append(f"{predicted}; it was {polarity}: {', '.join(terms)}")
        for term in terms:
            count = counts.setdefault(term, [0, 0])
            count[0] += polarity == LIKED
            count[1] += 1
    lines: list[str] = []
    for term in sorted(counts, key=lambda term: (-counts[term][1], term)):
        likes, met = counts[term]
        if met > _SUMMARY_MET:
            likes, met = round(likes * _SUMMARY_MET / 2 / met), _SUMMARY_MET // 2
        line = f"{term}: {LIKED if 2 * likes > met else DISLIKED} ({likes} of {met})"
        words -= text_policy.word_count(line)
        if words < 0 or len(lines) == _SUMMARY_TERMS:
            break
        lines.append(line)
    thought, summary = "\n".join(thoughts), "\n".join(lines) or "nothing yet"
    return f"<think>\n{thought}\n</think>\n<preferences>\n{summary}\n</preferences>"


def _polarity(weight: float) -> str:
    return LIKED if weight > 0 else DISLIKED
