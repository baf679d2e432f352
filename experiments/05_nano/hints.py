"""Hints: extra targets inside the question, which teach the model to look things up.

An answer teaches one look-up for each attribute that it names. A question has many more attributes.
What each of them means to the user follows from the text before it. So the model is also trained
to predict, with the tokens that answers and summaries use:

- after each attribute of a candidate: its polarity by taste, or how often the user met and liked it
  if the answer goes by habit (the question does not tell which, so the model learns both);
- after each attribute of an experience: how often the user had met and liked it until then;
- after each attribute of an item in a reflection: the count that the summary has of it.

These predictions are never used. Without them a small model takes many times longer to learn to
look anything up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from starec_sim.answers import card_terms, read_counts, read_prompt
from starec_sim.answers.tags import CANDIDATES, ITEM, PAGE
from starec_sim.policies.reasoner import SIGNALS

_LINE = re.compile(r"^[A-Z]{1,3}\. (\".*)$", re.MULTILINE)
_LIVED = re.compile(r"^- [\d.]+ stars: (liked|disliked) \| (\".*)$", re.MULTILINE)

NOTHING = ", "
"""The target after an attribute about which nothing is known: the separator that follows it."""


def hints(asked: str, tastes: Mapping[str, str], habit: bool = False) -> Iterator[tuple[int, str]]:
    """Yield the hints of a question: the place where an attribute ends, and the target text there.

    Args:
        asked: The question.
        tastes: The polarities of attributes by taste, also when the answer goes by habit.
        habit: Whether the answer goes by habit.
    """
    prompt = read_prompt((("user", asked),))
    summary = read_counts(prompt.preferences)
    if prompt.asks == "reflection":
        known = {term: f"{likes} of {met}" for term, likes, met in summary}
        tag = ITEM
    else:
        known = {term: f": {polarity}" for term, polarity in tastes.items()}
        tag = PAGE if prompt.asks == "feed" else CANDIDATES
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
    """Yield the running counts of the history, which start from the counts of the summary.

    Updates `counted` in place; at the end it holds the final counts.
    """
    for line in _LIVED.finditer(asked):
        for place, _, listed in _parts(line[2]):
            for value_end, term in _terms(line.start(2) + place, listed):
                likes, met = counted.get(term, (0, 0))
                likes, met = counted[term] = likes + (line[1] == "liked"), met + 1
                yield value_end, f"{likes} of {met}"


def _parts(card: str) -> Iterator[tuple[int, str, str]]:
    """Yield for each part of a card but the title: where its values begin, its name, its values."""
    place = 0
    for number, part in enumerate(card.split(" | ")):
        name, _, listed = part.partition(": ")
        if number:
            yield place + len(name) + 2, name, listed
        place += len(part) + 3


def _terms(place: int, listed: str) -> Iterator[tuple[int, str]]:
    """Yield where each value of a list ends, and its term; `place` is where the list begins."""
    for value in listed.split(", "):
        place += len(value)
        for term in card_terms(f"title | value: {value}"):
            yield place, term
        place += 2
