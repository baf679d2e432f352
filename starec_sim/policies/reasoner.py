"""A scripted reasoner: the teacher of small models, and a second baseline without a model.

It sees exactly what the prompt shows. The polarity of an attribute follows from the stars of the
experiences that had it, or from how often it was met. The balance of a candidate is the plain sum
of what speaks for and against it. No prompt says how much popularity counts beside taste: that is
what learning from feedback adds to what is taught here.

Its reasoning is written to be learned. The first line names the settings, so that a model that
learns from feedback has few and clear choices to make. Each attribute is repeated with its polarity
behind it, so that finding the polarity is a look-up. Every candidate has its balance, so that
ordering is sorting.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import Field

from starec_sim.answers import (
    DISLIKED,
    LIKED,
    NOTHING_YET,
    PromptParts,
    ShownAct,
    card_terms,
    count_line,
    read_counts,
)
from starec_sim.answers.tags import PREFERENCES, RANKING, THINK, block, tagged
from starec_sim.answers.terms import says_liked
from starec_sim.policies.acting import Wish, act_on
from starec_sim.policies.evidence import (
    POLARITIES,
    SIGNALS,
    Weighed,
    limited,
    signal_evidence,
    worth,
)
from starec_sim.policies.text_policy import TextPolicy, word_count

__all__ = ["POLARITIES", "SIGNALS", "ReasonerPolicy"]

UpTo2 = Annotated[int, Field(ge=0, le=2)]
UpTo3 = Annotated[int, Field(ge=0, le=3)]

_NEUTRAL_STARS = 3.5
"""Stars that speak neither for nor against the attributes of an experience."""
_LIKE_VOTE, _DISLIKE_VOTE = 0.5, -1.0
"""Stars from there to a usual like and to a usual dislike, which a summary counts without stars."""
_DAMPING = 2.0
"""Number of experiences at which an attribute counts half."""
_STRONGEST = 4
"""The balance from which on a user does the strongest thing that she can."""
_OFTEN = 3
"""Experiences from which on an attribute is loved by habit."""

_FIRST_LINE = re.compile(
    rf"By (?P<by>taste|habit) (?P<degree>\d)(?P<signals>(?:, (?:{'|'.join(SIGNALS.values())}) \d)*)"
)
_SETTING = re.compile(r"(\w+) (\d)")
_SUCH_AS = "By taste 2, popularity 1, rating 1, together 2"

_SUMMARY_MET = 8
"""Experiences that a summary counts for one attribute. Beyond that its counts are halved, so that
old experiences fade and the summary can follow a change of taste."""


class ReasonerPolicy(TextPolicy):
    """Weighs what the prompt shows, writes the weights down, and answers by them; deterministic."""

    named: float = Field(default=0.3, gt=0)
    """The damped mean vote, in stars, from which on an attribute is named."""
    strong: float = Field(default=0.6, gt=0)
    """From here on it is loved or hated."""
    by: Literal["taste", "habit"] = "taste"
    """Whether attributes count by the stars they earned, or by how often they were met."""
    attributes: UpTo2 = 2
    """How much attributes count: not at all, for a like or a dislike, or fully. A habit at 1 counts
    only what was met often."""
    popularity: UpTo3 = 1
    """How much it counts how many have seen a candidate."""
    rating: UpTo2 = 1
    """How much the mean rating counts."""
    together: UpTo3 = 2
    """How much it counts how many of the liked items a candidate is liked together with."""
    follows: UpTo3 = 2
    """How much it counts how many of the last items a candidate often follows."""
    keeps: int = Field(default=28, ge=1)
    """Attributes in a summary, those met last; fewer where its words end before. With more of them
    a summary tells more, and follows a change of taste less (`experiments/07_memory`)."""

    @property
    def _llm_type(self) -> str:
        return "reasoner"

    @classmethod
    def from_first_line(cls, line: str) -> Self:
        """Return the reasoner whose reasoning begins with this line.

        Raises:
            ValueError: It is not the first line of a reasoner.
        """
        match = _FIRST_LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"{line!r} is not how a reasoning begins, such as {_SUCH_AS!r}")
        signals = dict(_SETTING.findall(match["signals"]))
        settings = {"by": match["by"], "attributes": int(match["degree"]), **signals}
        return cls.model_validate(settings)

    def first_line(self, shown: Container[str] = SIGNALS) -> str:
        """Return the first line: how much attributes count, and each signal that is shown."""
        counts = {
            "seen by": self.popularity,
            "mean rating": self.rating,
            "liked together with": self.together,
            "often follows": self.follows,
        }
        parts = [f"{SIGNALS[name]} {count}" for name, count in counts.items() if name in shown]
        return ", ".join([f"By {self.by} {self.attributes}", *parts])

    def answer(self, prompt: PromptParts) -> str:
        """Reason in short lines, then rank, act, or rewrite the summary."""
        if prompt.asks == "reflection":
            return _reflect(prompt, self.keeps)
        polarities = self.habits(prompt) if self.by == "habit" else self.tastes(prompt)
        weighed = [self._weigh(label, card, polarities) for label, card in prompt.candidates]
        fields = (field for _, card in prompt.candidates for field in card.split(" | "))
        shown = {field.partition(": ")[0] for field in fields}
        thoughts = "\n".join([self.first_line(shown), *map(str, weighed)])
        answer = _act(weighed, prompt.acts) if prompt.asks == "feed" else _rank(weighed)
        return f"{block(THINK, thoughts)}\n{answer}"

    def tastes(self, prompt: PromptParts) -> Mapping[str, str]:
        """Return the polarity of each attribute value that is worth naming, by stars."""
        votes: dict[str, list[float]] = {}
        for term, likes, met in read_counts(prompt.preferences):
            votes[term] = [_LIKE_VOTE * likes + _DISLIKE_VOTE * (met - likes), float(met)]
        for stars, card, _ in prompt.history:
            for term in card_terms(card):
                vote = votes.setdefault(term, [0.0, 0.0])
                vote[0] += stars - _NEUTRAL_STARS
                vote[1] += 1.0
        polarities = {
            term: self._polarity(vote / (met + _DAMPING)) for term, (vote, met) in votes.items()
        }
        return {term: polarity for term, polarity in polarities.items() if polarity}

    def habits(self, prompt: PromptParts) -> Mapping[str, str]:
        """Return the polarity of each attribute value by how often it was met."""
        times = Counter({term: met for term, _, met in read_counts(prompt.preferences)})
        for shown in prompt.history:
            times.update(card_terms(shown.card))
        weak_too = self.attributes > 1
        return {
            term: "loved" if met >= _OFTEN else LIKED
            for term, met in times.items()
            if weak_too or met >= _OFTEN
        }

    def _polarity(self, vote: float) -> str:
        if abs(vote) < self.named:
            return ""
        if vote > 0:
            return "loved" if vote >= self.strong else LIKED
        return "hated" if vote <= -self.strong else DISLIKED

    def _weigh(self, label: str, card: str, polarities: Mapping[str, str]) -> Weighed:
        fields = card.split(" | ")
        named = (field.partition(": ") for field in fields[1:])
        signals = {name: value for name, _, value in named if name in SIGNALS}
        attributes = " | ".join(f for f in fields if f.partition(": ")[0] not in SIGNALS)
        evidence = []
        if self.attributes:
            known = [(t, polarities[t]) for t in card_terms(attributes) if t in polarities]
            evidence = [(term, limited(polarity, self.attributes)) for term, polarity in known]
        loud = (self.popularity, self.rating, self.together, self.follows)
        evidence += signal_evidence(signals, *loud)
        return Weighed(label, evidence, sum(worth(polarity) for _, polarity in evidence))


def _rank(weighed: Sequence[Weighed]) -> str:
    order = sorted(weighed, key=lambda one: -one.balance)  # stable: ties keep their shown order
    return tagged(RANKING, " > ".join(one.label for one in order))


def _act(weighed: Sequence[Weighed], acts: Sequence[ShownAct]) -> str:
    """Choose items with a positive balance, and the first of a page if it has no evidence."""
    wishes = [
        Wish(
            one.label,
            max(0, one.balance) / _STRONGEST,
            5 if one.balance > 2 else 4 if one.balance else 3,
            one.balance > 0 or (place == 0 and not one.evidence),
        )
        for place, one in enumerate(weighed)
    ]
    return act_on(wishes, acts)


def _reflect(prompt: PromptParts, keeps: int) -> str:
    """Add the feedback to the counts, attribute by attribute; what was met last comes first."""
    before = {term: (likes, met) for term, likes, met in read_counts(prompt.preferences)}
    now: dict[str, tuple[int, int]] = {}
    thoughts = []
    for label, card, prediction, feedback in prompt.reviewed:
        terms = card_terms(card)
        for term in terms:
            likes, met = now.get(term) or before.get(term) or (0, 0)
            now[term] = _faded(likes + says_liked(feedback), met + 1)
        counts = ", ".join(f"{term}: {now[term][0]} of {now[term][1]}" for term in terms)
        thoughts.append(f"{label}. {prediction}; {feedback}; now {counts or 'nothing'}")
    words = prompt.words
    summary: list[str] = []
    for term, counted in {**now, **{t: c for t, c in before.items() if t not in now}}.items():
        line = count_line(term, *_faded(*counted))
        words -= word_count(line)
        if words < 0 or len(summary) == keeps:
            break
        summary.append(line)
    thought, written = "\n".join(thoughts), "\n".join(summary) or NOTHING_YET
    return f"{block(THINK, thought)}\n{block(PREFERENCES, written)}"


def _faded(likes: int, met: int) -> tuple[int, int]:
    """Halve counts that have grown beyond what a summary holds."""
    if met <= _SUMMARY_MET:
        return likes, met
    return round(likes * _SUMMARY_MET / 2 / met), _SUMMARY_MET // 2
