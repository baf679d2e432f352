"""The parts of a prompt: what a policy without a model reads.

The templates of agents are free in their sentences. What they share is the sections named in
`starec_sim.answers.tags`, the labels of cards, the lines of a history, and one phrase for the
longest summary. `read_prompt` goes by these and by nothing else.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from starec_sim.answers import tags
from starec_sim.answers.labelling import read_labelled
from starec_sim.answers.terms import ShownExperience, read_experience
from starec_sim.tasks import STARS
from starec_sim.types import Messages

WORD_LIMIT = "at most {words} words"
"""The phrase by which a prompt limits a summary."""
SUMMARY_WORDS = 180
"""The longest summary, in words, where the prompt sets no limit."""
NOTHING_YET = "nothing yet"
"""The whole text of a section, or of a new text, that has nothing to say."""

EXAMPLE_LINE = "An example:\n"
"""The first line of a question that is shown with its answer, before the question that is asked."""

_LIMIT = re.compile(WORD_LIMIT.format(words=r"(\d{1,6})"))
_ACT = re.compile(r"^A: (.+?)(?: \((.*)\))?$", re.MULTILINE)
_AT_MOST = re.compile(r"at most (\d{1,6}) on a page$")
_STARS = re.compile(rf"a whole number of {STARS} from (\d+) to (\d+)")


class ShownAct(NamedTuple):
    """An action that a prompt offers for an item."""

    example: str
    """As an answer writes it, with an argument where it has one."""
    at_most: int
    """How often it can be done on the page."""
    stars: tuple[int, int] | None = None
    """The range of the argument, where that is stars."""


class Reviewed(NamedTuple):
    """One item of a reflection."""

    label: str
    card: str
    prediction: str
    feedback: str


@dataclass(frozen=True, slots=True)
class PromptParts:
    """What a prompt asks for, and what it shows."""

    asks: Literal["ranking", "feed", "reflection", "description"]
    """Which answer is asked for: a ranking, actions on a page, a new preference summary, or a new
    description of an item."""
    text: str
    """The user message."""
    words: int
    """The longest text that may be written, in words."""
    preferences: str = ""
    """The preference summary."""
    description: str = ""
    """What was written about the item so far."""
    history: tuple[ShownExperience, ...] = ()
    """Oldest first."""
    candidates: tuple[tuple[str, str], ...] = ()
    """Label and card of each item that is to be ranked or acted on, in shown order."""
    reviewed: tuple[Reviewed, ...] = ()
    """The items that a reflection is about."""
    acts: tuple[ShownAct, ...] = ()
    """What can be done with an item besides `skip`, from the weakest interest to the strongest."""


def read_prompt(messages: Messages) -> PromptParts:
    r"""Read the parts of a prompt.

    The sections of the question say what is asked for: of the first user message that is no
    example. A message that asks again (a repair) is not read: its question is the same. The limit
    of a summary stands in the first message.

    Args:
        messages: (role, text) pairs, as a policy gets them.

    Returns:
        The parts; those that the prompt does not show are empty.

    >>> read_prompt((("user", "<candidates>\nA. x\nB. y\n</candidates>"),)).candidates
    (('A', 'x'), ('B', 'y'))
    """
    asked = [text for role, text in messages if role == "user"]
    text = next((text for text in asked if not text.startswith(EXAMPLE_LINE)), "")
    limit = _LIMIT.search(messages[0][1])
    words = int(limit[1]) if limit else SUMMARY_WORDS
    shown = tags.sections(text)
    preferences = shown.get(tags.PREFERENCES, "")
    if tags.DESCRIPTION in shown:
        described = shown[tags.DESCRIPTION]
        return PromptParts("description", text, words, preferences, described)
    if tags.PREDICTION in shown:
        reviewed = tuple(_reviewed(shown))
        return PromptParts("reflection", text, words, preferences, reviewed=reviewed)
    lines = map(read_experience, shown.get(tags.HISTORY, "").splitlines())
    feed = tags.PAGE in shown
    return PromptParts(
        "feed" if feed else "ranking",
        text,
        words,
        preferences,
        history=tuple(line for line in lines if line is not None),
        candidates=tuple(read_labelled(shown.get(tags.PAGE if feed else tags.CANDIDATES, ""))),
        acts=_acts(messages[0][1]) if feed else (),
    )


@lru_cache(maxsize=256)
def _acts(form: str) -> tuple[ShownAct, ...]:
    """Return the actions that a form offers; `watch` with stars where it lists none."""
    acts = []
    for example, described in _ACT.findall(form):
        limit, between = _AT_MOST.search(described), _STARS.match(described)
        times = int(limit[1]) if limit else sys.maxsize
        acts.append(
            ShownAct(example, times, (int(between[1]), int(between[2])) if between else None)
        )
    return tuple(acts[1:]) or (ShownAct("watch 4", sys.maxsize, (1, 5)),)


def _reviewed(shown: dict[str, str]) -> list[Reviewed]:
    """Return the items of a reflection; the lines of its sections belong together in order."""
    items, predictions, feedback = (
        read_labelled(shown.get(tag, "")) for tag in (tags.ITEM, tags.PREDICTION, tags.FEEDBACK)
    )
    return [
        Reviewed(label, card, predicted, answer)
        for (label, card), (_, predicted), (_, answer) in zip(
            items, predictions, feedback, strict=False
        )
    ]
