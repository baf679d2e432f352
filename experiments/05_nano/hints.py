"""Hints: what is to be known while a question is still being read.

An answer teaches a look-up for each attribute that it names. A question has many more attributes to
look up, and what each of them means to the person follows from what stands before it. So after each
attribute of a candidate the model is also taught its polarity, and after each attribute of an item
in a reflection the count that the summary has of it, by the tokens that the answer uses. Nobody
will ever read these predictions; without them a small model takes many times longer to learn to
look anything up at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from starec_sim.policies import reading
from starec_sim.policies.reasoner import SIGNALS

_LINE = re.compile(r"^[A-Z]{1,3}\. (\".*)$", re.MULTILINE)

NOTHING = ", "
"""What follows an attribute that says nothing: the next one."""


def hints(asked: str, tastes: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """Return where attributes end in a question, and what is to be known there.

    Args:
        asked: The question.
        tastes: The polarities of attributes by taste, whatever the answer goes by.
    """
    if reading.reflects(asked):
        summary = reading.known(reading.section(asked, "preferences"))
        known = {term: f"{likes} of {met}" for term, likes, met in summary}
        tag = "item"
    else:
        known = {term: f": {polarity}" for term, polarity in tastes.items()}
        tag = "page" if reading.pages(asked) else "candidates"
    start, end = asked.index(f"<{tag}"), asked.index(f"</{tag}>")
    for line in _LINE.finditer(asked, start, end):
        for place, value in _values(line[1]):
            for term in reading.terms(f"title | value: {value}"):
                yield line.start(1) + place, known.get(term, NOTHING)


def _values(card: str) -> Iterator[tuple[int, str]]:
    """Return where each attribute value of a card ends, and the value."""
    place = 0
    for number, part in enumerate(card.split(" | ")):
        name, _, listed = part.partition(": ")
        if number and name not in SIGNALS:
            end = place + len(name) + 2
            for value in listed.split(", "):
                end += len(value)
                yield end, value
                end += 2
        place += len(part) + 3
