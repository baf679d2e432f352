"""Attribute values as terms: on cards, in experiences, and counted in preference summaries.

A prompt writes an experience as `- 4 stars: liked | <card>`, or as `- bought 2: liked | <card>` in
a world without stars. A summary says of a term how often it
was liked, as in `Sci-Fi: liked (3 of 4)`. Both forms are written and read here.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from starec_sim.cards import MAX_FIELD, quoted
from starec_sim.types import LIKED_ABOVE, Experience

LIKED, DISLIKED = "liked", "disliked"
"""The polarity words."""

_POLARITY = f"{LIKED}|{DISLIKED}"
_EXPERIENCE = re.compile(rf"- (?:[^|]*; )?(?:(\d(?:\.\d+)?) stars|[^|]+): ({_POLARITY}) \| (.*)")
_LIKED_STARS, _DISLIKED_STARS = 5.0, 2.0
"""What an experience without stars counts for."""
_DONE = str.maketrans({"|": "/", ";": ","})
_COUNTED = re.compile(rf"([^:,;\n]+): ({_POLARITY})(?: \((\d{{1,6}}) of (\d{{1,6}})\))?")
_STATEMENT = re.compile(rf"([^:,;\n]+): ({_POLARITY})")
_SEPARATORS = re.compile(r"[:,;\s]+")
_MARKS = " -*•\"'`"
"""Characters that some models write around a term in a list."""
_PLAIN_MET = 3
"""Experiences that a polarity without counts stands for ("Sci-Fi: liked")."""


class ShownExperience(NamedTuple):
    """An experience as a prompt shows it."""

    stars: float
    """Those that it shows; 5 or 2 where it shows a polarity only."""
    card: str
    outcome: str = ""
    """How it turned out, as the prompt writes it, without the polarity of stars."""


TermCount = tuple[str, int, int]
"""What a summary says of a term: the term, how often it was liked, how often it was met. Each round
makes thousands, so it is a plain tuple."""


def stars(rating: float) -> str:
    """Return a rating as a prompt writes it.

    In a history it stands before the card: a model that reads from left to right then knows at each
    attribute whether the experience was a good one.

    >>> stars(4.0)
    '4 stars: liked'
    """
    return f"{rating:g} stars: {LIKED if rating > LIKED_ABOVE else DISLIKED}"


def says_liked(line: str) -> bool:
    """Return whether a line of feedback ends with a like.

    >>> says_liked("chosen, 5 stars: liked"), says_liked("not chosen: disliked")
    (True, False)
    """
    return line.endswith(f": {LIKED}")


def outcome(experience: Experience) -> str:
    """Return how an item turned out, as prompts write it.

    >>> outcome(Experience(0, 4.0, "logged"))
    '4 stars: liked'
    >>> outcome(Experience(0, None, "world", action="bought 2", like=True))
    'bought 2: liked'
    """
    action, rating = experience.action, experience.rating
    done = quoted(action.translate(_DONE)) if action else ""
    if rating is not None:
        return f"{done}; {stars(rating)}" if done else stars(rating)
    if experience.like is None:
        return done or "seen"
    return f"{done or 'seen'}: {LIKED if experience.like else DISLIKED}"


def experience_line(experience: Experience, card: str) -> str:
    """Return an experience as a line of a history.

    >>> experience_line(Experience(0, 2.5, "logged"), '"Alien" | genre: Horror')
    '- 2.5 stars: disliked | "Alien" | genre: Horror'
    """
    return f"- {outcome(experience)} | {card}"


@lru_cache(maxsize=4_096)
def read_experience(line: str) -> ShownExperience | None:
    """Return the experience that a line of a history shows; None if it shows no polarity."""
    match = _EXPERIENCE.fullmatch(line)
    if match is None:
        return None
    without_stars = _LIKED_STARS if match[2] == LIKED else _DISLIKED_STARS
    said = match[1] if match[1] else ""
    outcome = f"{said} stars" if said else line[2 : match.start(3) - len(" | ")]
    return ShownExperience(float(said) if said else without_stars, match[3], outcome)


@lru_cache(maxsize=8_192)
def card_terms(card: str) -> tuple[str, ...]:
    """Return the attribute values on a card, each once, in order.

    Characters that separate terms in a summary are replaced by a space: a value such as
    `x: liked (9 of 9)` would vote for `x`.

    >>> card_terms('"Alien" | genre: Horror, Sci-Fi | series: Alien: Origins')
    ('Horror', 'Sci-Fi', 'Alien Origins')
    """
    values: dict[str, None] = {}
    for field in card.split(" | ")[1:]:
        _, _, listed = field.partition(": ")
        for value in listed.split(", "):
            values[" ".join(_SEPARATORS.split(value)).strip(_MARKS)] = None
    values.pop("", None)
    return tuple(values)


def count_line(term: str, likes: int, met: int) -> str:
    """Return what a summary says of a term that was met so often and liked so often.

    >>> count_line("Sci-Fi", 3, 4), count_line("War", 1, 2)
    ('Sci-Fi: liked (3 of 4)', 'War: disliked (1 of 2)')
    """
    return f"{term}: {LIKED if 2 * likes > met else DISLIKED} ({likes} of {met})"


@lru_cache(maxsize=4_096)
def read_counts(summary: str) -> tuple[TermCount, ...]:
    """Return what a summary says of each term, with counts or without, by any writer.

    >>> read_counts("Sci-Fi: liked (3 of 4), War: disliked")
    (('Sci-Fi', 3, 4), ('War', 0, 3))
    """
    counts: dict[str, TermCount] = {}
    for text, polarity, likes, met in _COUNTED.findall(summary):
        term = " ".join(text.split()).strip(_MARKS)
        if 0 < len(term) <= MAX_FIELD:
            counted = int(met) if met else 0
            if counted:
                counts[term] = (term, min(int(likes), counted), counted)
            else:
                counts[term] = (term, _PLAIN_MET * (polarity == LIKED), _PLAIN_MET)
    return tuple(counts.values())


def read_statements(summary: str) -> list[tuple[str, bool]]:
    """Return (term, liked) of each statement of a summary, in order; a term may occur again.

    >>> read_statements("Sci-Fi: liked (3 of 4), War: disliked; Sci-Fi: disliked")
    [('Sci-Fi', True), ('War', False), ('Sci-Fi', False)]
    """
    return [
        (" ".join(text.split()).strip(_MARKS), polarity == LIKED)
        for text, polarity in _STATEMENT.findall(summary)
    ]
