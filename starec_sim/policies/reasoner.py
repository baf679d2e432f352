"""A scripted reasoner: the teacher of small models, and a second floor without a model.

It sees exactly what the prompt shows. What an attribute is worth follows from the stars of the
experiences that had it, or from how often it was met, and a candidate's balance is the plain sum of
what speaks for and against it. How loudly popularity should speak beside taste, no prompt tells;
that is what learning from the world's feedback adds to what is taught here.

Its reasoning is written to be learned. The first line says what it goes by, so that whoever learns
from feedback has few and clear choices to make; each attribute is restated and its polarity
follows, so that finding it is a look-up; and every candidate has its balance, so that ordering is
sorting.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field

from starec_sim.policies import text_policy
from starec_sim.policies.text_policy import DISLIKED, LIKED, TextPolicy

UpTo2 = Annotated[int, Field(ge=0, le=2)]
UpTo3 = Annotated[int, Field(ge=0, le=3)]

POLARITIES = {"adored": 3, "loved": 2, LIKED: 1, DISLIKED: -1, "hated": -2, "loathed": -3}
"""What each polarity adds to a balance."""
_PLAINLY = {"loved": LIKED, "hated": DISLIKED}

_NEUTRAL_STARS = 3.5
"""What speaks neither for nor against the attributes of an experience."""
_LIKE_VOTE, _DISLIKE_VOTE = 0.5, -1.0
"""Stars from there to a usual like and to a usual dislike: what the counts of a summary stand
for."""
_DAMPING = 2.0
"""Meetings at which an attribute is trusted half."""
_OFTEN = 3
"""Meetings from which on habit calls an attribute loved."""

_SEEN_BY: tuple[dict[str, str], ...] = (
    {},
    {**dict.fromkeys(("top 1 %", "top 2 %", "top 5 %", "top 10 %"), LIKED), "few": DISLIKED},
    {
        **dict.fromkeys(("top 1 %", "top 2 %"), "loved"),
        **dict.fromkeys(("top 5 %", "top 10 %"), LIKED),
        "top 50 %": DISLIKED,
        "few": "hated",
    },
    {
        **dict.fromkeys(("top 1 %", "top 2 %"), "adored"),
        "top 5 %": "loved",
        "top 10 %": LIKED,
        "top 50 %": "hated",
        "few": "loathed",
    },
)
"""What popularity says, by how much it counts."""
_RATED_WELL, _RATED_BADLY, _FAR = 3.8, 3.0, 0.3
"""From these stars on a mean rating speaks, and loudly so far beyond if it counts twice."""
_MOST_TOGETHER = 9
"""What it says at most to be liked together with many: one digit."""
SIGNALS = {"seen by": "popularity", "mean rating": "rating", "liked together with": "together"}
"""Parts of a card that are no attributes, and the setting that says how much each counts."""

_FIRST_LINE = re.compile(
    rf"By (?P<by>taste|habit) (?P<degree>\d)(?P<told>(?:, (?:{'|'.join(SIGNALS.values())}) \d)*)"
)
_SETTING = re.compile(r"(\w+) (\d)")
_SUCH_AS = "By taste 2, popularity 1, rating 1, together 2"

_SUMMARY_MET = 8
"""Meetings that a summary counts for one attribute. Beyond that its counts are halved, so that old
meetings fade and the summary can follow a taste."""


class _Weighed(NamedTuple):
    """A candidate, and what speaks for or against it."""

    mark: str
    evidence: list[tuple[str, str]]
    """Attribute values and their polarities; signals, and theirs or a number."""
    balance: int

    def __str__(self) -> str:
        named = ", ".join(f"{term}: {polarity}" for term, polarity in self.evidence)
        balance = f"{self.balance:+d}" if self.balance else "0"
        return f"{self.mark}. {named or 'nothing'} = {balance}"


class ReasonerPolicy(TextPolicy):
    """Weighs what the prompt shows, says how, and answers accordingly; deterministic."""

    named: float = Field(default=0.3, gt=0)
    """The damped mean vote, in stars, from which on an attribute is named."""
    strong: float = Field(default=0.6, gt=0)
    """From here on it is loved or hated."""
    by: Literal["taste", "habit"] = "taste"
    """Whether attributes speak by the stars they earned, or by how often they were met."""
    attributes: UpTo2 = 2
    """How much attributes count: not at all, for a like or a dislike, or fully. A habit at 1 speaks
    only of what was met often."""
    popularity: UpTo3 = 1
    """How much it counts how many have seen a candidate."""
    rating: UpTo2 = 1
    """How much the mean rating counts."""
    together: UpTo3 = 2
    """How much it counts how many of the liked items a candidate is liked together with."""
    keeps: int = Field(default=28, ge=1)
    """Attributes in a summary, those met last; fewer where its words end before. With more of them
    a summary tells more, and follows a change of taste less (`experiments/07_memory`)."""

    @property
    def _llm_type(self) -> str:
        return "reasoner"

    @classmethod
    def going_by(cls, line: str) -> Self:
        """Return the reasoner whose reasoning begins with this line.

        Raises:
            ValueError: No reasoner's does.
        """
        said = _FIRST_LINE.fullmatch(line)
        if said is None:
            raise ValueError(f"{line!r} is not how a reasoning begins, such as {_SUCH_AS!r}")
        told = dict(_SETTING.findall(said["told"]))
        return cls.model_validate({"by": said["by"], "attributes": int(said["degree"]), **told})

    def goes_by(self, shown: Container[str] = SIGNALS) -> str:
        """Return the first line: how loudly attributes speak, and the signals that are shown."""
        told = [setting for signal, setting in SIGNALS.items() if signal in shown]
        loud = (f"{setting} {getattr(self, setting)}" for setting in told)
        return ", ".join([f"By {self.by} {self.attributes}", *loud])

    def answer(self, asked: str, words: int) -> str:
        """Reason in short lines, then rank, act, or rewrite the summary."""
        if text_policy.reflects(asked):
            return _reflect(asked, words, self.keeps)
        polarities = self.habits(asked) if self.by == "habit" else self.tastes(asked)
        candidates = text_policy.candidates(asked)
        weighed = [self._weigh(mark, card, polarities) for mark, card in candidates]
        shown = {part.partition(": ")[0] for _, card in candidates for part in card.split(" | ")}
        thoughts = "\n".join([self.goes_by(shown), *map(str, weighed)])
        answer = _act(weighed) if text_policy.pages(asked) else _rank(weighed)
        return f"<think>\n{thoughts}\n</think>\n{answer}"

    def tastes(self, asked: str) -> Mapping[str, str]:
        """Return the polarity of each attribute value that is worth naming."""
        votes: dict[str, list[float]] = {}
        for term, likes, met in text_policy.known(text_policy.section(asked, "preferences")):
            votes[term] = [_LIKE_VOTE * likes + _DISLIKE_VOTE * (met - likes), float(met)]
        for terms, stars in text_policy.history(asked):
            for term in terms:
                vote = votes.setdefault(term, [0.0, 0.0])
                vote[0] += stars - _NEUTRAL_STARS
                vote[1] += 1.0
        found = {
            term: self._polarity(vote / (met + _DAMPING)) for term, (vote, met) in votes.items()
        }
        return {term: polarity for term, polarity in found.items() if polarity}

    def habits(self, asked: str) -> Mapping[str, str]:
        """Return the polarity of each attribute value by how often it was met."""
        known = text_policy.known(text_policy.section(asked, "preferences"))
        times = Counter({term: met for term, _, met in known})
        for terms, _ in text_policy.history(asked):
            times.update(terms)
        loud = self.attributes > 1
        return {
            term: "loved" if met >= _OFTEN else LIKED
            for term, met in times.items()
            if loud or met >= _OFTEN
        }

    def _polarity(self, vote: float) -> str:
        if abs(vote) < self.named:
            return ""
        if vote > 0:
            return "loved" if vote >= self.strong else LIKED
        return "hated" if vote <= -self.strong else DISLIKED

    def _weigh(self, mark: str, card: str, polarities: Mapping[str, str]) -> _Weighed:
        parts = card.split(" | ")
        told = (part.partition(": ") for part in parts[1:])
        signals = {name: value for name, _, value in told if name in SIGNALS}
        attributes = " | ".join(p for p in parts if p.partition(": ")[0] not in SIGNALS)
        evidence = []
        if self.attributes:
            terms = text_policy.terms(attributes)
            known = [(term, polarities[term]) for term in terms if term in polarities]
            evidence = [(term, _said(polarity, self.attributes)) for term, polarity in known]
        evidence += self._signalled(signals)
        return _Weighed(mark, evidence, sum(_worth(polarity) for _, polarity in evidence))

    def _signalled(self, signals: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        """Yield what a card's signals say, and for what."""
        seen_by = signals.get("seen by", "")
        if polarity := _SEEN_BY[self.popularity].get(seen_by):
            yield seen_by, polarity
        rating = signals.get("mean rating", "")
        stars = float(rating) if rating.replace(".", "", 1).isdecimal() else _NEUTRAL_STARS
        if self.rating and stars >= _RATED_WELL:
            yield rating, _said("loved" if stars >= _RATED_WELL + _FAR else LIKED, self.rating)
        if self.rating and stars <= _RATED_BADLY:
            yield rating, _said("hated" if stars <= _RATED_BADLY - _FAR else DISLIKED, self.rating)
        liked, _, _ = signals.get("liked together with", "").partition(" (")
        if self.together and liked.isdecimal() and (count := int(liked[:3])):
            said = round((1 + self.together) / 2 * math.log2(1 + count))
            yield "together", f"+{min(said, _MOST_TOGETHER)}"


def _worth(polarity: str) -> int:
    """Return what a polarity, or a plain number, adds to a balance."""
    return POLARITIES[polarity] if polarity in POLARITIES else int(polarity)


def _said(polarity: str, strength: int) -> str:
    """Return a polarity as loudly as evidence of this strength may speak."""
    return polarity if strength > 1 else _PLAINLY.get(polarity, polarity)


def _rank(weighed: Sequence[_Weighed]) -> str:
    order = sorted(weighed, key=lambda one: -one.balance)  # stable: ties keep their shown order
    return f"<ranking>{' > '.join(one.mark for one in order)}</ranking>"


def _act(weighed: Sequence[_Weighed]) -> str:
    """Watch what more speaks for than against; of a page about which nothing is known, the top."""
    lines = []
    for place, one in enumerate(weighed):
        curious = place == 0 and not one.evidence
        stars = 5 if one.balance > 2 else 4 if one.balance else 3
        watch = one.balance > 0 or curious
        lines.append(f"{one.mark}: watch {stars}" if watch else f"{one.mark}: skip")
    following = "stay" if any("watch" in line for line in lines) else "leave"
    actions = "\n".join(lines)
    return f"<actions>\n{actions}\n</actions>\n<next>{following}</next>"


def _reflect(asked: str, words: int, keeps: int) -> str:
    """Count the feedback in, attribute by attribute; what was met last comes first."""
    before = {
        term: (likes, met)
        for term, likes, met in text_policy.known(text_policy.section(asked, "preferences"))
    }
    now: dict[str, tuple[int, int]] = {}
    thoughts = []
    lines = (_labelled(asked, tag) for tag in ("item", "prediction", "feedback"))
    for (mark, item), (_, predicted), (_, answer) in zip(*lines, strict=False):
        liked = answer.endswith(f": {LIKED}")
        terms = text_policy.terms(item)
        for term in terms:
            likes, met = now.get(term) or before.get(term) or (0, 0)
            now[term] = _faded(likes + liked, met + 1)
        counts = ", ".join(f"{term}: {_count(*now[term])}" for term in terms)
        thoughts.append(f"{mark}. {predicted}; {answer}; now {counts or 'nothing'}")
    summary: list[str] = []
    for term, (likes, met) in {**now, **{t: c for t, c in before.items() if t not in now}}.items():
        likes, met = _faded(likes, met)
        line = f"{term}: {LIKED if 2 * likes > met else DISLIKED} ({_count(likes, met)})"
        words -= text_policy.word_count(line)
        if words < 0 or len(summary) == keeps:
            break
        summary.append(line)
    thought, written = "\n".join(thoughts), "\n".join(summary) or "nothing yet"
    return f"<think>\n{thought}\n</think>\n<preferences>\n{written}\n</preferences>"


def _labelled(asked: str, tag: str) -> list[tuple[str, str]]:
    """Return the label of each line of a section, and what stands behind it."""
    parts = (line.partition(". ") for line in text_policy.section(asked, tag).splitlines())
    return [(mark, text) for mark, _, text in parts]


def _faded(likes: int, met: int) -> tuple[int, int]:
    """Halve counts that have grown beyond what a summary holds."""
    if met <= _SUMMARY_MET:
        return likes, met
    return round(likes * _SUMMARY_MET / 2 / met), _SUMMARY_MET // 2


def _count(likes: int, met: int) -> str:
    return f"{likes} of {met}"
