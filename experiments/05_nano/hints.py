"""Hints: what is to be known while a question is still being read.

An answer teaches a look-up for each attribute that it names. A question has many more attributes to
look up, and what each of them means to the person follows from what stands before it. So the model
is also taught, by the tokens that answers and summaries use:

- after each attribute of a candidate, its polarity by taste, or how often it was met and liked if
  the answer goes by habit: the question does not tell, so both are learned;
- after each attribute of an experience, how often it was met and liked until then;
- after each attribute of an item in a reflection, the count that the summary has of it.

Nobody will ever read these predictions; without them a small model takes many times longer to learn
to look anything up at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from starec_sim.policies import text_policy
from starec_sim.policies.reasoner import SIGNALS

_LINE = re.compile(r"^[A-Z]{1,3}\. (\".*)$", re.MULTILINE)
_LIVED = re.compile(r"^- [\d.]+ stars: (liked|disliked) \| (\".*)$", re.MULTILINE)

NOTHING = ", "
"""What follows an attribute that says nothing: the next one."""


def hints(asked: str, tastes: Mapping[str, str], habit: bool = False) -> Iterator[tuple[int, str]]:
    """Return where attributes end in a question, and what is to be known there.

    Args:
        asked: The question.
        tastes: The polarities of attributes by taste, whatever the answer goes by.
        habit: Whether it goes by habit.
    """
    summary = text_policy.known(text_policy.section(asked, "preferences"))
    if text_policy.reflects(asked):
        known = {term: f"{likes} of {met}" for term, likes, met in summary}
        tag = "item"
    else:
        known = {term: f": {polarity}" for term, polarity in tastes.items()}
        tag = "page" if text_policy.pages(asked) else "candidates"
        counted = {term: (likes, met) for term, likes, met in summary}
        yield from _counts(asked, counted)
        if habit:
            known = {term: f"{likes} of {met}" for term, (likes, met) in counted.items()}
    start, end = asked.index(f"<{tag}"), asked.index(f"</{tag}>")
    for line in _LINE.finditer(asked, start, end):
        for place, name, listed in _parts(line[1]):
            if name not in SIGNALS:
                for value_end, term in _terms(line.start(1) + place, listed):
                    yield value_end, known.get(term, NOTHING)


def _counts(asked: str, counted: dict[str, tuple[int, int]]) -> Iterator[tuple[int, str]]:
    """Return the running counts of the history, which go on from those of the summary.

    At the end, `counted` holds them all.
    """
    for line in _LIVED.finditer(asked):
        for place, _, listed in _parts(line[2]):
            for value_end, term in _terms(line.start(2) + place, listed):
                likes, met = counted.get(term, (0, 0))
                likes, met = counted[term] = likes + (line[1] == "liked"), met + 1
                yield value_end, f"{likes} of {met}"


def _parts(card: str) -> Iterator[tuple[int, str, str]]:
    """Return, of each part of a card but its title, where its values begin, its name and these."""
    place = 0
    for number, part in enumerate(card.split(" | ")):
        name, _, listed = part.partition(": ")
        if number:
            yield place + len(name) + 2, name, listed
        place += len(part) + 3


def _terms(place: int, listed: str) -> Iterator[tuple[int, str]]:
    """Return where each of the values listed from a place on ends, and its term."""
    for value in listed.split(", "):
        place += len(value)
        for term in text_policy.terms(f"title | value: {value}"):
            yield place, term
        place += 2
